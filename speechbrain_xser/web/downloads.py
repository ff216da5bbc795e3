"""Downloads: the files of a page's results, which only the page's owner can fetch, and only while they are kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from starlette.responses import PlainTextResponse, Response

from speechbrain_xser.page.fragments import Link
from speechbrain_xser.web.uploads import OWNER, SealedName, sealed_for

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from speechbrain_xser.web.sessions import Sessions

ADDRESS = re.compile("/download/(?P<key>[0-9a-f]{64})/(?P<name>[^/]+)")
GONE = "This file is no longer here: results are kept while their page is open.\n"
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
    """

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app, self.sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request for a file."""
        found = ADDRESS.fullmatch(scope["path"]) if scope["type"] == "http" else None
        answer = self.app if found is None else self.answer(found["key"], found["name"])
        await answer(scope, receive, send)

    def answer(self, key: str, name: str) -> Response:
        """A file of the owner that asks; the same refusal whether another one has it or nobody."""
        files = self.sessions.files(key) if sealed_for(key, OWNER.get()) else {}
        if name not in files:
            return PlainTextResponse(GONE, 404)
        named = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return Response(files[name], headers=SAVED | {"Content-Disposition": named})
