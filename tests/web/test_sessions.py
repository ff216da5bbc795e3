"""What open pages hold."""

import sys
from threading import Event, Thread

import pytest
import torch

from speechbrain_xser.web.clip import Upload
from speechbrain_xser.web.downloads import Result
from speechbrain_xser.web.sessions import Sessions

CLIP = Upload("a.wav", torch.zeros(1000), 16000)  # 4,000 bytes


def test_the_clips_that_were_not_used_for_longest_make_room_for_new_ones():
    sessions = Sessions(9000, 9000)
    for page in ("first", "second"):
        sessions.keep(page, "clip", CLIP)
    assert sessions.get("first", "clip")
    sessions.keep("third", "clip", CLIP)
    assert [sessions.get(page, "clip") is not None for page in ("first", "second", "third")] == [True, False, True]


def test_only_clips_of_pages_that_are_not_open_are_forgotten_with_time():
    sessions = Sessions(9000, 9000)
    for page in ("open", "gone"):
        sessions.keep(page, "clip", CLIP)
    sessions.forget_unused(seconds=60, pages={"open"})
    assert len(sessions) == 2
    sessions.forget_unused(seconds=0, pages={"open"})
    assert sessions.get("open", "clip") and sessions.get("gone", "clip") is None


def result(owner):
    return Result.owned_by(owner, {"a.json": bytes(6000)})


def test_the_files_of_a_result_go_with_their_page():
    sessions, kept = Sessions(9000, 9000), result("anna")
    sessions.keep("first", "result", kept)
    assert sessions.files(kept.key) == kept.files and sessions.files("0" * 64) == {}
    sessions.forget("first")
    assert sessions.files(kept.key) == {}


def test_results_make_older_ones_go_and_no_clip():
    sessions, first, second = Sessions(9000, 9000), result("anna"), result("bert")
    for page, kept in (("annas", first), ("berts", second)):
        sessions.keep(page, "clip", CLIP)
        sessions.keep(page, "result", kept)
    assert sessions.files(first.key) == {} and sessions.files(second.key) == second.files
    assert sessions.get("annas", "clip") and sessions.get("berts", "clip") and len(sessions) == 2


def test_clips_make_no_result_go():
    sessions, kept = Sessions(9000, 9000), result("anna")
    sessions.keep("annas", "result", kept)
    for page in ("annas", "berts", "claras"):
        sessions.keep(page, "clip", CLIP)
    assert sessions.get("annas", "clip") is None and sessions.files(kept.key) == kept.files


@pytest.fixture
def switching():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_clips_are_counted_while_pages_come_and_go(switching):
    sessions, ended = Sessions(10**6, 0), Event()

    def come_and_go():
        while not ended.is_set():
            for page in map(str, range(50)):
                sessions.keep(page, "clip", CLIP)
            for page in map(str, range(50)):
                sessions.forget(page)

    thread = Thread(target=come_and_go)
    thread.start()
    try:
        assert all(0 <= len(sessions) <= 50 for _ in range(3000))
    finally:
        ended.set()
        thread.join()
