"""Prints the centres, spreads and weights that ``speechbrain_xser/annotator/emphasis.py`` rounds to fewer digits.

    python -m recipes.Annotator.fit_emphasis --data corpora

``corpora`` contains emodb/ and annotations/emodb/. Only the clips of speakers 03, 08, 09, 10 and 11 are used.
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
    """The parameters that turn cues into a prominence."""

    centres: Cues
    spreads: Cues
    weights: Cues  # scaled so that prominences have a deviation of one


def cues(clip: Labelled) -> np.ndarray:
    """The cues of the words, [W, 4], with word times from eSpeak's reading."""
    words = align(clip.heard, clip.transcript, "de")
    return np.stack(measure(clip.heard, words, reading_of(clip.heard, clip.transcript, "de")), axis=1)


def fit(found: np.ndarray, accented: np.ndarray) -> Fitted:
    """A logistic regression of the accents; a word without pitch counts as if its pitch were the centre."""
    centres, spreads = np.nanmean(found, axis=0), np.nanstd(found, axis=0)
    standard = np.nan_to_num((found - centres) / spreads)
    weights = LogisticRegression().fit(standard, accented).coef_[0]
    weights = weights / (standard @ weights).std()
    return Fitted(*(Cues(*values.round(3).tolist()) for values in (centres, spreads, weights)))


def main() -> None:
    """Fits and prints the parameters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    clips = labelled_clips(data / "emodb", data / "annotations" / "emodb", FITTED_SPEAKERS)
    found, accented = np.concatenate([cues(clip) for clip in clips]), np.concatenate([clip.accented for clip in clips])
    for name, values in fit(found, accented)._asdict().items():
        print(name.upper(), values)


if __name__ == "__main__":
    main()
