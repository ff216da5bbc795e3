"""Gives every upload its own folder, so that users do not remove each other's files, and serves no upload again.

Gradio names an upload's folder by a hash of its content alone. Two users who upload the same file at the same time
would share it, and it would be gone for the second once the first one's has been read.
"""

from __future__ import annotations

import re
import secrets

from gradio import route_utils
from gradio.route_utils import GradioUploadFile
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

FILES = re.compile("/file[=/]")  # Gradio's addresses of files in its temporary folder


class OwnUpload(GradioUploadFile):
    """An upload with a unique hash."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.sha.update(secrets.token_bytes(16))


def separate_uploads() -> None:
    """Makes Gradio use :class:`OwnUpload` from now on."""
    route_utils.GradioUploadFile = OwnUpload


class NoUploadsBack:
    """An ASGI application that serves no upload again, not even to its sender.

    Gradio's player requests an upload immediately, as it is read and removed; our player has the sound in the page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404 to any request for a file, and passes everything else on."""
        asked_for_file = scope["type"] == "http" and FILES.search(scope["path"])
        answer = PlainTextResponse("Uploads are not kept.", status_code=404) if asked_for_file else self.app
        await answer(scope, receive, send)
