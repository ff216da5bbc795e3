"""Every upload in a folder of its own, so that nobody's is removed with somebody else's, and none handed out again.

Gradio names an upload's folder by a hash of its content alone: two people who hand in the same file at the same time
share it, and it is gone for the second when the first one's has been read.
"""

from __future__ import annotations

import re
import secrets

from gradio import route_utils
from gradio.route_utils import GradioUploadFile
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

FILES = re.compile("/file[=/]")  # how Gradio addresses whatever lies in its temporary folder


class OwnUpload(GradioUploadFile):
    """An upload whose hash is like no other's."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.sha.update(secrets.token_bytes(16))


def separate_uploads() -> None:
    """Lets Gradio make such uploads from now on.

    Example
    -------
    >>> separate_uploads()
    >>> hashes = {route_utils.GradioUploadFile(file=None).sha.hexdigest() for _ in range(2)}
    >>> len(hashes)
    2
    """
    route_utils.GradioUploadFile = OwnUpload


class NoUploadsBack:
    """An ASGI application that hands no upload out again, not even to who sent it.

    A player of Gradio's asks for it at once, just as it is read and removed; our own has the sound in the page.

    Arguments
    ---------
    app : callable
        Gradio's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404 to whoever asks for a file, and lets everything else through."""
        asked_for_file = scope["type"] == "http" and FILES.search(scope["path"])
        answer = PlainTextResponse("Uploads are not kept.", status_code=404) if asked_for_file else self.app
        await answer(scope, receive, send)
