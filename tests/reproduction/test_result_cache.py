"""Results that are stored beside their models."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from speechbrain_xser import packaged_model
from speechbrain_xser.model_folder.locate import ADAPTER, ADAPTER_WEIGHTS, BRANCH_WEIGHTS, MEAN_VOICE
from speechbrain_xser.reproduction.plan import Plan
from speechbrain_xser.reproduction.result_cache import kept_by_seed
from speechbrain_xser.timeline.cutting import Cutting
from speechbrain_xser.timeline.store import fingerprint_of


def test_a_corpus_with_folds_is_measured_on_its_first_fold_once_per_seed(tmp_path):
    plan = Plan("IEMOCAP", "tiny", "trained", "data", tmp_path, Path("recipes"), ("two_stage",), (1, 2))
    for seed in (1, 2):
        for fold in (1, 2, 3, 4, 5):
            model = tmp_path / f"IEMOCAP/two_stage/seed{seed}/fold{fold}/model"
            model.mkdir(parents=True)
            (model / "model.safetensors").write_bytes(bytes([seed, fold]))
    asked = []

    def make(run, folder):
        asked.append(folder.relative_to(tmp_path / "IEMOCAP" / "two_stage").as_posix())
        return [run.seed, run.fold]

    assert kept_by_seed(plan, "two_stage", "figures.json", make) == [[1, 1], [2, 1]]
    assert kept_by_seed(plan, "two_stage", "figures.json", make) == [[1, 1], [2, 1]]
    assert asked == ["seed1/fold1/model", "seed2/fold1/model"]


def nudge(path: Path) -> None:
    """Changes one number in a weights file; its size stays the same."""
    tensors = load_file(path)
    name = min(tensors)
    save_file({**tensors, name: tensors[name] + 1}, path)


CHANGES = {
    "branches": lambda run: nudge(run / "model" / BRANCH_WEIGHTS),
    "adapter": lambda run: nudge(run / "model" / ADAPTER / ADAPTER_WEIGHTS),
    "mean voice": lambda run: nudge(run / "model" / MEAN_VOICE),
    "test manifest": lambda run: (run.parents[1] / "manifests" / "test.jsonl").write_text("other"),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_result_is_recomputed_if_the_model_or_its_clips_change(tmp_path, changed):
    plan = Plan("CREMA-D", "tiny", "trained", "data", tmp_path, Path("recipes"), ("two_stage",), (1,))
    run = tmp_path / "CREMA-D" / "two_stage" / "seed1"
    shutil.copytree(packaged_model(), run / "model")
    (tmp_path / "CREMA-D" / "manifests").mkdir()
    (tmp_path / "CREMA-D" / "manifests" / "test.jsonl").write_text("first")
    sound = tmp_path / "sound"
    sound.write_bytes(b"sound")
    results, fingerprints = iter("abc"), []

    def result() -> list:
        fingerprints.append(fingerprint_of(sound, run / "model", Cutting()))
        return kept_by_seed(plan, "two_stage", "figures.json", lambda *_: next(results))

    assert result() == result() == ["a"]
    CHANGES[changed](run)
    assert result() == result() == ["b"]
    assert len(set(fingerprints)) == (1 if changed == "test manifest" else 2)  # of a timeline's moments
