"""Bodies of requests: bounded, read in time, of the client's own uploads only, and refused while the server is busy."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Iterator
from http.cookies import SimpleCookie

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from speechbrain_xser.errors import BusyError
from speechbrain_xser.web.door import API
from speechbrain_xser.web.line import Line
from speechbrain_xser.web.uploads import OWNER, TOO_LARGE, UploadRoom, bounded, owns

COOKIE = "xser-owner"  # a random number by which a browser's uploads are known
TOKEN = re.compile("[0-9a-f]{32}")
UPLOAD = re.compile(f"{API}/upload/?")
ASKING = re.compile(f"{API}/call/.+")  # of the page only what uses the model takes a place, in its turn
BODY_BYTES = 64 * 1024  # of a request that is no upload
FORM_BYTES = 16 * 1024  # around the file of an upload
STALLED_SECONDS = 60.0  # without a byte of a body


class Bodies:
    """An ASGI application that checks the bodies of the requests to another one.

    Arguments
    ---------
    app : ASGIApp
        Gradio's.
    line : Line
        In front of the model.
    room : UploadRoom
        For all uploads.
    max_bytes : int
        Of one upload.
    """

    def __init__(self, app: ASGIApp, line: Line, room: UploadRoom, max_bytes: int) -> None:
        self.app, self.line, self.room, self.max_bytes = app, line, room, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers why not."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request, receive = Request(scope), in_time(receive)
        OWNER.set(owner_of(request.cookies))
        try:
            if scope["method"] == "POST" and UPLOAD.fullmatch(scope["path"]):
                await self._uploaded(request, receive, send)
            elif scope["method"] == "POST":
                await self._asked(scope, receive, send)
            else:
                await self.app(scope, receive, with_owner(request, send))
        except BusyError as error:
            await busy(error)(scope, receive, send)
        except ClientDisconnect:  # or it waits for long
            await PlainTextResponse("The request stalled.\n", 408)(scope, receive, send)

    async def _uploaded(self, request: Request, receive: Receive, send: Send) -> None:
        size = int(request.headers.get("content-length", self.max_bytes + FORM_BYTES))
        if size > self.max_bytes + FORM_BYTES:
            refusal = PlainTextResponse(TOO_LARGE.format(bytes=self.max_bytes), 413)
            return await refusal(request.scope, receive, send)
        self.line.check()  # a file that comes in vain would fill the room
        with self.room.reserved(size):
            await self.app(request.scope, bounded(receive, size, self.max_bytes), send)

    async def _asked(self, scope: Scope, receive: Receive, send: Send) -> None:
        if ASKING.fullmatch(scope["path"]):
            self.line.check()
        body = await read(receive)
        refusal = self._refusal(body, scope["path"])
        await (refusal or self.app)(scope, replayed(body, receive), send)

    def _refusal(self, body: bytes | None, path: str) -> Response | None:
        """Why a body is refused: too long, not JSON, or with files that are not the client's."""
        if body is None:
            return JSONResponse({"detail": f"At most {BODY_BYTES} bytes are taken here."}, 413)
        if not path.startswith(API):  # the form with which somebody logs in
            return None
        try:
            named = list(paths(json.loads(body or b"{}")))
        except (ValueError, RecursionError):
            return JSONResponse({"detail": "Send JSON."}, 400)
        if not all(path is None or owns(OWNER.get(), path, self.room.folder / "uploads") for path in named):
            return JSONResponse({"detail": "Upload the file first; only your own uploads can be used."}, 403)
        return None


def paths(value: object) -> Iterator[object]:
    """The paths of all files that a body names.

    Example
    -------
    >>> list(paths({"data": [{"path": "a"}, [{"path": None}], "b"]}))
    ['a', None]
    """
    if isinstance(value, dict):
        if "path" in value:
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from paths(part)


def owner_of(cookies: dict[str, str]) -> str:
    """By what a client is known: our cookie, and that with which Gradio knows who has logged in.

    Example
    -------
    >>> owner_of({"theme": "dark"}), owner_of({"theme": "dark", "access-token-1": "ab"})
    ('', 'ab')
    """
    known = {value for name, value in cookies.items() if name == COOKIE or name.startswith("access-token-")}
    return " ".join(sorted(known))


def with_owner(request: Request, send: Send) -> Send:
    """Gives a browser that opens the page its number."""
    if request.scope["path"] != "/" or TOKEN.fullmatch(request.cookies.get(COOKIE, "")):
        return send
    cookie = SimpleCookie({COOKIE: secrets.token_hex(16)})
    secure = request.url.scheme == "https"
    cookie[COOKIE].update({"path": "/", "httponly": True, "samesite": "lax", "secure": secure})

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("Set-Cookie", cookie[COOKIE].OutputString())
        await send(message)

    return sent


def busy(error: BusyError) -> Response:
    """The answer that asks a client to try again."""
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": str(error.retry_seconds)})


def in_time(receive: Receive) -> Receive:
    """The messages of a request; a body of which no byte comes for long is broken off."""
    complete = False

    async def received() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), STALLED_SECONDS)
        except TimeoutError:
            raise ClientDisconnect from None
        complete = not message.get("more_body", False)
        return message

    return received


async def read(receive: Receive) -> bytes | None:
    """A whole body, or None if it is too long."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > BODY_BYTES:
            return None
    return body


def replayed(body: bytes | None, receive: Receive) -> Receive:
    """The messages of a request whose body was read already."""
    first = [{"type": "http.request", "body": body or b"", "more_body": False}]

    async def received() -> Message:
        return first.pop() if first else await receive()

    return received
