"""Trains the annotator's gender estimate on CREMA-D and LibriSpeech, in about 90 seconds on two cores.

    python -m recipes.Annotator.train_gender --corpora corpora --out speechbrain_xser/annotator/gender.json

``corpora`` contains ``cremad/manifest.csv`` and ``librispeech/manifest.csv``, as ``voices.py`` reads them.
``truths.py`` measures the accuracy.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from recipes.Annotator.voices import Voice, features, listen, voices
from speechbrain_xser.annotator.gender import CEPSTRA
from speechbrain_xser.utils.files import written_beside

CORPORA = {"cremad": "CREMA-D, ODbL 1.0", "librispeech": "LibriSpeech, CC BY 4.0"}
PENALTY = 0.1  # inverse strength
# Microphones and rooms shape the spectrum as a voice does. So each clip is copied through COPIES random channels: each
# adds to coefficient k a Gaussian number with a deviation of DEVIATION * exp(-k / DECAY). Both numbers were chosen by
# training on one corpus and testing on the other.
COPIES, DEVIATION, DECAY = 4, 2.0, 12.0


class Examples(NamedTuple):
    """Clips of some corpora as training examples."""

    features: np.ndarray  # [N, F]
    female: np.ndarray  # [N] bool
    speakers: np.ndarray  # [N] str


def examples(found: list[Voice], heard: list[np.ndarray | None]) -> Examples:
    """The clips that have voice, with their features."""
    kept = [(voice, row) for voice, row in zip(found, heard, strict=True) if row is not None]
    return Examples(
        np.array([row for _, row in kept]),
        np.array([voice.female for voice, _ in kept]),
        np.array([voice.speaker for voice, _ in kept]),
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


def stored(model: Pipeline, found: Examples) -> dict:
    """A model as JSON values, with what it was trained on."""
    scaler, regression = (step for _, step in model.steps)
    return {
        "mean": scaler.mean_.round(5).tolist(),
        "scale": scaler.scale_.round(5).tolist(),
        "weights": regression.coef_[0].round(5).tolist(),
        "bias": round(float(regression.intercept_[0]), 5),
        "corpora": CORPORA,
        "clips": len(found.female),
        "speakers": len(set(found.speakers)),
    }


def main() -> None:
    """Trains and writes the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    clips = [voice for name in CORPORA for voice in voices(given.corpora / name)]
    found = examples(clips, listen(features, clips, "hearing"))
    with written_beside(given.out) as file:
        json.dump(stored(fit(found), found), file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
