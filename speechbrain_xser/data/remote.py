"""Fetches a sound file from an http(s) address, bounded in bytes, in time and in redirects.

A person's own program asks for it: ``explain_file`` and ``xser explain``. The web page never does, so that nobody can
make a server connect to a place of their choice.

The transfer runs in a thread of its own. Looking up a name and reading a header have no limit of their own in Python's
library, and so the caller watches the clock.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse, InvalidURL
from typing import NamedTuple
from urllib.error import HTTPError, URLError

from speechbrain_xser.data.addresses import opened_address, shown
from speechbrain_xser.errors import AudioError, FetchError, told_as
from speechbrain_xser.utils.user_file import printable

WEB_PAGE = "text/html"
GONE = (404, 410)  # answers that another try does not change
BLOCK_BYTES = 1 << 16
POLL_SECONDS = 0.1


class Limits(NamedTuple):
    """How much a transfer may take.

    Example
    -------
    >>> Limits(seconds=5.0).bytes == 2**30
    True
    """

    bytes: int = 1 << 30
    stalled_seconds: float = 30.0  # without a byte
    seconds: float = 1800.0  # altogether
    redirects: int = 5


LIMITS = Limits()


@contextmanager
def fetched(address: str, limits: Limits = LIMITS) -> Iterator[str]:
    """Gives the path of what is at an address; it is removed when the block ends.

    Errors raised in the block name the address. Raises what :func:`fetch` raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sound")
        fetch(address, path, limits)
        with told_as(shown(address), path):
            yield path


def fetch(address: str, path: str | os.PathLike, limits: Limits = LIMITS) -> None:
    """Writes what is at an address into a new file.

    Arguments
    ---------
    address : str
        http or https. Proxies are those of the environment.
    path : str or path-like
        The file; what a failed transfer left is removed.
    limits : Limits
        Bytes, seconds and redirects.

    Raises
    ------
    AudioError
        If the address is of another kind, gives no file or a web page, or a file that is too large; names the address
        and the cause.
    FetchError
        If it cannot be reached, breaks off, takes too long, or cannot be written.

    Example
    -------
    >>> fetch("file:///etc/hostname", "sound")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.AudioError: file:///etc/hostname: only http and https addresses are fetched. Give one of \
them, or a file.
    """
    part = f"{os.fspath(path)}.part"  # of the transfer alone, which may write once more after it was given up
    transfer = _Transfer(address, part, limits)
    transfer.start()
    try:
        _watch(transfer, limits)
    except BaseException:
        transfer.unwanted = True
        with suppress(OSError):  # on Windows it may still be open
            os.remove(part)
        raise
    os.replace(part, path)


class _Transfer(threading.Thread):
    """Brings one file; ``received`` grows as it arrives, and ``fault`` is why it did not."""

    def __init__(self, address: str, path: str | os.PathLike, limits: Limits) -> None:
        super().__init__(daemon=True)  # one that hangs must not keep the program from ending
        self.address, self.path, self.limits, self.name_shown = address, path, limits, shown(address)
        self.received, self.unwanted, self.fault, self.ended = 0, False, None, threading.Event()

    def run(self) -> None:
        """Transfers, and keeps the fault for the caller's thread."""
        try:
            patience = 2 * self.limits.stalled_seconds  # the caller gives up before
            with opened_address(self.address, self.limits.redirects, patience) as response:
                self._write(response)
        except BaseException as error:
            self.fault = _told(error, self.name_shown)
        finally:
            self.ended.set()

    def _write(self, response: HTTPResponse) -> None:
        stated = _stated_bytes(response, self.name_shown, self.limits.bytes)
        if self.unwanted:
            return
        with open(self.path, "wb") as file:
            while not self.unwanted and (block := response.read1(BLOCK_BYTES)):
                self.received += len(block)
                _check_bytes(self.received, self.name_shown, self.limits.bytes)
                file.write(block)
        if stated is not None and self.received < stated:
            raise FetchError(f"{self.name_shown}: {self.received} of {stated} bytes arrived. Try again.")


def _watch(transfer: _Transfer, limits: Limits) -> None:
    """Waits for the end of a transfer, as long as it makes progress and there is time; raises its fault."""
    name, seen = transfer.name_shown, 0
    began = moved = time.monotonic()
    while not transfer.ended.wait(POLL_SECONDS):
        now = time.monotonic()
        if transfer.received != seen:
            seen, moved = transfer.received, now
        if now - moved > limits.stalled_seconds:
            raise FetchError(f"{name}: nothing arrived for {limits.stalled_seconds:g} s. Try again later.")
        if now - began > limits.seconds:
            raise FetchError(f"{name}: not complete after {limits.seconds:g} s. Download it, and give the file.")
    if transfer.fault is not None:
        raise transfer.fault


def _stated_bytes(response: HTTPResponse, name: str, most: int) -> int | None:
    """The length in the header, if there is one; refuses what cannot be a sound."""
    if response.headers.get_content_type() == WEB_PAGE:
        raise AudioError(f"{name}: is a web page, expected a sound file. Give the address of the file itself.")
    stated = response.length
    _check_bytes(stated or 0, name, most)
    return stated


def _check_bytes(size: int, name: str, most: int) -> None:
    if size > most:
        raise AudioError(f"{name}: more than {most} bytes, which is the most that is fetched. Give a smaller file.")


def _told(error: BaseException, name: str) -> BaseException:
    """A fault of the network as an error that names the address."""
    if isinstance(error, AudioError) or not isinstance(error, OSError | HTTPException | ValueError):
        return error
    if isinstance(error, HTTPError):
        told, remedy = f"the server answers {error.code} {error.reason}", "Check the address."
    else:
        reason = error.reason if isinstance(error, URLError) else error
        told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        remedy = "Check the address and the network."
    gone = getattr(error, "code", None) in GONE or isinstance(error, InvalidURL | ValueError)
    found = (AudioError if gone else FetchError)(f"{name}: cannot be fetched ({printable(str(told))}). {remedy}")
    found.__cause__ = error
    return found
