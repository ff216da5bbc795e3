"""Faithfulness: a model whose voice decides everything, and claims about tones of known level and pitch."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING
from speechbrain_xser.errors import ManifestError, SettingsError
from speechbrain_xser.evidence.faithfulness_scores import Faithfulness, Support, carried, measure_faithfulness
from speechbrain_xser.evidence.faithfulness_sheets import carried_sheet, claims_sheet
from speechbrain_xser.evidence.knockout import Knockout, Loss, knock_out
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.stages import BRANCHES, SER_STAGE

EMOTIONS = ["angry", "sad"]
ANGRY, SAD = "A man with high volume speaks, his anger evident.", "A man with low volume speaks, his sadness evident."


class Voiced(LLMDecoder):
    """P("angry") is 0.9 with a voice and 0.2 without, 0.1 less with words; the rest is sadness."""

    def __init__(self):
        torch.nn.Module.__init__(self)  # no LLM behind it

    def emotion_probabilities(self, tokens, instruction, answers, emotions):
        said, heard = (float(tokens[name].embeddings.abs().sum() > 0) for name in ("content", "descriptor"))
        angry = (0.9 if heard else 0.2) - 0.1 * said
        return torch.tensor([[angry, 1 - angry]], dtype=torch.float64).expand(len(answers), 2)

    def generate(self, tokens, instruction, **options):
        return [ANGRY if row.abs().sum() > 0 else SAD for row in tokens["descriptor"].embeddings]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = Voiced()
        self.branches = dict.fromkeys(BRANCHES)

    def encode(self, wavs, samples, stage):
        return tokens(len(wavs))

    def explain_tokens(self, tokens, stage, emotions, decoding):
        return self.decoder.generate(tokens, ""), None


def tokens(rows=1):
    return {name: SoftTokens(torch.ones(rows, 3, 4), torch.full((rows,), 3)) for name in BRANCHES}


@pytest.fixture
def recognizer():
    hparams = SimpleNamespace(stage="ser", emotions=EMOTIONS, max_seconds=30.0, cut_silence=False)
    return SimpleNamespace(mods=SimpleNamespace(model=Model()), hparams=hparams, device="cpu", decoding=PLAIN_DECODING)


def clips(folder, levels):
    """A manifest of one-second tones of 150 Hz at levels in dB re full scale."""
    wave = 2**0.5 * np.sin(2 * np.pi * 150 * np.arange(16000) / 16000)
    for number, level in enumerate(levels):
        soundfile.write(folder / f"{number}.wav", 10 ** (level / 20) * wave, 16000)
    rows = [Utterance(str(number), f"{number}.wav", duration=1.0) for number in range(len(levels))]
    write_manifest(folder / "test.jsonl", rows)
    return str(folder / "test.jsonl")


def test_without_the_voice_the_label_turns_and_without_the_words_it_does_not():
    [found] = knock_out(Model(), tokens(), SER_STAGE, [ANGRY], EMOTIONS)
    assert found.carrier == "descriptor"
    [other] = found.others
    assert (found.named.renamed, other.renamed) == (True, False)
    assert found.named.moved == pytest.approx(0.7)  # from 0.8 to 0.1
    assert other.moved == pytest.approx(0.1)  # from 0.8 to 0.9


def test_claims_are_counted_against_the_signal(recognizer, tmp_path):
    found = measure_faithfulness(recognizer, clips(tmp_path, [-10, -12, -60]), clips=None, workers=1)
    assert found.claims["volume"] == Support(supported=2, contradicted=1, unmeasured=0)  # all are said to be loud
    assert set(found.claims) == {"gender", "volume"} and len(found.knockouts) == 3


def test_the_same_clips_are_drawn_every_time(recognizer, tmp_path):
    manifest = clips(tmp_path, [-10, -60, -10, -60])
    runs = [measure_faithfulness(recognizer, manifest, clips=2, workers=1) for _ in range(2)]
    assert runs[0].claims == runs[1].claims and len(runs[0].knockouts) == 2


def test_a_manifest_without_a_clip_that_can_be_read_is_named(recognizer, tmp_path):
    manifest = clips(tmp_path, [-10])
    (tmp_path / "0.wav").write_bytes(b"")
    with pytest.raises(ManifestError, match="test.jsonl: no clip can be read"):
        measure_faithfulness(recognizer, manifest, workers=1)


def test_the_comparison_counts_clips():
    voice = Knockout("descriptor", {"content": Loss(False, 0.1), "descriptor": Loss(True, 0.6)})
    words = Knockout("content", {"content": Loss(False, 0.1), "descriptor": Loss(False, 0.2)})
    found = carried([voice, voice, voice, words])
    assert (found.by_voice, found.renamed_named, found.renamed_other, found.moved_more) == (75.0, 75.0, 0.0, 75.0)


def test_the_tables_sum_over_seeds():
    voice = Knockout("descriptor", {"content": Loss(False, 0.1), "descriptor": Loss(True, 0.6)})
    runs = [
        Faithfulness({"pitch": Support(1, 1, 0)}, (voice,)),
        Faithfulness({"pitch": Support(2, 0, 3), "speed": Support(0, 0, 2)}, (voice, voice)),
    ]
    assert claims_sheet(runs).rows == (("pitch", "75.0", "3", "1", "3"), ("speed", "-", "0", "0", "2"))
    assert dict(carried_sheet(runs).rows)["clips"] == "3"


@pytest.mark.parametrize("stage", ["asr", "ser_sed"])
def test_a_model_without_paragraphs_or_with_one_branch_is_refused(recognizer, tmp_path, stage):
    recognizer.hparams.stage = stage
    with pytest.raises(SettingsError, match=f"stage '{stage}'"):
        measure_faithfulness(recognizer, clips(tmp_path, [-10]), workers=1)
