"""Downloads: the files of a page's results, which only the page's owner can fetch, and only while they are kept.

Gradio's recorder asks for what was just uploaded, to draw it. It gets silence: uploads are not handed out, and the page
empties the recorder at once and shows a player of its own.
"""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import soundfile
from starlette.responses import PlainTextResponse, Response

from speechbrain_xser.page.fragments import Link
from speechbrain_xser.web.door import API
from speechbrain_xser.web.uploads import OWNER, SealedName, owns, sealed_for

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from speechbrain_xser.web.sessions import Sessions

ADDRESS = re.compile("/download/(?P<key>[0-9a-f]{64})/(?P<name>[^/]+)")
DRAWN = re.compile(f"{API}/file=(?P<path>.*)", re.DOTALL)
GONE = "This file is no longer here: results are kept while their page is open and there is room for them.\n"
SAVED = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}  # never shown as this server's page


class Result(NamedTuple):
    """The files of one explained sound.

    Example
    -------
    >>> result = Result.owned_by("anna", {"a b.json": b"{}"})
    >>> [(link.title, link.address.endswith("/a%20b.json")) for link in result.links], result.nbytes
    ([('JSON', True)], 2)
    """

    key: str  # random, with a seal for its owner
    files: dict[str, bytes]  # by name

    @classmethod
    def owned_by(cls, owner: str, files: dict[str, bytes]) -> Result:
        """Files that only one owner can fetch."""
        return cls(SealedName(owner).hexdigest(), files)

    @property
    def nbytes(self) -> int:
        """Size of all files."""
        return sum(map(len, self.files.values()))

    @property
    def links(self) -> list[Link]:
        """A link for each file."""
        return [
            Link(name.rpartition(".")[2].upper(), name, f"download/{self.key}/{quote(name)}") for name in self.files
        ]


class Downloads:
    """An ASGI application that hands out kept results, and passes everything else on to another one.

    Arguments
    ---------
    app : ASGIApp
        Gradio's.
    sessions : Sessions
        Where the results are kept.
    uploads : Path
        The folder of uploads, of which nothing is handed out.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, uploads: Path) -> None:
        self.app, self.sessions, self.uploads = app, sessions, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request for a file."""
        path = scope["path"] if scope["type"] == "http" else ""
        if found := ADDRESS.fullmatch(path):
            answer = self.saved(found["key"], found["name"])
        elif found := DRAWN.fullmatch(path):
            answer = self.drawn(found["path"])
        else:
            answer = self.app
        await answer(scope, receive, send)

    def saved(self, key: str, name: str) -> Response:
        """A file of the owner that asks; the same refusal whether another one has it or nobody."""
        files = self.sessions.files(key) if sealed_for(key, OWNER.get()) else {}
        if name not in files:
            return PlainTextResponse(GONE, 404)
        named = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return Response(files[name], headers=SAVED | {"Content-Disposition": named})

    def drawn(self, path: str) -> Response:
        """Silence in the place of the asking owner's upload, whether it is still there or was read already."""
        if not owns(OWNER.get(), path, self.uploads):
            return PlainTextResponse(GONE, 404)
        return Response(silence(), headers={"Content-Type": "audio/wav", "Cache-Control": "no-store"})


@cache
def silence() -> bytes:
    """A WAV file of 50 ms, which every browser can draw."""
    file = io.BytesIO()
    soundfile.write(file, [0.0] * 800, 16000, format="WAV", subtype="PCM_16")
    return file.getvalue()
