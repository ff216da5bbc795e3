"""One program scores METEOR for a whole process; a dead or failed one is not used again."""

import shutil
import threading
from types import SimpleNamespace

import pytest

from speechbrain_xser.metrics import meteor

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="METEOR needs Java")


class Program:
    """Stands in for pycocoevalcap's program, which takes ten seconds to start."""

    started: list["Program"] = []

    def __init__(self):
        self.started.append(self)
        self.lock, self.ended = threading.Lock(), None
        self.meteor_p = SimpleNamespace(poll=lambda: self.ended)

    def compute_score(self, references, hypotheses):
        self.lock.acquire()  # as it does, a fault leaves its lock closed
        assert all(len(texts) == 1 for texts in hypotheses.values())
        self.lock.release()
        return 1.0, [1.0] * len(hypotheses)


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setattr(meteor, "Meteor", Program)
    monkeypatch.setattr(meteor, "_started", {})
    monkeypatch.setattr(Program, "started", [])
    return Program.started


def score(*hypotheses):
    return meteor.meteor_scores({"a": ["a man speaks"]}, {"a": list(hypotheses)})


def test_many_scorings_start_one_process(started):
    assert score("a man speaks") == score("rain") == (1.0, [1.0]) and len(started) == 1


def test_a_dead_process_is_started_again(started):
    score("rain")
    started[0].ended = -9
    assert score("rain") == (1.0, [1.0]) and len(started) == 2


def test_a_failed_process_is_abandoned_and_can_end(started):
    with pytest.raises(AssertionError):
        score("a", "b")
    assert not started[0].lock.locked()
    assert score("rain") == (1.0, [1.0]) and len(started) == 2


def test_a_fork_has_its_own_process(started, monkeypatch):
    score("rain")
    monkeypatch.setattr(meteor.os, "getpid", lambda: -1)
    score("rain")
    assert len(started) == 2
