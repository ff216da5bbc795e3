"""Makes the weights of the annotator's gender estimate from CREMA-D and LibriSpeech; a few minutes on two cores.

    python recipes/Annotator/train_gender.py --corpora corpora --out speechbrain_xser/annotator/gender.json

``corpora`` holds ``cremad/manifest.csv`` and ``librispeech/manifest.csv`` with the columns path, speaker and gender,
optionally ``gender_heard``, which counts instead where it is filled (LibriSpeech lists two speakers wrongly).
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from speechbrain_xser.annotator.gender import gender_features
from speechbrain_xser.annotator.heard import hear
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.files import written_beside
from speechbrain_xser.data.parallel import in_parallel

CORPORA = {"cremad": "CREMA-D, ODbL 1.0", "librispeech": "LibriSpeech, CC BY 4.0"}
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # inverse strength


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


def main() -> None:
    """Trains and writes the weights; prints what cross-validation over speakers says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    clips = [clip for name in CORPORA for clip in voices(given.corpora / name)]
    found = list(zip(clips, in_parallel(features, clips, "hearing", len(clips)), strict=True))
    kept = [(clip, row) for clip, row in found if row is not None]
    x = np.array([row for _, row in kept])
    y = np.array([clip.gender == "female" for clip, _ in kept])
    groups = np.array([clip.speaker for clip, _ in kept])
    scores = {}
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, class_weight="balanced", max_iter=2000))
        scores[penalty] = (cross_val_predict(model, x, y, groups=groups, cv=GroupKFold(10)) == y).mean()
        print(f"C={penalty:g}: {100 * scores[penalty]:.2f} % of the clips of unheard speakers")
    best = max(scores, key=scores.get)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=best, class_weight="balanced", max_iter=2000))
    scaler, regression = (step for _, step in model.fit(x, y).steps)
    weights = {
        "mean": scaler.mean_.round(5).tolist(),
        "scale": scaler.scale_.round(5).tolist(),
        "weights": regression.coef_[0].round(5).tolist(),
        "bias": round(float(regression.intercept_[0]), 5),
        "corpora": CORPORA,
        "clips": len(kept),
        "speakers": len(set(groups)),
        "penalty": best,
    }
    with written_beside(given.out) as file:
        json.dump(weights, file, indent=1)


if __name__ == "__main__":
    main()
