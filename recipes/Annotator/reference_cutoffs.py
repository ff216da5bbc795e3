"""Makes the reference cut-offs and pitch percentiles from annotated manifests, by SpeechCraft's percentiles.

    python -m recipes.Annotator.reference_cutoffs --annotated annotated/cremad annotated/librispeech \
        --data_folders corpora/cremad corpora/librispeech \
        --source "CREMA-D and LibriSpeech" --out speechbrain_xser/annotator/reference.json

Each folder was written by ``xser annotate``; genders come from the manifest. Cut-offs have two decimals.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from speechbrain_xser.annotator.cutoffs import corpus_cutoffs
from speechbrain_xser.annotator.measured_clips import clip_of
from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.annotator.percentile import KEY, percentiles_of
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.journal import Journal


def measured(folder: Path, data_folder: str, language: str) -> Iterator[tuple[Measures, str | None]]:
    """The measures of each clip in a folder, and its speaker's gender."""
    with Journal(folder / "measures.sqlite", Measures) as journal:
        for row in read_manifest(folder / "manifest.jsonl"):
            clip = clip_of(row, data_folder, str(folder), language)
            if clip.key in journal:
                yield journal[clip.key], row.gender


def rounded(values: dict) -> dict:
    """Rounds all numbers to two decimals.

    Example
    -------
    >>> rounded({"pitch_hertz": {"male": (124.888, 214.782)}, "source": "here"})
    {'pitch_hertz': {'male': [124.89, 214.78]}, 'source': 'here'}
    """
    kinds = {dict: rounded, tuple: _numbers, list: _numbers}
    return {name: kinds.get(type(value), lambda same: same)(value) for name, value in values.items()}


def _numbers(row: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in row]


def main() -> None:
    """Reads measures and genders, and writes the cut-offs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--annotated", nargs="+", type=Path, required=True)
    parser.add_argument("--data_folders", nargs="+", required=True, help="what {data_root} in each manifest stands for")
    parser.add_argument("--language", default="en")
    parser.add_argument("--source", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    folders = zip(given.annotated, given.data_folders, strict=True)
    clips = [clip for folder, data in folders for clip in measured(folder, data, given.language)]
    found = corpus_cutoffs(clips, f"{given.source}; {len(clips)} clips, SpeechCraft's percentiles").as_dict()
    found[KEY] = percentiles_of(clips)
    with written_beside(given.out) as file:
        json.dump(rounded(found), file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
