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


def test_planned_lengths_are_spread_by_their_logarithm():
    texts = [f"{word} of the sea and of the sun" for word in "abcdefghij"]  # 27 characters: 1.35 to 2.1 s each
    planned = sessions("train", texts, 2000, 1, Programs())
    counts = np.array([len(script.sentences) for session in planned for script in session.scripts])
    assert counts.max() <= 12  # of 1.35 s in 16
    assert (counts == 1).mean() == pytest.approx(0.25, abs=0.05)  # log(2.7 / 1.5) / log(16 / 1.5)
    assert (counts >= 4).mean() > 0.25


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
