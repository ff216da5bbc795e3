"""Measures a trained folder on speech that it has never heard, and prints a table.

    python recipes/Small/table.py results/small/fd_ser_sed_asr/model --data=corpora --out=results/small/table

``corpora`` holds CREMA-D (of which the test actors are taken), RAVDESS and LibriSpeech as ``cremad``, ``ravdess`` and
``librispeech``; with ``--sets=wordnet`` also WordNet's sentences as ``wordnet``, spoken by flite's rms and eSpeak NG's
test variants. Nothing is chosen by these sets. Every clip is judged alone, by the words that the model writes, and
one without a label counts as wrong.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from Small.acted import acted
from Small.domain_sets import drawn
from Small.figures import figures
from Small.prepare import prepare

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.annotator.annotation import annotate
from speechbrain_xser.annotator.measured_clips import clip_of
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.evidence.faithfulness_scores import Support, supports
from speechbrain_xser.inference.evaluation import answers, explain_manifest
from speechbrain_xser.metrics.answers import write_answers
from speechbrain_xser.utils.commandline import one_line_errors

SIX = ("angry", "disgusted", "fearful", "happy", "neutral", "sad")


@click.command()
@click.argument("model")
@click.option("--data", required=True, help="Folder with cremad, ravdess and librispeech.")
@click.option("--out", default="results/small/table", show_default=True, help="Where manifests and answers go.")
@click.option("--clips", type=int, help="Of each set at most; by default all.")
@click.option("--sets", "names", default="cremad,ravdess,librispeech", show_default=True, help="Which sets.")
@one_line_errors()
def main(model: str, data: str, out: str, clips: int | None, names: str) -> None:
    """Prints a table of MODEL, a trained folder."""
    recognizer = ExplainableEmotionRecognizer.from_hparams(model, merge=True)
    folder, rows = Path(out), {}
    for name in names.split(","):
        manifest = SETS[name](Path(data, name), folder / name)
        answered = _answered(recognizer, some(manifest, clips), folder / f"{name}.jsonl")
        rows[name] = figures(*answered)._asdict() | {"supported": _supported(*answered)}
        print(f"{name}: {_shown(rows[name])}", flush=True)
    (folder / "figures.json").write_text(json.dumps(rows, indent=1))


def cremad(data: Path, folder: Path) -> str:
    """CREMA-D's test actors, annotated by the package's bounds."""
    clips = read_manifest(acted(data, folder, variants=0)["test"])
    return _annotated(clips, data, folder)


def ravdess(data: Path, folder: Path) -> str:
    """RAVDESS's clips of the six emotions, calm ones as neutral."""
    found = import_module("RAVDESS.prepare").prepare(data, folder, calm="neutral")
    clips = [clip for path in sorted(set(found.values())) for clip in read_manifest(path)]
    kept = {clip.id: clip for clip in clips if clip.emotion in SIX}
    return _annotated(list(kept.values()), data, folder)


def librispeech(data: Path, folder: Path) -> str:
    """The transcribed clips of LibriSpeech, with the gender that listeners heard."""
    with open(data / "manifest.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["transcript"]]
    folder.mkdir(parents=True, exist_ok=True)
    clips = [_reader(row, data) for row in rows]
    return _annotated(clips, data, folder)


def wordnet(data: Path, folder: Path) -> str:
    """Sentences that training did not have, by voices that it did not hear."""
    return prepare(data, folder, train_clips=1, valid_clips=1, test_clips=100, annotate=True)["test"]


def _reader(row: dict[str, str], data: Path) -> Utterance:
    text = row["transcript"].lower()
    return Utterance(row["id"], str(data / row["path"]), transcript=text, gender=row["gender_heard"] or None)


SETS = {"cremad": cremad, "ravdess": ravdess, "librispeech": librispeech, "wordnet": wordnet}


def _annotated(clips: list[Utterance], data: Path, folder: Path) -> str:
    """A manifest of its own with pitch, volume and speed by the package's bounds."""
    manifest = str(folder / "table.jsonl")
    write_manifest(manifest, (clip._replace(wav=resolve(clip, data.resolve())) for clip in clips))
    annotate({"test": manifest}, folder / "measures.sqlite", cutoffs="reference")
    return manifest


def some(manifest: str, clips: int | None) -> str:
    """A manifest of so many clips at most, beside the whole one."""
    rows = read_manifest(manifest)
    if clips is None or len(rows) <= clips:
        return manifest
    path = manifest.replace(".jsonl", f"-{clips}.jsonl")
    write_manifest(path, drawn(rows, clips))
    return path


def _answered(
    recognizer: ExplainableEmotionRecognizer, manifest: str, path: Path
) -> tuple[Sequence[Utterance], Sequence[Explanation]]:
    utterances, found = explain_manifest(recognizer, manifest)
    write_answers(path, answers(utterances, found))
    return utterances, found


def _supported(utterances: Sequence[Utterance], explanations: Sequence[Explanation]) -> dict[str, float]:
    """Share of the measurable claims that the signal supports, by descriptor and of all, in per cent."""
    found = supports([(clip_of(u, None, ""), e.paragraph) for u, e in zip(utterances, explanations, strict=True)])
    if found:
        found["all"] = Support(*map(sum, zip(*found.values(), strict=True)))
    return {name: support.share for name, support in found.items() if support.share is not None}


def _shown(row: Mapping[str, object]) -> str:
    values = [(name, value) for name, value in row.items() if value is not None]
    return ", ".join(f"{name} {_rounded(value)}" for name, value in values)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: round(part, 1) for name, part in value.items()}
    return round(value, 1) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
