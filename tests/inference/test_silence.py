"""Silence around speech, for a model that never hears it."""

import copy

import pytest
import torch

from speechbrain_xser.data.speech import spoken_span
from speechbrain_xser.data.synthetic.corpus import plan, speak
from speechbrain_xser.evidence.clip_evidence import gather_evidence

SILENCE = torch.zeros(24000)


@pytest.fixture(scope="module")
def said():
    return torch.from_numpy(speak(plan("test", 3, seed=1)))


@pytest.fixture
def cutting(packaged):
    """The packaged model, as one that hears no silence."""
    recognizer = copy.copy(packaged)
    recognizer.hparams = copy.copy(packaged.hparams)
    recognizer.hparams.cut_silence = True
    return recognizer


def test_the_span_is_that_of_the_speech_with_a_quarter_of_a_second(said):
    span = spoken_span(torch.cat([SILENCE, said, SILENCE]))
    assert 24000 - 4000 - 1600 <= span.start <= 24000 - 2400  # speech begins within a tenth of a second
    assert 24000 + len(said) - 8000 <= span.stop <= 24000 + len(said) + 4000 + 512


@pytest.mark.parametrize("wave", [torch.zeros(16000), torch.full((16000,), 0.1)], ids=["silence", "offset"])
def test_a_clip_without_speech_stays_whole(wave):
    assert spoken_span(wave) == slice(0, 16000)


def test_silence_changes_nothing_for_a_model_that_does_not_hear_it(cutting, packaged, said):
    padded = torch.cat([SILENCE, said, SILENCE])
    heard = padded[spoken_span(padded)]
    [expected] = packaged.explain_batch([heard])
    short = torch.cat([torch.zeros(8000), said[:12000]])
    found, *others = cutting.explain_batch([padded, short])
    assert found.paragraph == expected.paragraph and len(others) == 1
    assert found.probabilities == pytest.approx(expected.probabilities, abs=0.02)  # the offset is the whole clip's
    assert list(cutting.explain_live(padded))[-1].paragraph == expected.paragraph


def test_evidence_keeps_the_times_of_the_clip(cutting, said):
    padded = torch.cat([SILENCE, said, SILENCE])
    where = gather_evidence(cutting, padded).where
    assert where.start_seconds == spoken_span(padded).start / 16000
    frames = len(where.branches["content"].kl_nats)
    assert where.start_seconds + frames * where.frame_seconds < len(padded) / 16000
