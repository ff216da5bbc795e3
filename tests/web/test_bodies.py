"""Bodies of requests that do not come."""

import asyncio

import pytest

from speechbrain_xser.web import bodies
from speechbrain_xser.web.line import Line
from speechbrain_xser.web.uploads import UploadRoom


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/call/explain"])
def test_a_body_that_stalls_is_broken_off(path, tmp_path, monkeypatch):
    monkeypatch.setattr(bodies, "STALLED_SECONDS", 0.05)
    told = []

    async def app(scope, receive, send):
        await bodies.read(receive)

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    checked = bodies.Bodies(app, Line(), UploadRoom(tmp_path, max_bytes=10**6), max_bytes=1000)
    asyncio.run(asyncio.wait_for(checked(scope, receive, send), timeout=10))
    assert told[0]["status"] == 408 and b"stalled" in told[1]["body"]
