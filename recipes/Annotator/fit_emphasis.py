"""Prints the centres, spreads and weights that ``speechbrain_xser/annotator/emphasis.py`` has with fewer digits.

    python -m recipes.Annotator.fit_emphasis --data corpora

``corpora`` holds emodb/ and annotations/emodb/. Only the clips of speakers 03, 08, 09, 10 and 11 are looked at.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from recipes.Annotator.accents import FITTED_SPEAKERS, Labelled, labelled_clips
from speechbrain_xser.annotator.alignment import align, reading_of
from speechbrain_xser.annotator.emphasis import Cues, measure


class Fitted(NamedTuple):
    """What makes a prominence of cues."""

    centres: Cues
    spreads: Cues
    weights: Cues  # scaled so that prominences deviate by one


def cues(clip: Labelled) -> np.ndarray:
    """The cues of the words as eSpeak's reading places them, [W, 4]."""
    words = align(clip.heard, clip.transcript, "de")
    return np.stack(measure(clip.heard, words, reading_of(clip.heard, clip.transcript, "de")), axis=1)


def fit(found: np.ndarray, accented: np.ndarray) -> Fitted:
    """A logistic regression of the accents; a word without pitch has its pitch at the centre."""
    centres, spreads = np.nanmean(found, axis=0), np.nanstd(found, axis=0)
    standard = np.nan_to_num((found - centres) / spreads)
    weights = LogisticRegression().fit(standard, accented).coef_[0]
    weights = weights / (standard @ weights).std()
    return Fitted(*(Cues(*values.round(3).tolist()) for values in (centres, spreads, weights)))


def main() -> None:
    """Fits and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    clips = labelled_clips(data / "emodb", data / "annotations" / "emodb", FITTED_SPEAKERS)
    found, accented = np.concatenate([cues(clip) for clip in clips]), np.concatenate([clip.accented for clip in clips])
    for name, values in fit(found, accented)._asdict().items():
        print(name.upper(), values)


if __name__ == "__main__":
    main()
