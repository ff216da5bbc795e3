"""A server on this machine in the place of one on the network, for tests of what is fetched."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

Answer = Callable[[BaseHTTPRequestHandler], None]


class Local(NamedTuple):
    """A running server."""

    address: str  # http://127.0.0.1:PORT
    asked: list[str]  # "GET /path", in the order in which it was asked


@contextmanager
def local_server(answer: Answer) -> Iterator[Local]:
    """Serves with one function that is given each request's handler, in a thread of its own."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 (the library's name)
            asked.append(f"{self.command} {self.path}")
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):  # the client has had enough
                pass

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False  # some never end
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield Local(f"http://127.0.0.1:{server.server_address[1]}", asked)
        server.shutdown()


def send(request: BaseHTTPRequestHandler, body: bytes = b"", code: int = 200, **headers: object) -> None:
    """Sends a whole answer; ``Content_Type="audio/wav"`` is a header, and ``Content_Length`` may be a lie."""
    request.send_response(code)
    for name, value in ({"Content_Length": len(body)} | headers).items():
        if value is not None:
            request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
