"""Batch work on a running cluster of Ray, which it joins and leaves, and on one that loses a node on the way."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from speechbrain_xser.batch import ray_pool
from speechbrain_xser.batch.batch_run import BatchCounts, run_batch
from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.explaining.clips import SourceClip, explain_clips
from tests.batch.clips import samples, write_clips
from tests.batch.naming import SlowWork
from tests.genuine import DATA

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.scale
CLIPS = 20
PATIENCE = 900.0
STARTS = 5
STORE_BYTES = 100 << 20
AGENTS = {  # with a port that is given, a node does not end if a busy machine starts its agent in more than 15 s
    "dashboard_agent_listen_port": "dashboard-agent-listen-port",
    "metrics_agent_port": "dashboard-agent-grpc-port",
    "metrics_export_port": "metrics-export-port",
    "runtime_env_agent_port": "runtime-env-agent-port",
}


@pytest.fixture(autouse=True)
def without_token(monkeypatch):
    """Where a Ray was once started by a program, its token is asked for, and no named cluster is offered it."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def cluster(ray_folder, tmp_path):
    """The address of a cluster with two cores, started by its own command in processes of its own."""
    head, address = started(lambda: start_head(tmp_path / "told"))
    yield address, head
    end(head)


def started(start):
    """What starts within the seconds that Ray allows, which a busy machine may need several times for."""
    for left in reversed(range(STARTS)):
        try:
            return start()
        except Exception:
            if not left:
                raise


def start_head(told: Path) -> tuple[subprocess.Popen, str]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--disable-usage-stats"]
    options = [f"--port={port}", "--num-cpus=2", f"--object-store-memory={STORE_BYTES}"]
    agents = [f"--{option}={free_port()}" for option in AGENTS.values()]
    given = {"env": {**os.environ, "RAY_memory_monitor_refresh_ms": "0"}, "process_group": 0}
    with open(told, "w") as log:
        words = [*command, *options, *agents, "--include-dashboard=false"]
        head = subprocess.Popen(words, stdout=log, stderr=log, **given)
    ended = time.monotonic() + PATIENCE
    while "Ray runtime started" not in told.read_text():
        if head.poll() is not None or time.monotonic() > ended:
            end(head)
            raise RuntimeError(told.read_text())
        time.sleep(0.2)
    return head, f"127.0.0.1:{port}"


def end(head: subprocess.Popen) -> None:
    """The head alone is asked: it ends the other processes, and waits in vain for one that has gone before."""
    head.terminate()
    with suppress(subprocess.TimeoutExpired):
        head.wait(60)
    with suppress(ProcessLookupError):
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()


@pytest.mark.skipif(not (DATA / "cremad").is_dir(), reason="real speech is not here: set XSER_DATA")
def test_real_clips_on_a_cluster_that_runs_already_are_explained_as_by_one_process(cluster, tmp_path, packaged):
    """Without --jobs: the cluster has two cores, whatever this machine has; and it goes on afterwards."""
    from pyarrow import parquet

    address, head = cluster
    clips = sorted(find_audio_below(DATA / "cremad"))[::300][:CLIPS]
    write_manifest(tmp_path / "clips.jsonl", [Utterance(clip.stem, str(clip)) for clip in clips])
    command = [sys.executable, "-m", "speechbrain_xser.cli", "explain", "clips.jsonl", "--model", "tiny"]
    options = ["--out", "rows.parquet", "--ray", "--clips-per-shard", "4", "--device", "cpu"]
    environment = {**os.environ, "RAY_ADDRESS": address, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    print(done.stderr)
    assert head.poll() is None
    rows = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    alone = list(explain_clips(packaged, [SourceClip(str(clip), str(clip)) for clip in clips]))
    assert [(row["id"], row["paragraph"]) for row in rows] == [
        (clip.stem, told.explanation.paragraph) for clip, told in zip(clips, alone, strict=True)
    ]
    assert len(rows) == CLIPS
    for row, told in zip(rows, alone, strict=True):
        assert dict(row["probabilities"]) == pytest.approx(told.explanation.probabilities, abs=1e-5)


def test_an_address_where_no_cluster_is_ends_in_an_error_within_minutes(tmp_path):
    (tmp_path / "clips.jsonl").write_text('{"id": "a", "wav": "a.wav"}\n')
    command = [sys.executable, "-m", "speechbrain_xser.cli", "explain", "clips.jsonl", "--model", "tiny", "--ray"]
    environment = {**os.environ, "RAY_ADDRESS": f"127.0.0.1:{free_port()}"}
    given = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": PATIENCE / 3}
    done = subprocess.run([*command, "--out", "rows.parquet", "--device", "cpu"], **given)
    assert done.returncode == 2 and "Check RAY_ADDRESS, or unset it;" in done.stderr, done.stderr


def test_a_node_that_is_killed_loses_and_repeats_nothing(tmp_path, monkeypatch):
    """Two nodes with an actor each; one is killed while both work, and nothing takes its place.

    For half a minute Ray does not know of it, and the shards of the actor that was there fail in all retries.
    """
    from pyarrow import parquet
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    nodes = started(lambda: Cluster(initialize_head=True, head_node_args=node_of(0)))
    write_clips(tmp_path / "clips", CLIPS)
    out, marks = tmp_path / "rows.parquet", tmp_path / "marks"
    marks.mkdir()
    try:
        workers = [started(lambda: nodes.add_node(**node_of(1))) for _ in range(2)]
        monkeypatch.setenv("RAY_ADDRESS", nodes.address)
        killer = threading.Thread(target=kill_in_the_middle, args=(nodes, workers[0], marks))
        killer.start()
        found = run_batch([str(tmp_path / "clips")], str(out), SlowWork(str(marks)), ray_pool.work_on_ray, 2, 1)
        killer.join()
    finally:
        ray.shutdown()
        nodes.shutdown()
    assert found == BatchCounts(CLIPS, 0, CLIPS, 0)
    rows = parquet.read_table(out).to_pylist()
    assert [row["samples"] for row in rows] == [samples(number) for number in range(CLIPS)]
    assert len(list(marks.glob("loaded-*"))) >= 2  # an actor on each node
    assert (marks / "killed").exists() and len(list(marks.glob("done-*"))) >= CLIPS


def node_of(cores: int) -> dict:
    ports = {name: free_port() for name in AGENTS}
    return {"num_cpus": cores, "object_store_memory": STORE_BYTES, "include_dashboard": False, **ports}


def kill_in_the_middle(nodes, node, marks: Path) -> None:
    """Once both nodes have loaded and some clips are done."""
    ended = time.monotonic() + PATIENCE
    while time.monotonic() < ended:
        if len(list(marks.glob("loaded-*"))) >= 2 and len(list(marks.glob("done-*"))) >= 4:
            nodes.remove_node(node, allow_graceful=False)
            (marks / "killed").touch()
            return
        time.sleep(0.1)
