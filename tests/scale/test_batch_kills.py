"""Thousands of real clips on Ray, while an actor and then the driver are killed: every clip is there once, as alone."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.explaining.clips import SourceClip, explain_clips
from tests.genuine import DATA

pytest.importorskip("ray")
CLIPS = int(os.environ.get("XSER_CLIPS", 2000))
PER_SHARD = max(1, CLIPS // 40)
PATIENCE = 1200.0
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "RAY_ADDRESS": "local"}

pytestmark = [
    pytest.mark.scale,
    pytest.mark.skipif(not (DATA / "cremad").is_dir(), reason="real speech is not here: set XSER_DATA"),
]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    """Real clips of three corpora in a drawn order, one of them cut."""
    folder = tmp_path_factory.mktemp("clips")
    found = [path for corpus in ("cremad", "ravdess", "emodb") for path in find_audio_below(DATA / corpus)]
    chosen = random.Random(1).sample(found, CLIPS - 1)
    (folder / "cut.flac").write_bytes((DATA / "ravdess" / "Actor_01").glob("*.flac").__next__().read_bytes()[:9000])
    chosen.insert(CLIPS // 2, folder / "cut.flac")
    path = folder / "clips.jsonl"
    write_manifest(path, [Utterance(f"{number:05d}", str(clip)) for number, clip in enumerate(chosen)])
    return path


def begun(manifest: Path, out: Path, *options: str) -> subprocess.Popen:
    """The command on Ray with two actors, in a process that is killed like a user's."""
    command = [sys.executable, "-m", "speechbrain_xser.cli", "explain", str(manifest), "--model", "tiny"]
    options = ("--out", str(out), "--jobs", "2", "--clips-per-shard", str(PER_SHARD), "--device", "cpu", *options)
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.Popen([*command, *options], env=environment, stderr=subprocess.PIPE, text=True)


def parts(out: Path) -> int:
    return len(list(out.glob("part-*.parquet")))


def wait_for(parts_wanted: int, out: Path, driver: subprocess.Popen) -> None:
    ended = time.monotonic() + PATIENCE
    while parts(out) < parts_wanted:
        assert driver.poll() is None, driver.stderr.read()
        assert time.monotonic() < ended, f"{parts(out)} of {parts_wanted} shards after {PATIENCE:g} s"
        time.sleep(0.1)


def actors(driver: subprocess.Popen) -> list[psutil.Process]:
    """Those that run a shard or wait for one."""
    below = psutil.Process(driver.pid).children(recursive=True)
    return [one for one in below if "MapWorker" in "".join(one.cmdline())]


def end(driver: subprocess.Popen) -> None:
    """Kills the driver, and waits until all that it had started has ended; Ray's own agents take their time."""
    working = actors(driver)
    below = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.communicate()
    for some, seconds in ((working, 60), (below, 300)):
        _, alive = psutil.wait_procs(some, timeout=seconds)
        assert not alive, f"left after the driver was killed: {alive}"


def test_killed_actors_and_drivers_lose_and_repeat_nothing(manifest, tmp_path, packaged):
    from pyarrow import parquet

    out = tmp_path / "rows.parquet"
    driver = begun(manifest, out, "--ray")
    wait_for(4, out, driver)
    victim = actors(driver)[0]
    victim.kill()
    wait_for(12, out, driver)
    assert victim.pid not in {one.pid for one in actors(driver)}
    end(driver)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    assert 12 <= len(kept) < 40
    again = begun(manifest, out, "--ray")
    told = again.communicate(timeout=PATIENCE)[1]
    print(told)
    assert again.returncode == 0, told
    assert f"40 shards, {len(kept)} of them done before." in told
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}.items()
    compare(parquet.read_table(out).to_pylist(), manifest, packaged)


def compare(rows: list[dict], manifest: Path, packaged) -> None:
    """Every clip once, in order, with what one process says of it."""
    from speechbrain_xser.data.manifest import read_manifest

    clips = read_manifest(manifest)
    assert [row["id"] for row in rows] == [clip.id for clip in clips]
    alone = explain_clips(packaged, (SourceClip(clip.wav, clip.wav) for clip in clips))
    errors = 0
    for row, told in zip(rows, alone, strict=True):
        if told.explanation is None:
            assert row["error"] == told.fault and row["paragraph"] is None
            errors += 1
            continue
        assert (row["error"], row["paragraph"]) == (None, told.explanation.paragraph)
        assert row["emotion"] == told.explanation.emotion and row["transcript"] == told.explanation.transcript
        assert dict(row["probabilities"]) == pytest.approx(told.explanation.probabilities, abs=1e-5)
    assert errors == 1
