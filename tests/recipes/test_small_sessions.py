"""Who says what, as it is planned."""

import numpy as np
import pytest
from Small.sessions import sessions
from Small.voices import Programs


def test_the_plan_of_the_test_is_quiet_single_sentences():
    planned = sessions("test", ["she sang a song", "he ran to the sea"], 100, 1, Programs())
    for session in planned:
        for script in session.scripts:
            drawn = script.conditions
            assert len(script.sentences) == 1 and drawn.rt60_seconds is None and drawn.low_pass_hertz is None
            assert drawn.snr_decibels == 60 and -30 <= drawn.level <= -20
        assert session.manner == (1.0, 1.0)
    assert len({session.speaker for session in planned}) > 10


def test_planned_lengths_are_spread_by_their_logarithm(monkeypatch):
    monkeypatch.setattr("Small.voices.RATES", (1.0, 1.0))
    texts = [f"{word} of the sea and of the sun" for word in "abcdefghij"]  # 27 characters and a pause: 2.11 s
    planned = sessions("train", texts, 4000, 1, Programs())
    counts = np.array([len(script.sentences) for session in planned for script in session.scripts])
    assert counts.max() == 7  # 16.5 / 2.11
    assert (counts == 1).mean() == pytest.approx(0.316, abs=0.03)  # up to 3.17 s: log(3.17 / 1.5) / log(16 / 1.5)
    assert (counts >= 4).mean() == pytest.approx(0.326, abs=0.03)  # from 7.39 s


def test_no_plan_is_so_long_that_its_clip_would_be_dropped():
    texts = ["a" * 30, "b" * 110]  # the second takes 9 s at the slowest
    planned = sessions("train", texts, 400, 1, Programs())
    for session in planned:
        longest = max(len("".join(script.sentences)) for script in session.scripts)
        assert longest / (17 * session.manner.rate) < 16.5


def test_every_sentence_is_said_before_one_is_said_again():
    texts = [f"sentence number {number}" for number in range(500)]
    planned = sessions("train", texts, 300, 1, Programs())
    said = [sentence for session in planned for script in session.scripts for sentence in script.sentences]
    assert said[:500] == texts and said[500:502] == texts[:2]


def test_a_session_has_one_speaker_and_its_clips_have_conditions_of_their_own():
    (session,) = sessions("train", ["she sang a song"], 20, 1, Programs())
    assert len({script.conditions for script in session.scripts}) == 20
    assert len({script.seed for script in session.scripts}) == 20


def test_the_file_of_another_plan_has_another_name():
    one, two = (sessions("train", ["she sang a song"], 1, seed, Programs())[0] for seed in (1, 2))
    assert one.scripts[0].id == two.scripts[0].id
    assert one.name(one.scripts[0]) != two.name(two.scripts[0])
