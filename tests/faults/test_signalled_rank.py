"""One of two ranks gets a signal, and both end together."""

import json
import signal
import socket

import pytest

from tests.faults.signalled_rank import evaluate_and_signal
from tests.training.runner import START, tiny_data

pytestmark = pytest.mark.training


def test_one_signalled_rank_ends_an_evaluation_of_both_together(tmp_path):
    """Without a launcher, which would end the other rank by force."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = tiny_data(tmp_path, train=2, valid=7)
    processes = [START.Process(target=evaluate_and_signal, args=(rank, port, data, tmp_path)) for rank in range(2)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(300)
        assert [process.exitcode for process in processes] == [128 + signal.SIGTERM] * 2
    finally:
        for process in processes:
            process.kill()
    told = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert told == [{"signalled": False, "evaluated": 2}, {"signalled": True, "evaluated": 2}]
