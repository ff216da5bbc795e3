"""Measures against the labels of real corpora, Praat and hand labels."""

import statistics
from functools import lru_cache

import numpy as np
import pytest

from speechbrain_xser.annotator.analysis import Heard, hear
from speechbrain_xser.annotator.intonation import range_semitones
from speechbrain_xser.annotator.level import frame_decibels, speech_decibels, speech_frames
from speechbrain_xser.annotator.pitch import praat_track
from speechbrain_xser.annotator.syllables import count_nuclei, count_syllables
from tests.annotator.real_clips import CORPORA, MAX_SECONDS, clips, needs_real_clips, read, rows, spread
from tests.genuine import DATA

pytestmark = needs_real_clips
SPEAKERS = [f"ravdess-{number:02}" for number in range(1, 25)]


@lru_cache
def heard(corpus: str, count: int) -> tuple[Heard, ...]:
    return tuple(hear(clip.wav) for clip in clips(corpus, count))


@lru_cache
def level_of(path: str) -> float:
    decibels = frame_decibels(read("ravdess", {"path": path}).wav)
    return speech_decibels(decibels, speech_frames(decibels))


def mean_levels(count: int = 6, **wanted: str) -> np.ndarray:
    """Mean level of some clips of each RAVDESS speaker, [24]."""
    found = rows("ravdess", **wanted)
    paths = [[row["path"] for row in found if row["speaker"] == speaker] for speaker in SPEAKERS]
    return np.array([statistics.mean(map(level_of, spread(some, count))) for some in paths])


def medians(corpus: str, gender: str, count: int = 24) -> float:
    """Median of the clips' median pitch."""
    short = [row for row in rows(corpus, gender=gender) if float(row["duration"]) <= MAX_SECONDS]
    found = [hear(read(corpus, row).wav).hertz for row in spread(short, count)]
    return statistics.median(hertz[hertz > 0].median().item() for hertz in found)


@pytest.mark.slow
def test_strong_intensity_is_louder_than_normal_for_nine_in_ten_speakers():
    strong = mean_levels(intensity="strong")
    normal = np.mean([mean_levels(2, intensity="normal", emotion=emotion) for emotion in ("happy", "sad", "angry")], 0)
    assert (strong > normal).sum() >= 0.9 * len(SPEAKERS)


@pytest.mark.slow
def test_anger_is_louder_than_neutral_for_nine_in_ten_speakers():
    assert (mean_levels(emotion="angry") > mean_levels(emotion="neutral")).sum() >= 0.9 * len(SPEAKERS)


@pytest.mark.parametrize("corpus", CORPORA)
def test_pitch_is_within_two_percent_of_praat_on_voiced_frames(corpus):
    pytest.importorskip("parselmouth")
    ours = np.concatenate([clip.hertz.numpy() for clip in heard(corpus, 12)])
    praats = np.concatenate([(praat_track(clip.wav) * clip.speech).numpy() for clip in heard(corpus, 12)])
    both = (ours > 0) & (praats > 0)
    assert np.median(np.abs(ours[both] / praats[both] - 1)) < 0.002
    assert np.mean(np.abs(ours[both] / praats[both] - 1) < 0.02) > 0.95  # Praat halves where a voice creaks
    assert both.sum() > 0.95 * (praats > 0).sum() and both.sum() > 0.97 * (ours > 0).sum()


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.slow
def test_women_speak_three_semitones_higher_than_men_at_least(corpus):
    women, men = medians(corpus, "female"), medians(corpus, "male")
    assert 12 * np.log2(women / men) > 3


@pytest.mark.slow
def test_the_wider_the_emotion_the_wider_the_range():
    surprised, calm = (
        statistics.median(
            range_semitones(hear(read("ravdess", row).wav).hertz)
            for row in spread(rows("ravdess", emotion=emotion), 24)
        )
        for emotion in ("surprised", "calm")
    )
    assert surprised > calm + 3


def hand_syllables(id: str) -> list[tuple[float, str]]:
    """EmoDB's hand-labelled syllables: when each begins, and a full stop at the end."""
    path = DATA / "annotations" / "emodb" / "silb" / f"{id.removeprefix('emodb-')}.silb"
    lines = [line.split() for line in path.read_text(encoding="latin-1").splitlines()]
    return [(float(line[0]), line[1]) for line in lines if len(line) == 2]


def test_seconds_of_speech_are_those_of_the_hand_labels():
    shares = []
    for clip, found in zip(clips("emodb", 40), heard("emodb", 40), strict=True):
        labels = hand_syllables(clip.row["id"])
        shares.append(found.speech.sum().item() * 0.01 / (labels[-1][0] - labels[0][0]))
    assert statistics.median(shares) == pytest.approx(1.0, abs=0.05)


def test_syllables_of_german_transcripts_are_those_of_the_hand_labels():
    read_aloud, spoken = 0, 0
    for clip in clips("emodb", 40):
        read_aloud += count_syllables(clip.transcript, "de")
        spoken += sum(name not in (".", "(") for _, name in hand_syllables(clip.row["id"]))
    assert read_aloud == pytest.approx(spoken, rel=0.05)


@pytest.mark.parametrize("corpus", CORPORA)
def test_syllables_in_the_signal_are_within_a_quarter_of_the_transcript(corpus):
    pairs = [
        (count_nuclei(found), count_syllables(clip.transcript, clip.language))
        for clip, found in zip(clips(corpus, 24), heard(corpus, 24), strict=True)
        if clip.transcript
    ]
    found, wanted = np.array(pairs).sum(0)
    assert found == pytest.approx(wanted, rel=0.25)
