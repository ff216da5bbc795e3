"""The server of the page: a port, a temporary folder, and no external resources."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.timeline.heap import return_freed_memory
from speechbrain_xser.versions import install_hint
from speechbrain_xser.web.private import UPLOADS, private_folder, remove_old
from speechbrain_xser.web.server_settings import WebSettings

if TYPE_CHECKING:
    from types import ModuleType

    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

logger = logging.getLogger(__name__)

FORGOTTEN_SECONDS = 600.0  # an upload or a clip that is not used for this long is removed
LOOK_SECONDS = 30.0  # between two checks for them
GRADIO = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_ANALYTICS_MAX_EVENTS": "1"}


class Server(NamedTuple):
    """A running server."""

    address: str  # for a browser
    folder: Path  # of uploads while they are read
    forget: Callable[[float], None]  # what clients left that have gone, and clips unused for some seconds

    def wait(self) -> None:
        """Waits until the process is asked to end; removes what nobody uses."""
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                remove_old(self.folder / UPLOADS, FORGOTTEN_SECONDS)
            except OSError as error:  # on Windows, a file that is open; it goes with a later look
                logger.warning("An old upload cannot be removed yet (%s).", error)
            self.forget(FORGOTTEN_SECONDS)
            return_freed_memory()


@contextmanager
def serving(
    recognizer: ExplainableEmotionRecognizer,
    settings: WebSettings,
    host: str = "127.0.0.1",
    port: int = 0,
    open_browser: bool = False,
) -> Iterator[Server]:
    """Serves the page during the block, on any free port for 0; running requests may end before it does.

    Raises
    ------
    SettingsError
        If Gradio is not installed, or the address and port cannot be used.
    """
    port = free_port(host, port)
    with private_folder() as folder:
        assembly = _imported().Assembly(recognizer, settings, folder, _address(host, port))
        assembly.launch(host, port, open_browser)
        try:
            yield Server(_address(host, port), folder, assembly.leftovers.look)
        finally:
            assembly.close()


def _address(host: str, port: int) -> str:
    """An address for a browser on this machine."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def free_port(host: str, port: int) -> int:
    """The port, or any free one for 0; a ``SettingsError`` if it is taken or the host is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen at {host}, port {port} ({error.strerror or error}). Choose another --port, or 0 for "
                "any free one; --host must be an address of this machine."
            ) from error
        return listening.getsockname()[1]


def _imported() -> ModuleType:
    """The module that imports Gradio, which is told before to send nothing, and to keep no list of what it does."""
    os.environ |= GRADIO
    # a timeline's numbers are in a script element that is not meant to run
    warnings.filterwarnings("ignore", message="A `<script>` tag was found", category=UserWarning)
    try:
        from speechbrain_xser.web import assembly
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("gradio"):
            raise
        raise SettingsError(f"the web page needs Gradio. Run: {install_hint('web')}") from error
    return assembly
