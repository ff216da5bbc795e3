"""A server's memory does not grow with the requests that it has answered.

``make test-serve`` asks a thousand times and prints the curve; the suite asks less often.
"""

import os
import sys
import time
from pathlib import Path

import pytest
import soundfile

from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from tests.faults.server_process import served

pytestmark = pytest.mark.slow
REQUESTS = int(os.environ.get("XSER_REQUESTS", "60"))
WARM = max(20, REQUESTS // 10)  # until caches, threads and compiled parts are there
ALLOWED = 20  # MiB beyond
HEAP = 64 * 2**20  # bytes of addresses
EVERY = 20  # requests between two looks


def resident(process: int) -> float:
    """Memory of a process, MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def heaps(process: int) -> int:
    """How many heaps glibc made for threads: each is 64 MiB of addresses, at a multiple of that."""
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    places = [tuple(int(end, 16) for end in line.split()[0].split("-")) for line in lines if len(line.split()) == 5]
    starts = {first: last for first, last in places}
    return sum(first % HEAP == 0 and starts.get(last) == first + HEAP for first, last in places)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_stays_flat_however_many_requests_are_answered(tmp_path, capsys):
    clips = [tmp_path / f"{number}.wav" for number in (3, 7, 10)]
    for clip in clips:
        soundfile.write(clip, speak(plan("test", int(clip.stem), seed=1)), SAMPLE_RATE)
    curve, begun = {}, time.monotonic()
    place = tmp_path / "served"
    place.mkdir()
    with served(sys.executable, place) as server:
        for number in range(1, REQUESTS + 1):
            name, told = server.explain(clips[number % len(clips)])
            assert name == "complete", told
            if number % EVERY == 0:
                curve[number] = resident(server.process.pid)
                with capsys.disabled():
                    print(f"\n{number} requests, {time.monotonic() - begun:.0f} s, {curve[number]:.1f} MiB", end="")
        assert heaps(server.process.pid) == 0  # but for the main one
        assert [path for path in server.uploads.rglob("*") if path.is_file()] == []
    warm = next(size for number, size in curve.items() if number >= WARM)
    assert max(curve.values()) - warm < ALLOWED, curve
