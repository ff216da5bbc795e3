"""The baseline to beat: logistic regression on prosody functionals, on the recipe's own speaker-independent split.

Two variants, `prosody` (pitch, energy, rate, spectral shape; 43 numbers) and `prosody+mfcc` (26 more). The penalty is
chosen by UA on the validation actors; the test actors are used once. Training uses the training actors only. Reads the
manifests that ``prepare.py`` wrote to ``save_folder``.

    python recipes/CREMA-D/prosody_baseline.py --data_folder=corpora/CREMA-D --save_folder=results/CREMA-D
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import speechbrain_xser  # noqa: F401, checks the versions of the libraries imported below

# isort: split
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.member import sound_digest
from speechbrain_xser.data.prosody import cepstral_functionals, prosody_functionals
from speechbrain_xser.utils.files import moved_into_place

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # inverse strength, LogisticRegression's C
SPLITS = ("train", "valid", "test")
CEPSTRAL = "mfcc"  # prefix of the names of the cepstral functionals


class Features(NamedTuple):
    """Functionals of one split."""

    values: np.ndarray  # [N, F] float32
    emotions: np.ndarray  # [N] str


class Scores(NamedTuple):
    """Results of one variant on the test actors, in percent."""

    variant: str
    features: int  # numbers for each clip
    penalty: float  # chosen on the validation actors
    valid_ua: float  # mean recall over the emotions
    test_ua: float
    test_wa: float  # accuracy


def functionals(utterance: Utterance, data_folder: str) -> dict[str, float]:
    """All functionals of one utterance by name."""
    wav = load_audio(_path(utterance, data_folder))
    return {**prosody_functionals(wav), **cepstral_functionals(wav)}


def _path(utterance: Utterance, data_folder: str) -> str:
    return utterance.wav.replace("{data_root}", str(data_folder))


def extract(manifest: str, data_folder: str, cache_folder: Path) -> tuple[list[str], Features]:
    """Names and values of a split's features, computed once and then read from the cache."""
    cache = cache_folder / f"{Path(manifest).stem}_functionals.npz"
    utterances = read_manifest(manifest)
    ids = np.array([f"{row.id} {sound_digest(_path(row, data_folder))}" for row in utterances])
    if not cache.exists() or not np.array_equal(np.load(cache)["ids"], ids):
        rows = [functionals(utterance, data_folder) for utterance in tqdm(utterances, desc=cache.stem)]
        cache_folder.mkdir(parents=True, exist_ok=True)
        values = np.array([list(row.values()) for row in rows], dtype=np.float32)
        with moved_into_place(cache) as beside, open(beside, "wb") as file:
            np.savez(file, ids=ids, names=np.array(list(rows[0])), values=values)
    stored = np.load(cache)
    emotions = np.array([utterance.emotion for utterance in utterances])
    return stored["names"].tolist(), Features(stored["values"], emotions)


def select(splits: dict[str, Features], columns: list[int]) -> dict[str, Features]:
    """The same splits with some columns only."""
    return {split: features._replace(values=features.values[:, columns]) for split, features in splits.items()}


def classifier(penalty: float, class_weight: str | None) -> Pipeline:
    """Standardised features into a multinomial logistic regression."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, class_weight=class_weight, max_iter=2000))


def score(variant: str, splits: dict[str, Features], class_weight: str | None) -> tuple[Scores, np.ndarray]:
    """Fits a variant with every penalty, keeps the best on validation, and tests it.

    Arguments
    ---------
    variant : str
        Its name.
    splits : dict[str, Features]
        Features of train, valid and test.
    class_weight : str | None
        ``balanced`` weights emotions by their rarity.

    Returns
    -------
    Scores
        Figures in percent.
    numpy.ndarray
        Answers on the test clips, [N] str.
    """
    fits = {penalty: classifier(penalty, class_weight).fit(*splits["train"]) for penalty in PENALTIES}
    valid = {
        penalty: 100 * balanced_accuracy_score(splits["valid"].emotions, fit.predict(splits["valid"].values))
        for penalty, fit in fits.items()
    }
    best = max(valid, key=valid.get)
    answers = fits[best].predict(splits["test"].values)
    references = splits["test"].emotions
    figures = (100 * metric(references, answers) for metric in (balanced_accuracy_score, accuracy_score))
    return Scores(variant, splits["train"].values.shape[1], best, valid[best], *map(float, figures)), answers


def guesses(splits: dict[str, Features]) -> dict[str, float]:
    """Results without listening, in percent: chance, and always the most frequent training emotion."""
    names, counts = np.unique(splits["train"].emotions, return_counts=True)
    majority = names[counts.argmax()]
    hits = splits["test"].emotions == majority
    return {"chance_ua": 100 / len(names), "majority_ua": 100 / len(names), "majority_wa": 100 * float(hits.mean())}


def report(scores: list[Scores], guessed: dict[str, float]) -> str:
    """The figures as a Markdown table."""
    rows = [f"| {s.variant} | {s.features} | {s.test_ua:.1f} | {s.test_wa:.1f} |" for s in scores]
    majority = f"| majority guess | 0 | {guessed['majority_ua']:.1f} | {guessed['majority_wa']:.1f} |"
    return "\n".join(["| features | numbers a clip | UA % | WA % |", "|---|---|---|---|", *rows, majority])


def main(data_folder: str, save_folder: str, cache: str | None, class_weight: str) -> None:
    """Extracts, fits, prints the table and writes ``prosody_baseline.json``."""
    manifests = {split: str(Path(save_folder, f"{split}.jsonl")) for split in SPLITS}
    extracted = {s: extract(path, data_folder, Path(cache or save_folder)) for s, path in manifests.items()}
    names = extracted["train"][0]
    splits = {split: features for split, (_, features) in extracted.items()}
    prosody = [column for column, name in enumerate(names) if not name.startswith(CEPSTRAL)]
    columns = {"prosody": prosody, "prosody+mfcc": list(range(len(names)))}
    weight = None if class_weight == "none" else class_weight
    scored = {variant: score(variant, select(splits, chosen), weight) for variant, chosen in columns.items()}
    scores, guessed = [result for result, _ in scored.values()], guesses(splits)
    emotions = sorted(set(splits["test"].emotions.tolist()))
    summary = {
        "clips": {split: len(features.emotions) for split, features in splits.items()},
        "class_weight": class_weight,
        **guessed,
        "variants": [result._asdict() for result in scores],
        "emotions": emotions,
        "confusion": {
            variant: confusion_matrix(splits["test"].emotions, answers, labels=emotions).tolist()
            for variant, (_, answers) in scored.items()
        },
    }
    Path(save_folder, "prosody_baseline.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(report(scores, guessed))
    print(json.dumps({key: value for key, value in summary.items() if key != "confusion"}))


if __name__ == "__main__":
    torch.set_num_threads(1)  # frames of one clip: more threads only wait for each other
    parser = argparse.ArgumentParser(description="Logistic regression on prosody functionals of CREMA-D.")
    parser.add_argument("--data_folder", required=True, help="holds AudioWAV")
    parser.add_argument("--save_folder", required=True, help="where prepare.py wrote; the figures go there too")
    parser.add_argument("--cache", help="where the functionals are kept; save_folder by default")
    parser.add_argument("--class_weight", choices=("balanced", "none"), default="balanced")
    main(**vars(parser.parse_args()))
