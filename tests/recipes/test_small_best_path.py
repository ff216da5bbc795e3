"""What a content branch of rows hears by CTC alone."""

from functools import partial

import pytest
import soundfile
import torch
from Small.best_path import best_paths

from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.data.synthetic.corpus import plan, speak
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.row_adapter import build_rows
from speechbrain_xser.model import build_model
from speechbrain_xser.testing import tiny_lobes


@pytest.fixture
def manifest(tmp_path):
    soundfile.write(tmp_path / "a.wav", speak(plan("test", 3, seed=1)), 16000)
    clips = [Utterance("a", "a.wav", transcript="go home"), Utterance("b", "a.wav", emotion="sad")]
    write_manifest(str(tmp_path / "clips.jsonl"), clips)
    return str(tmp_path / "clips.jsonl")


def test_a_transcribed_clip_is_read_along_the_best_path(manifest, tmp_path):
    lobes = tiny_lobes(tmp_path)
    content = partial(build_rows, size=300, stack=1, hidden=8)
    model = build_model(**{**lobes, "branches": {**lobes["branches"], "content": content}}).eval()
    adapter = model.branches["content"].adapter
    with torch.no_grad():  # every frame says the same, and the third token most of all
        adapter.output.weight.zero_()
        adapter.output.bias.copy_(adapter.directions[2])
    [(clip, text)] = best_paths(model, manifest)
    assert clip.id == "a" and text == adapter.vocabulary.text([2]).strip() != ""


def test_a_branch_that_scores_no_tokens_is_refused(manifest, tmp_path):
    with pytest.raises(SettingsError, match="train it with content: rows"):
        list(best_paths(build_model(**tiny_lobes(tmp_path)), manifest))
