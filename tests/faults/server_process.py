"""A server in a process of its own, as ``xser serve`` starts it, and what clients do to it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.warmed import Process

PATIENCE = 120.0  # seconds; a machine may be busy, and nothing here is timed
API = "gradio_api"


class Served(NamedTuple):
    """A running server."""

    process: subprocess.Popen
    client: httpx.Client
    place: Path  # its temporary files

    @property
    def uploads(self) -> Path:
        """Where its uploads lie."""
        return next(self.place.glob("xser-serve-*")) / "uploads"

    def health(self) -> dict:
        """What it says of itself."""
        return self.client.get("health").raise_for_status().json()

    def upload(self, path: Path, **options) -> httpx.Response:
        """Sends a file."""
        with path.open("rb") as file:
            return self.client.post(f"{API}/upload", files={"files": (path.name, file)}, **options)

    def join(self, path: str, **options) -> httpx.Response:
        """Asks for an explanation, whose answer is fetched by :meth:`answer`."""
        clip = {"path": path, "meta": {"_type": "gradio.FileData"}}
        return self.client.post(f"{API}/call/explain", json={"data": [clip, None]}, **options)

    def answer(self, event: str) -> tuple[str, object]:
        """The last event of an answer, and its data."""
        *_, name, data = self.client.get(f"{API}/call/explain/{event}").text.strip().splitlines()
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def explain(self, path: Path) -> tuple[str, object]:
        """One whole request of a program."""
        [sent] = self.upload(path).raise_for_status().json()
        return self.answer(self.join(sent).raise_for_status().json()["event_id"])


@contextmanager
def served(python: str, place: Path, *options: str, environment: dict | None = None) -> Iterator[Served]:
    """Starts a server of the tiny model, and kills it afterwards."""
    process = Process(
        [python, "-m", "speechbrain_xser.cli", "serve", "--model", "tiny", "--port", "0", *options],
        env=os.environ | {"TMPDIR": str(place)} | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().split()[2]
        with httpx.Client(base_url=address, timeout=PATIENCE) as client:
            yield Served(process, client, place)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
