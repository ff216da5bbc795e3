"""Results that are kept beside the models that they are of."""

from pathlib import Path

from speechbrain_xser.reproduction.kept import kept_by_seed
from speechbrain_xser.reproduction.plan import Plan


def test_of_a_corpus_with_folds_the_first_one_is_asked_once_for_each_seed(tmp_path):
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
