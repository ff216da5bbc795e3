"""Every upload in a folder of its own, so that nobody's is removed with somebody else's.

Gradio names an upload's folder by a hash of its content alone: two people who hand in the same file at the same time
share it, and it is gone for the second when the first one's has been read.
"""

from __future__ import annotations

import secrets

from fastapi import Request
from fastapi.responses import PlainTextResponse
from gradio import route_utils
from gradio.route_utils import GradioUploadFile


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


def not_here(request: Request, error: Exception) -> PlainTextResponse:
    """The answer to a browser that wants to play an upload just as it is taken away.

    Example
    -------
    >>> not_here(None, FileNotFoundError()).status_code
    404
    """
    return PlainTextResponse("Nothing that is uploaded is kept.", status_code=404)
