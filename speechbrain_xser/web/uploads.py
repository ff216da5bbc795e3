"""Uploads: each in a folder whose name only its owner knows and can use, and all of them within one bound.

Gradio names an upload's folder by a hash of its content, and takes any path below its folder from anybody. Here the
name is a random number with its seal, which depends on the owner. So a path that somebody else sends, or one that no
upload has, is refused before anything is done with it.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from gradio import route_utils
from gradio.route_utils import GradioMultiPartParser, GradioUploadFile, MultiPartException

from speechbrain_xser.errors import BusyError
from speechbrain_xser.web.private import files_in

OWNER: ContextVar[str] = ContextVar("owner", default="")  # of the uploads of the request that is being answered
KEY = secrets.token_bytes(32)  # of this process
NAME = re.compile("[0-9a-f]{64}")
FIELD = "files"  # of an upload, in Gradio
FIELD_BYTES = 4096  # of a field that is no file
FILES_AT_ONCE = 4  # in one request
FILES_KEPT = 256
BUSY_SECONDS = 30.0  # until a file has been read, about
TOO_LARGE = "File size exceeded maximum allowed size of {bytes} bytes."


class SealedName:
    """A folder's name in place of a hash: a random number, and its seal for the owner.

    Example
    -------
    >>> name = SealedName("anna").hexdigest()
    >>> sealed_for(name, "anna"), sealed_for(name, "bert"), sealed_for("0" * 64, "anna")
    (True, False, False)
    """

    def __init__(self, owner: str) -> None:
        number = secrets.token_hex(16)
        self._name = number + _seal(number, owner)

    def update(self, data: bytes) -> None:
        """Nothing, because the content does not matter."""

    def hexdigest(self) -> str:
        """The name, 64 hexadecimal digits."""
        return self._name


def sealed_for(name: str, owner: str) -> bool:
    """Whether a folder's name was made for an owner."""
    return NAME.fullmatch(name) is not None and hmac.compare_digest(name[32:], _seal(name[:32], owner))


def _seal(number: str, owner: str) -> str:
    return hmac.digest(KEY, f"{number} {owner}".encode(), "sha256").hex()[:32]


def owns(owner: str, path: object, folder: Path) -> bool:
    """Whether a path names an upload of this owner: a file one level below the folder of uploads."""
    if not isinstance(path, str) or "\0" in path:
        return False
    place, name = os.path.split(path)
    return name not in ("", ".", "..") and os.path.dirname(place) == str(folder) and sealed_for(Path(place).name, owner)


class OwnUpload(GradioUploadFile):
    """An upload with a sealed name."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.sha = SealedName(OWNER.get())


class BoundedParser(GradioMultiPartParser):
    """A parser of uploads that keeps no part in memory, and nothing of an upload that was broken off."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options | {"max_files": FILES_AT_ONCE, "max_fields": FILES_AT_ONCE})

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Refuses a long field that is no file, which Gradio would keep in memory."""
        part = self._current_part
        if part.file is None and len(part.data) + end - start > FIELD_BYTES:
            raise MultiPartException(f"A field is longer than {FIELD_BYTES} bytes; send sounds as files.")
        super().on_part_data(data, start, end)

    def on_headers_finished(self) -> None:
        """Refuses a file in a field of another name, which nobody would take or remove, and a text in its place."""
        super().on_headers_finished()
        part = self._current_part
        if (part.file is None) == (part.field_name == FIELD):
            raise MultiPartException(f"Send sounds as files in the field {FIELD!r}, and no other file.")

    async def parse(self) -> object:
        """The parts; whatever happens before, their files are removed."""
        try:
            return await super().parse()
        except BaseException:
            for file in self._files_to_close_on_error:
                file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


def own_uploads() -> None:
    """Makes Gradio use :class:`OwnUpload` and :class:`BoundedParser` from now on."""
    route_utils.GradioUploadFile, route_utils.GradioMultiPartParser = OwnUpload, BoundedParser


class UploadRoom:
    """The room for uploads: the bytes and the number of all files that wait or are read.

    Example
    -------
    >>> room = UploadRoom(getfixture("tmp_path"), max_bytes=100)
    >>> with room.reserved(60), room.reserved(60):
    ...     pass
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BusyError: Busy: uploads of others fill the server's room. Try again in 30 s.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._coming = 0  # bytes of uploads on their way

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        """Keeps room for an upload on its way; a ``BusyError`` if there is none."""
        sizes = self._sizes()
        if len(sizes) >= FILES_KEPT or sum(sizes) + self._coming + size > self.max_bytes:
            raise BusyError("uploads of others fill the server's room", BUSY_SECONDS)
        self._coming += size
        try:
            yield
        finally:
            self._coming -= size

    def _sizes(self) -> list[int]:
        """The sizes of the uploads that have arrived, whether they wait or are being read."""
        found = []
        for path in (path for path in files_in(self.folder) if path.parent != self.folder):
            try:
                found.append(path.stat().st_size)
            except FileNotFoundError:  # another thread has taken it
                continue
        return found


def bounded(receive: Callable[[], Awaitable[dict]], size: int, max_bytes: int) -> Callable[[], Awaitable[dict]]:
    """The messages of an upload, refused once they are longer than was reserved."""
    left = size

    async def received() -> dict:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise MultiPartException(TOO_LARGE.format(bytes=max_bytes))
        return message

    return received
