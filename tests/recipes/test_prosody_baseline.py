"""The prosody baseline on features whose best answer is known."""

import importlib.util
from pathlib import Path

import numpy as np

RECIPE = Path(__file__).parents[2] / "recipes" / "CREMA-D" / "prosody_baseline.py"
spec = importlib.util.spec_from_file_location("cremad_prosody_baseline", RECIPE)
baseline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(baseline)


def features(emotions: list[str], useful: bool) -> "baseline.Features":
    """One column with the emotion's number, or uninformative, and one constant column."""
    names = sorted(set(emotions))
    column = [names.index(emotion) if useful else 0.0 for emotion in emotions]
    values = np.array([column, np.ones(len(emotions))], dtype=np.float32).T
    return baseline.Features(values, np.array(emotions))


def splits(useful: bool) -> dict:
    train = ["angry"] * 30 + ["sad"] * 10
    return {"train": features(train, useful), "valid": features(train, useful), "test": features(train, useful)}


def test_emotions_that_one_feature_separates_are_all_found():
    scores, answers = baseline.score("any", splits(useful=True), "balanced")
    assert (scores.test_ua, scores.test_wa) == (100.0, 100.0)
    assert answers.tolist() == ["angry"] * 30 + ["sad"] * 10


def test_uninformative_features_give_chance():
    scores, _ = baseline.score("any", splits(useful=False), None)
    assert (scores.test_ua, scores.test_wa) == (50.0, 75.0)  # always angry: recalls 1 and 0; 30 of 40


def test_guesses_come_from_the_training_emotions():
    assert baseline.guesses(splits(useful=True)) == {"chance_ua": 50.0, "majority_ua": 50.0, "majority_wa": 75.0}


def test_a_column_selection_keeps_the_emotions():
    chosen = baseline.select(splits(useful=True), [1])
    assert chosen["test"].values.shape == (40, 1)
    assert chosen["test"].emotions[0] == "angry"


def test_the_report_has_one_decimal_and_a_row_for_each_variant():
    scores = [baseline.Scores(variant, 2, 1.0, 0.0, 52.64, 50.0) for variant in ("first", "second")]
    rows = baseline.report(scores, {"chance_ua": 50.0, "majority_ua": 50.0, "majority_wa": 75.0}).splitlines()
    assert rows[2:4] == ["| first | 2 | 52.6 | 50.0 |", "| second | 2 | 52.6 | 50.0 |"]
