"""How a model answers clips that were recorded less well.

    python recipes/Small/robustness.py small --table=results/small/table --out=results/small/robustness

Run table.py first: its manifests name the clips. A clip's id is the seed of its noise and its room.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import soundfile
import torch
from Small.codecs import SAMPLE_RATE, coded
from Small.conditions import seeded, within_full_scale
from Small.domain_sets import drawn
from Small.figures import figures
from Small.noise import pink, with_noise
from Small.room import impulse_response, in_room
from torch import Tensor

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.answer.explanation import DOUBTFUL, OUT
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.inference.evaluation import explain_manifest
from speechbrain_xser.utils.commandline import one_line_errors


def noisy(snr_decibels: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """What adds pink noise at a signal-to-noise ratio."""
    return lambda wave, generator: with_noise(wave, pink(len(wave), generator), snr_decibels)


CONDITIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "as recorded": lambda wave, generator: wave,
    "noise, 20 dB": noisy(20.0),
    "noise, 10 dB": noisy(10.0),
    "noise, 0 dB": noisy(0.0),
    "room, RT60 0.5 s": lambda wave, generator: in_room(wave, impulse_response(0.5, 0.0, generator)),
    "GSM": lambda wave, generator: coded(wave, "GSM"),
    "Opus, 6 kbit/s": lambda wave, generator: coded(wave, "Opus"),
}


class Row(NamedTuple):
    """One set of clips in one condition; in per cent, None where the set has no such label."""

    clips: int
    ua: float | None
    wer: float | None
    suspected: float  # doubtful or out of the domain
    out: float


@click.command()
@click.argument("model")
@click.option("--table", default="results/small/table", show_default=True, help="Output of table.py for MODEL.")
@click.option("--out", default="results/small/robustness", show_default=True, help="Where clips and answers go.")
@click.option("--clips", type=int, default=60, show_default=True, help="Of each set at most.")
@click.option("--sets", "names", default="cremad,librispeech", show_default=True, help="Which sets.")
@one_line_errors()
def main(model: str, table: str, out: str, clips: int, names: str) -> None:
    """Prints how MODEL, a trained folder, answers in each condition."""
    recognizer, rows = ExplainableEmotionRecognizer.from_hparams(model, merge=True), {}
    for name in names.split(","):
        found = read_manifest(Path(table, name, "table.jsonl"))
        some = drawn(found, clips)
        for condition in CONDITIONS:
            row = in_condition(recognizer, some, condition, Path(out, name))
            rows[f"{name}, {condition}"] = row
            print(shown(f"{name}, {condition}", row), flush=True)
    Path(out, "figures.json").write_text(json.dumps({name: row._asdict() for name, row in rows.items()}, indent=1))


def in_condition(
    recognizer: ExplainableEmotionRecognizer, clips: Sequence[Utterance], condition: str, folder: Path
) -> Row:
    """Explains clips that were changed; the changed clips stay in the folder."""
    place = folder / condition.replace(", ", "-").replace(" ", "-").replace("/", "")
    rows, manifest = list(changed(clips, condition, place)), str(place / "clips.jsonl")
    write_manifest(manifest, rows)
    utterances, explanations = explain_manifest(recognizer, manifest)
    found, domains = figures(utterances, explanations), [one.domain for one in explanations]
    doubtful, out = (100 * domains.count(which) / len(domains) for which in (DOUBTFUL, OUT))
    return Row(len(utterances), found.ua, found.wer, doubtful + out, out)


def changed(clips: Sequence[Utterance], condition: str, folder: Path) -> Iterator[Utterance]:
    """Writes clips as they sound in a condition, not above full scale; a clip's own id is the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, clip in enumerate(clips):
        wave = CONDITIONS[condition](load_audio(clip.wav, clip.start, clip.stop), seeded(clip.id))
        path = folder.resolve() / f"{number}.flac"
        soundfile.write(path, within_full_scale(wave).numpy(), SAMPLE_RATE)
        yield clip._replace(wav=str(path), start=None, stop=None, duration=len(wave) / SAMPLE_RATE)


def shown(name: str, row: Row) -> str:
    """A row as text."""
    numbers = ("-" if value is None else f"{value:.1f}" for value in row[1:])
    return f"{name}: {row.clips} clips, UA {{}}, WER {{}}, suspected {{}}, out {{}}".format(*numbers)


if __name__ == "__main__":
    main()
