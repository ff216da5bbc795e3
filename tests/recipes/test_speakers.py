"""Errors of diarization by hand, and conversations whose speakers are known."""

import random
from collections import Counter
from pathlib import Path

import pytest
import soundfile
import torch
from Speakers.conversations import Clip, conversations, spoken, turns
from Speakers.diarization_error import Errors, Segment, diarization_errors, total

TRUTH = [Segment(1, 3, "Anna"), Segment(4, 8, "Bob"), Segment(9, 10, "Anna")]


def renamed(segments, **names):
    return [segment._replace(speaker=names[segment.speaker]) for segment in segments]


def test_names_do_not_matter():
    assert diarization_errors(TRUTH, renamed(TRUTH, Anna="2", Bob="1")) == Errors(7, 0, 0, 0)


def test_all_one_speaker_is_wrong_where_any_but_the_most_talkative_speaks():
    found = diarization_errors(TRUTH, renamed(TRUTH, Anna="1", Bob="1"))
    assert found == Errors(7, 0, 0, 3) and found.rate == pytest.approx(3 / 7)


def test_a_speaker_split_in_two_is_wrong_in_the_smaller_part():
    assert diarization_errors(TRUTH, [*TRUTH[:2], Segment(9, 10, "Eve")]) == Errors(7, 0, 0, 1)


def test_nothing_found_is_all_missed_and_speech_found_in_pauses_is_a_false_alarm():
    assert diarization_errors(TRUTH, []) == Errors(7, 7, 0, 0)
    longer = [segment._replace(start_seconds=segment[0] - 0.2) for segment in TRUTH]
    assert diarization_errors(TRUTH, longer) == pytest.approx(Errors(7, 0, 0.6, 0))


def test_a_collar_forgives_both_sides_of_a_boundary_and_counts_less_speech():
    longer = [segment._replace(end_seconds=segment[1] + 0.2) for segment in TRUTH]
    assert diarization_errors(TRUTH, longer, collar=0.25) == pytest.approx(Errors(5.5, 0, 0, 0))
    late = [segment._replace(start_seconds=segment[0] + 0.45) for segment in TRUTH]
    assert diarization_errors(TRUTH, late, collar=0.25) == pytest.approx(Errors(5.5, 0.6, 0, 0))


def test_the_errors_of_several_recordings_are_those_of_their_seconds():
    assert total([Errors(1, 0, 0, 1), Errors(3, 0, 0, 0)]).rate == 0.25


@pytest.fixture
def clips(tmp_path):
    """Five speakers, twelve clips each, of a second and a half and half a second of silence on both sides."""
    quiet = torch.zeros(8000)
    soundfile.write(tmp_path / "a.wav", torch.cat([quiet, torch.full((24000,), 0.5), quiet]).numpy(), 16000)
    return [Clip(Path(tmp_path, "a.wav"), name) for name in "abcde" for _ in range(12)]


def test_speakers_have_equally_many_turns(clips):
    for speakers in (2, 3, 4):
        counts = Counter(clip.speaker for clip in turns(clips, speakers, random.Random(0)))
        assert len(counts) == speakers and set(counts.values()) == {18 // speakers}


def test_segments_are_where_the_sound_is_and_pauses_are_in_bounds(clips):
    found = spoken("one", clips[:4], random.Random(0))
    sounding = torch.zeros(len(found.wav), dtype=bool)
    for segment in found.segments:
        sounding[round(segment.start_seconds * 16000) : round(segment.end_seconds * 16000)] = True
    assert not found.wav[~sounding].any() and (found.wav[sounding] != 0).float().mean() > 0.95
    gaps = [after[0] - before[1] for before, after in zip(found.segments, found.segments[1:], strict=False)]
    assert 0.6 <= min(gaps) <= max(gaps) <= 2.0


def test_conversations_are_the_same_each_time_and_have_two_to_four_speakers(clips):
    one, other = ([found.segments for found in conversations("x", clips, 4)] for _ in range(2))
    assert one == other and [len({part.speaker for part in own}) for own in one] == [2, 3, 4, 2]
