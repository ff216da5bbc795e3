"""What open pages hold."""

import torch

from speechbrain_xser.web.clip import Upload
from speechbrain_xser.web.downloads import Result
from speechbrain_xser.web.sessions import Sessions

CLIP = Upload("a.wav", torch.zeros(1000), 16000)  # 4,000 bytes


def test_the_clips_that_were_not_used_for_longest_make_room_for_new_ones():
    sessions = Sessions(kept_bytes=9000)
    for page in ("first", "second"):
        sessions.keep(page, "clip", CLIP)
    assert sessions.get("first", "clip")
    sessions.keep("third", "clip", CLIP)
    assert [sessions.get(page, "clip") is not None for page in ("first", "second", "third")] == [True, False, True]


def test_only_clips_of_pages_that_are_not_open_are_forgotten_with_time():
    sessions = Sessions(kept_bytes=9000)
    for page in ("open", "gone"):
        sessions.keep(page, "clip", CLIP)
    sessions.forget_unused(seconds=60, pages={"open"})
    assert len(sessions) == 2
    sessions.forget_unused(seconds=0, pages={"open"})
    assert sessions.get("open", "clip") and sessions.get("gone", "clip") is None


def test_the_files_of_a_result_count_and_go_with_their_page():
    sessions, result = Sessions(kept_bytes=9000), Result.owned_by("anna", {"a.json": bytes(6000)})
    sessions.keep("first", "result", result)
    assert sessions.files(result.key) == result.files and sessions.files("0" * 64) == {}
    sessions.keep("second", "clip", CLIP)
    assert sessions.files(result.key) == {} and len(sessions) == 1
    sessions.keep("second", "result", result)
    sessions.forget("second")
    assert sessions.files(result.key) == {}
