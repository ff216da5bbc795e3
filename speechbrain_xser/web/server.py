"""The server of the page: a port, a temporary folder, and no external resources."""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.versions import install_hint
from speechbrain_xser.web.private import UPLOADS, private_folder, remove_old
from speechbrain_xser.web.server_settings import WebSettings

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

OWN_HOSTS = ("127.0.0.1", "localhost", "::1")
FORGOTTEN_SECONDS = 600.0  # an upload that is not used for this long is removed
LOOK_SECONDS = 30.0  # between two checks for such uploads


class Server(NamedTuple):
    """A running server."""

    address: str  # for a browser
    folder: Path  # of uploads while they are read

    def wait(self) -> None:
        """Waits until the process is asked to end; removes unused uploads."""
        while True:
            time.sleep(LOOK_SECONDS)
            remove_old(self.folder / UPLOADS, FORGOTTEN_SECONDS)


@contextmanager
def serving(
    recognizer: ExplainableEmotionRecognizer,
    settings: WebSettings,
    host: str = "127.0.0.1",
    port: int = 0,
    open_browser: bool = False,
) -> Iterator[Server]:
    """Serves the page during the block, on any free port for 0.

    Raises
    ------
    SettingsError
        If Gradio is not installed, or the address and port cannot be used.
    """
    port = free_port(host, port)
    with private_folder() as folder:
        build_app, look, uploads = _imported()
        from starlette.middleware import Middleware  # comes with Gradio

        address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}/"
        app = build_app(recognizer, settings, address)
        app.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            enable_monitoring=False,
            max_file_size=settings.max_bytes,
            footer_links=["api"],
            theme=look.theme(),
            head=look.HEAD,
            app_kwargs={"middleware": [Middleware(uploads.NoUploadsBack)]},
        )
        try:
            yield Server(address, folder)
        finally:
            app.close(verbose=False)


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


def _imported() -> tuple:
    """Imports Gradio, after telling it to send nothing."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # a timeline's numbers are in a script element that is not meant to run
    warnings.filterwarnings("ignore", message="A `<script>` tag was found", category=UserWarning)
    try:
        from speechbrain_xser.web import look, uploads
        from speechbrain_xser.web.app import build_app
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("gradio"):
            raise
        raise SettingsError(f"the web page needs Gradio. Run: {install_hint('web')}") from error
    uploads.separate_uploads()
    return build_app, look, uploads
