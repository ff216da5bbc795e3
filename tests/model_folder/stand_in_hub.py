"""A stand-in for the model hub on this machine: what huggingface_hub asks of it, answered from local folders."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.local_server import Local, local_server, send


class Hub:
    """Repositories with commits, and a branch ``main`` that can be moved.

    Arguments
    ---------
    name : str
        ``owner/name``.
    commits : dict of str to Path
        Folders by commit.
    """

    def __init__(self, name: str, commits: dict[str, Path]) -> None:
        self.name, self.commits, self.main = name, commits, next(iter(commits))
        self.server: Local | None = None
        self.moves = False  # whether main is another commit for each who asks

    @property
    def looked_up(self) -> int:
        """How often the newest commit was asked for."""
        return sum("/revision/main" in line for line in self.server.asked)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        path = unquote(urlsplit(request.path).path)
        api, files = f"/api/models/{self.name}", f"/{self.name}/resolve/"
        if path in (api, f"{api}/revision/main"):
            self._json(request, {"id": self.name, "sha": self.main, "siblings": []})
            if self.moves:
                self.main = next(commit for commit in self.commits if commit != self.main)
        elif path.startswith(f"{api}/tree/"):
            self._json(request, [self._entry(file) for file in self._files(path.removeprefix(f"{api}/tree/"))])
        elif path.startswith(files):
            commit, _, name = path.removeprefix(files).partition("/")
            body = (self.commits[commit] / name).read_bytes()
            send(request, body, X_Repo_Commit=commit, ETag=f'"{hashlib.sha1(body).hexdigest()}"')
        else:
            send(request, b"{}", 404, X_Error_Code="RepoNotFound")

    def _files(self, commit: str) -> list[tuple[str, bytes]]:
        folder = self.commits[commit]
        return [(str(path.relative_to(folder)), path.read_bytes()) for path in folder.rglob("*") if path.is_file()]

    @staticmethod
    def _entry(file: tuple[str, bytes]) -> dict:
        return {"type": "file", "path": file[0], "size": len(file[1]), "oid": hashlib.sha1(file[1]).hexdigest()}

    @staticmethod
    def _json(request: BaseHTTPRequestHandler, value: object) -> None:
        send(request, json.dumps(value).encode(), Content_Type="application/json")


@contextmanager
def stand_in_hub(name: str, commits: dict[str, Path]) -> Iterator[Hub]:
    """A running hub."""
    hub = Hub(name, commits)
    with local_server(hub.answer) as hub.server:
        yield hub
