"""The door of the server: which requests are let in, and what a browser may do with an answer.

A page of somebody else can make a browser send requests to this server, and a name that somebody else owns can point
to it (DNS rebinding). So the request must come to a name of this server, from a page of this server or from no page,
and ask for something that the page or the API needs. Nothing else of Gradio can be reached.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/gradio_api"
OPEN = re.compile(  # without a password: the page that asks for it, and what it is made of
    r"/(?:login/?|theme\.css|favicon\.ico|robots\.txt|manifest\.json|(?:assets|static)/.+)?"
    rf"|{API}/(?:startup-events|theme\.css|app_id/?|login_check/?|user/?)"
)
NEEDED = {
    "GET": re.compile(
        rf"/(?:config|logout)/?|{API}/(?:info|queue/data|openapi\.json|upload_progress|heartbeat/[^/]+)/?"
        rf"|{API}/call/(?:v2/)?[^/]+/[^/]+/?|/download/[0-9a-f]{{64}}/[^/]+"
        rf"|{API}/file=.+[0-9a-f]{{64}}.[^/]+"
    ),
    "POST": re.compile(rf"{API}/(?:upload|queue/join|cancel|reset|call/(?:v2/)?[^/]+)/?"),
}
HEALTH = "/health"
CONTENT = (  # all from here; the page's style is inline, and Gradio's components compile their templates
    "default-src 'self'; connect-src 'self' blob:; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; "
    "worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'; script-src 'self' 'unsafe-eval'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


class Door:
    """An ASGI application that lets requests in to another one.

    Arguments
    ---------
    app : ASGIApp
        Gradio's.
    names : iterable of str
        Names of this server besides addresses and ``localhost``.
    password : bool
        Whether a user must have logged in.
    status : callable
        What ``/health`` says.
    scripts : iterable of str
        Scripts that the page adds to itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: Iterable[str] = (),
        password: bool = False,
        status: Callable[[], dict] = dict,
        scripts: Iterable[str] = (),
    ) -> None:
        self.app, self.password, self.status = app, password, status
        self.given = {name.lower() for name in names}
        self.names = {"localhost", socket.gethostname().lower(), *self.given}
        self.scripts = [digest(script.encode()) for script in scripts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request in, or answers it."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        refusal = self.refusal(HTTPConnection(scope))
        await (refusal or self.app)(scope, receive, Answer(send, self.scripts).send)

    def refusal(self, request: HTTPConnection) -> Response | None:
        """The answer to a request that is not let in, or to ``/health``."""
        headers, method, path = request.headers, request.scope["method"], request.scope["path"]
        if not self.is_own(headers.get("host", "")):
            return PlainTextResponse("This server has another name; start it with --allow-host NAME.\n", 403)
        if not self.is_from_here(headers, method, path):
            return PlainTextResponse("Pages of other servers may not use this one.\n", 403)
        if path == HEALTH:
            return JSONResponse(self.status())
        is_open = OPEN.fullmatch(path) is not None
        if not is_open and not ((needed := NEEDED.get(method)) and needed.fullmatch(path)):
            return PlainTextResponse("Nothing is here; uploads are not kept.\n", 404)
        if self.password and not is_open and not logged_in(request):
            return JSONResponse({"detail": "Not authenticated"}, 401)
        return None

    def is_own(self, host: str) -> bool:
        """Whether a ``Host`` names this server: an address, which nobody can make point elsewhere, or a known name."""
        name = host_name(f"//{host}")
        return name in self.names or is_address(name)

    def is_own_page(self, origin: str, host: str) -> bool:
        """Whether an ``Origin`` is the host that was asked, or this server's name before a proxy, at no other port."""
        try:
            page = urlsplit(origin)
            return page.netloc == host or (page.port is None and page.hostname in self.given)
        except ValueError:
            return False

    def is_from_here(self, headers: Headers, method: str, path: str) -> bool:
        """Whether a request comes from a page of this server, from no page, or opens the page."""
        origin = headers.get("origin")
        if origin is not None:
            return self.is_own_page(origin, headers["host"])
        opened = method in ("GET", "HEAD") and path == "/" and headers.get("sec-fetch-mode") == "navigate"
        return opened or headers.get("sec-fetch-site", "none") in ("none", "same-origin")


class Answer:
    """Sends an answer with the headers that a browser needs; that of a page allows the page's own scripts only."""

    def __init__(self, send: Send, scripts: list[str]) -> None:
        self._send, self._scripts, self._start = send, scripts, None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Sends a message; a page is gathered first, because its header says what is in it."""
        if message["type"] == "http.response.start":
            self._start = message
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            if "text/html" in headers.get("content-type", ""):
                return
            headers["Content-Security-Policy"] = CONTENT
        elif "text/html" in Headers(raw=self._start["headers"]).get("content-type", ""):
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            allowed = [*map(digest, INLINE.findall(self._body)), *self._scripts]
            headers = MutableHeaders(scope=self._start)
            headers["Content-Security-Policy"] = " ".join([CONTENT, *allowed])
            await self._send(self._start)
            message = message | {"body": self._body}
        await self._send(message)


def digest(script: bytes) -> str:
    """A script in a ``Content-Security-Policy``.

    Example
    -------
    >>> digest(b"alert(1)")
    "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


def host_name(address: str) -> str:
    """The host of an address, in lower case, without its port; empty if it has none.

    Example
    -------
    >>> host_name("//LOCALHOST:7860"), host_name("http://[::1]:80"), host_name("null")
    ('localhost', '::1', '')
    """
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Whether a host is an IP address.

    Example
    -------
    >>> is_address("192.0.2.1"), is_address("::1"), is_address("example.org")
    (True, True, False)
    """
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def logged_in(request: HTTPConnection) -> bool:
    """Whether a request has the cookie that Gradio gave after the right password."""
    gradio_app = request.scope["app"]
    kinds = (f"access-token-{gradio_app.cookie_id}", f"access-token-unsecure-{gradio_app.cookie_id}")
    return any(request.cookies.get(kind) in gradio_app.tokens for kind in kinds)
