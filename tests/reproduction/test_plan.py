"""The runs that a table needs, and their commands."""

from pathlib import Path

import pytest

from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.reproduction.plan import Plan, Run, command, phases, preparation

RECIPES = Path(__file__).parents[2] / "recipes"
PLAN = Plan("CREMA-D", "tiny", "trained", "data", Path("out"), RECIPES, ("two_stage", "beta_1"), (1, 2))


def options(words: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))


def test_a_table_fills_row_by_row_and_then_seed_by_seed():
    assert [run.name for run in phases(PLAN)[0]] == [
        "CREMA-D/two_stage/seed1", "CREMA-D/beta_1/seed1", "CREMA-D/two_stage/seed2", "CREMA-D/beta_1/seed2",
    ]  # fmt: skip


def test_a_training_on_several_gpus_is_that_of_the_command():
    run = Run("CREMA-D", "beta_1", 2)
    words = command(PLAN, run, ranks=4)
    assert words[:3] == ["-m", "speechbrain_xser.cli", "train"] and options(words).pop("ranks") == "4"
    assert words[5:] == command(PLAN, run)[2:]


def test_five_sessions_are_five_runs():
    [runs] = phases(PLAN._replace(corpus="IEMOCAP", systems=("two_stage",), seeds=(1,)))
    assert [run.fold for run in runs] == [1, 2, 3, 4, 5]


def test_a_training_run_names_scale_system_seed_and_folder():
    words = command(PLAN._replace(values={"votes": "table.csv"}), Run("CREMA-D", "beta_1", 2))
    assert words[:2] == [str(RECIPES / "train.py"), str(RECIPES / "CREMA-D" / "hparams" / "train.yaml")]
    assert options(words) == {
        "data_folder": "data",
        "output_folder": "out/CREMA-D/beta_1/seed2",
        "save_folder": "out/CREMA-D/manifests",
        "scale": "tiny",
        "system": "beta_1",
        "seed": "2",
        "annotate": "true",
        "feature_cache": "out/features",
        "votes": "table.csv",
    }


def test_at_ears_scale_features_are_kept():
    assert options(command(PLAN._replace(scale="ears"), Run("CREMA-D", "beta_1", 2)))["feature_cache"] == "out/features"


def test_at_paper_scale_no_features_are_kept():
    assert "feature_cache" not in options(command(PLAN._replace(scale="paper"), Run("CREMA-D", "beta_1", 2)))


@pytest.mark.parametrize("setting", ["fine-tuned", "zero-shot"])
def test_fine_tuning_waits_for_speechcraft_and_starts_from_its_model(setting):
    plan = PLAN._replace(corpus="IEMOCAP", setting=setting, pretraining_folder="craft")
    first, second = phases(plan)
    assert {run.corpus for run in first} == {"SpeechCraft"} and len(second) == 2 * 2 * 5
    began = options(command(plan, first[0]))
    assert began["data_folder"] == "craft" and "annotate" not in began
    words = command(plan, Run("IEMOCAP", "two_stage", 1, 3))
    told = options(words)
    assert told.get("start_from", told.get("model")) == "out/SpeechCraft/two_stage/seed1/model"
    if setting == "zero-shot":
        assert words[1:4] == ["speechbrain_xser.cli", "evaluate", "out/IEMOCAP/manifests/fold_3/test.jsonl"]
        assert told["answers"] == "out/IEMOCAP/two_stage/seed1/fold3/test_answers.jsonl"
        assert options(preparation(plan)[:-1])["save_folder"] == "out/IEMOCAP/manifests"
    else:
        assert told["fold"] == "3"


def test_speechcraft_must_be_given():
    with pytest.raises(ReproductionError, match="'fine-tuned' starts from SpeechCraft: give its folder too"):
        phases(PLAN._replace(setting="fine-tuned"))
    with pytest.raises(ReproductionError, match="Unknown setting 'tuned'"):
        phases(PLAN._replace(setting="tuned"))


def test_values_apply_to_their_own_corpus():
    plan = PLAN._replace(
        corpus="MELD", setting="fine-tuned", pretraining_folder="craft", values={"votes": "v"},
        pretraining_values={"annotations": "a"},
    )  # fmt: skip
    first, second = (options(command(plan, runs[0])) for runs in phases(plan))
    assert ("annotations" in first, "votes" in first, "feature_cache" in first) == (True, False, False)
    assert ("annotations" in second, "votes" in second, "feature_cache" in second) == (False, True, True)
    assert options(preparation(plan)[:-1])["votes"] == "v"


@pytest.mark.parametrize("key", ["seed", "output_folder", "system", "beta", "stages"])
def test_a_value_that_distinguishes_runs_is_refused(key):
    with pytest.raises(ReproductionError, match=f"{key} is (set by|what system)"):
        phases(PLAN._replace(values={key: "1"}))


def test_speechcraft_is_not_a_corpus_of_any_table():
    with pytest.raises(ReproductionError, match="is only for pretraining"):
        phases(PLAN._replace(corpus="SpeechCraft"))


def test_a_corpus_without_a_recipe_is_named():
    with pytest.raises(ReproductionError, match="Nowhere.*there is no such recipe"):
        command(PLAN._replace(corpus="Nowhere"), Run("Nowhere", "two_stage", 1))
