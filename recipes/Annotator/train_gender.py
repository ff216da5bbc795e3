"""Makes the weights of the annotator's gender estimate from CREMA-D and LibriSpeech; a few minutes on two cores.

    python recipes/Annotator/train_gender.py --corpora corpora --out speechbrain_xser/annotator/gender.json

``corpora`` holds ``cremad/manifest.csv`` and ``librispeech/manifest.csv`` with the columns path, speaker and gender,
optionally ``gender_heard``, which counts instead where it is filled (LibriSpeech lists two speakers wrongly).
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from speechbrain_xser.annotator.gender import CEPSTRA, MINIMUM_LOG_ODDS, gender_features
from speechbrain_xser.annotator.heard import hear
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.files import written_beside
from speechbrain_xser.data.parallel import in_parallel

CORPORA = {"cremad": "CREMA-D, ODbL 1.0", "librispeech": "LibriSpeech, CC BY 4.0"}
PENALTY = 0.1  # inverse strength
# Microphones and rooms shape the spectrum like a voice does. So each clip is heard through COPIES random channels: each
# adds to coefficient k a Gaussian number with a deviation of DEVIATION * exp(-k / DECAY). Both numbers were chosen by
# training on one corpus and testing on the other.
COPIES, DEVIATION, DECAY = 4, 2.0, 12.0


class Voice(NamedTuple):
    """One training clip."""

    path: str
    speaker: str
    gender: str


def voices(folder: Path) -> list[Voice]:
    """The clips of a corpus whose gender is known."""
    with open(folder / "manifest.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [
        Voice(str(folder / row["path"]), f"{folder.name}-{row['speaker']}", row.get("gender_heard") or row["gender"])
        for row in rows
    ]
    names = {"F": "female", "M": "male"}
    return [clip._replace(gender=names.get(clip.gender, clip.gender)) for clip in found if clip.gender]


def features(clip: Voice) -> np.ndarray | None:
    """The estimate's features of a clip."""
    return gender_features(hear(load_audio(clip.path)))


class Examples(NamedTuple):
    """Clips of some corpora as numbers."""

    features: np.ndarray  # [N, F]
    female: np.ndarray  # [N] bool
    speakers: np.ndarray  # [N] str


def examples(folder: Path) -> Examples:
    """Hears all clips of a corpus whose gender is known and that have voice."""
    clips = voices(folder)
    rows = list(in_parallel(features, clips, f"hearing {folder.name}", len(clips)))
    kept = [(clip, row) for clip, row in zip(clips, rows, strict=True) if row is not None]
    return Examples(
        np.array([row for _, row in kept]),
        np.array([clip.gender == "female" for clip, _ in kept]),
        np.array([clip.speaker for clip, _ in kept]),
    )


def fit(found: Examples) -> Pipeline:
    """A regression over the clips through random channels; a speaker's weight is the root of the number of clips."""
    noise, count = np.random.default_rng(0), np.arange(1, CEPSTRA + 1)
    copies = []
    for _ in range(COPIES):
        heard = found.features.copy()
        heard[:, -CEPSTRA:] += noise.normal(size=(len(heard), CEPSTRA)) * DEVIATION * np.exp(-count / DECAY)
        copies.append(heard)
    clips_of = Counter(found.speakers)
    weights = np.array([clips_of[speaker] ** -0.5 for speaker in found.speakers])
    regression = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), regression).fit(
        np.concatenate(copies),
        np.tile(found.female, COPIES),
        logisticregression__sample_weight=np.tile(weights / weights.mean(), COPIES),
    )


def report(model: Pipeline, found: Examples, name: str) -> None:
    """Prints how often a model is right on clips that it did not train on."""
    odds = model.decision_function(found.features)
    right, told = (odds > 0) == found.female, np.abs(odds) >= MINIMUM_LOG_ODDS
    print(
        f"{name}: {100 * right.mean():.1f} % of all clips, {100 * right[told].mean():.1f} % where estimated "
        f"({100 * told.mean():.1f} % of them)"
    )


def main() -> None:
    """Trains, writes the weights, and prints what each corpus says of the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    found = {name: examples(given.corpora / name) for name in CORPORA}
    for train, test in permutations(CORPORA):
        report(fit(found[train]), found[test], f"trained on {train}, tested on {test}")
    every = Examples(*(np.concatenate(parts) for parts in zip(*found.values(), strict=True)))
    scaler, regression = (step for _, step in fit(every).steps)
    weights = {
        "mean": scaler.mean_.round(5).tolist(),
        "scale": scaler.scale_.round(5).tolist(),
        "weights": regression.coef_[0].round(5).tolist(),
        "bias": round(float(regression.intercept_[0]), 5),
        "corpora": CORPORA,
        "clips": len(every.female),
        "speakers": len(set(every.speakers)),
    }
    with written_beside(given.out) as file:
        json.dump(weights, file, indent=1)


if __name__ == "__main__":
    main()
