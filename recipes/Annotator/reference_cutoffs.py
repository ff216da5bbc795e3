"""Makes the fixed bounds of low and high from annotated manifests, by SpeechCraft's percentiles over all their clips.

    python recipes/Annotator/reference_cutoffs.py --annotated annotated/cremad annotated/librispeech \
        --source "CREMA-D and LibriSpeech" --out speechbrain_xser/annotator/reference.json

Each folder is one that ``xser annotate`` wrote; genders are read from the manifest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from speechbrain_xser.annotator.annotate import clip_of
from speechbrain_xser.annotator.cutoffs import corpus_cutoffs
from speechbrain_xser.annotator.journal import Journal
from speechbrain_xser.data.files import written_beside
from speechbrain_xser.data.manifest import read_manifest


def main() -> None:
    """Reads measures and genders, and writes the bounds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--annotated", nargs="+", type=Path, required=True)
    parser.add_argument("--data_folder", help="what {data_root} in the manifests stands for")
    parser.add_argument("--language", default="en")
    parser.add_argument("--source", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    clips = []
    for folder in given.annotated:
        with Journal(folder / "measures.jsonl") as journal:
            for row in read_manifest(folder / "manifest.jsonl"):
                clip = clip_of(row, given.data_folder, str(folder), given.language)
                clips += [(journal[clip.key], row.gender)] if clip.key in journal else []
    with written_beside(given.out) as file:
        json.dump(corpus_cutoffs(clips, f"{given.source}; {len(clips)} clips").as_dict(), file, indent=1)


if __name__ == "__main__":
    main()
