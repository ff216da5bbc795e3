"""Silence around speech, for a model that never hears it."""

import copy

import pytest
import soundfile
import torch

from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.data.speech import spoken_span
from speechbrain_xser.data.synthetic.corpus import plan, speak
from speechbrain_xser.evidence.clip_evidence import gather_evidence
from speechbrain_xser.evidence.faithfulness_scores import measure_faithfulness
from speechbrain_xser.probing.latents import SUM, read_clips

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


@pytest.fixture
def padded_clip(said, tmp_path):
    """A manifest of one clip with silence on both sides, and the samples that are left without it."""
    padded = torch.cat([SILENCE, said, SILENCE])
    soundfile.write(tmp_path / "a.wav", padded.numpy(), 16000, "FLOAT")
    clip = Utterance("a", str(tmp_path / "a.wav"), duration=len(padded) / 16000, transcript="go", emotion="sad")
    write_manifest(tmp_path / "clips.jsonl", [clip])
    span = spoken_span(padded)
    return str(tmp_path / "clips.jsonl"), span.stop - span.start


def test_faithfulness_is_measured_on_what_the_model_hears(cutting, packaged, padded_clip, monkeypatch):
    manifest, left = padded_clip
    encode, heard = packaged.mods.model.encode, []

    def listening(wavs, samples, *more):
        heard.append(samples.tolist())
        return encode(wavs, samples, *more)

    monkeypatch.setattr(packaged.mods.model, "encode", listening)
    measure_faithfulness(cutting, manifest, workers=1)
    assert heard == [[left]]


def test_probes_read_what_the_model_hears(packaged, padded_clip):
    manifest, left = padded_clip
    model = packaged.mods.model
    [whole], [cut] = (read_clips(model, manifest, None, 30.0, cut_silence=one) for one in (False, True))
    expected = model.encoder.frame_counts(torch.tensor([left])).item()
    assert len(cut.frames[SUM]) == expected < len(whole.frames[SUM])
