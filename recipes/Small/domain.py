"""Fits what tells clips like the small model's training speech from others, and prints how well it does.

    python recipes/Small/domain.py results/small/fd_ser_sed_asr/model --data=corpora --out=results/small/domain

``corpora`` holds CREMA-D, LibriSpeech and EmoDB as ``cremad``, ``librispeech`` and ``emodb``. Each set is halved by
speaker, or by seed: one half of each decides weights and thresholds, the rates are of the other halves. It writes
``domain.safetensors`` into the model's folder. Clips are not looked for speech.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from Small.domain_sets import FITTED, REPORTED, Clip, as_recorded, cremad, drawn, inside, outside

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.answer.explanation import IN, OUT
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.evidence.domain_fit import fit_domain
from speechbrain_xser.inference.domain import domains
from speechbrain_xser.lobes.clip_means import ClipMeans
from speechbrain_xser.model_folder.domain_reference import DomainReference, write_domain
from speechbrain_xser.stages import STAGES, VOICE
from speechbrain_xser.utils.commandline import one_line_errors

TRAINING_CLIPS = 1500


class Rates(NamedTuple):
    """Shares of the clips of a set, of the half that decided nothing."""

    clips: int
    suspected: float  # doubtful or out, in per cent
    out: float  # in per cent


@click.command()
@click.argument("model")
@click.option("--data", required=True, help="Folder with cremad, librispeech and emodb.")
@click.option("--out", default="results/small/domain", show_default=True, help="Where the rates go.")
@click.option("--clips", type=click.IntRange(min=2), help="Of each corpus at most, half of them reported.")
@one_line_errors()
def main(model: str, data: str, out: str, clips: int | None) -> None:
    """Fits the domain of MODEL, a trained folder, and prints a table."""
    recognizer = ExplainableEmotionRecognizer.from_hparams(model)
    reference, rates = fitted(recognizer, Path(data), clips)
    write_domain(model, reference)
    Path(out).mkdir(parents=True, exist_ok=True)
    Path(out, "rates.json").write_text(json.dumps({name: row._asdict() for name, row in rates.items()}, indent=1))
    print(table(rates, reference))


def fitted(
    recognizer: ExplainableEmotionRecognizer, data: Path, limit: int | None
) -> tuple[DomainReference, dict[str, Rates]]:
    """A model's domain, and the rates of each set on its reported half, those in the domain first."""
    sources = inside(data, limit)
    others = outside(data, list(chain(*sources.values())), limit)
    own = {name: measured(recognizer, as_recorded(some), name) for name, some in sources.items()}
    foreign = {name: measured(recognizer, make(), name) for name, make in others.items()}
    reference = fit_domain(
        heard_in_training(recognizer, data / "cremad"),
        *([halves[FITTED] for halves in sets.values()] for sets in (own, foreign)),
    )
    return reference, {name: rated(halves[REPORTED], reference) for name, halves in (own | foreign).items()}


def heard_in_training(recognizer: ExplainableEmotionRecognizer, cremad_folder: Path) -> ClipMeans:
    """Some clips of the training actors, through the descriptor branch alone."""
    stage = STAGES[recognizer.hparams.stage]
    alone = stage._replace(branches={VOICE: stage.mode(VOICE)})
    clips = drawn(cremad(cremad_folder, "train"), TRAINING_CLIPS)
    return ClipMeans.joined([recognizer.clip_means([load_audio(clip.wav)], stage=alone) for clip in clips])


def measured(recognizer: ExplainableEmotionRecognizer, clips: Iterable[Clip], name: str) -> list[ClipMeans]:
    """The means of a set's clips by half; longer ones than the model takes are cut."""
    print(f"measuring {name}", file=sys.stderr, flush=True)
    longest = int(recognizer.hparams.max_seconds * recognizer.mods.model.encoder.sample_rate)
    found: list[list[ClipMeans]] = [[], []]
    for clip in clips:
        found[clip.half].append(recognizer.clip_means([clip.wave[:longest]]))
    return list(map(ClipMeans.joined, found))


def rated(clips: ClipMeans, reference: DomainReference) -> Rates:
    """How many clips are said to be doubtful or out."""
    found = domains(clips, reference)
    shares = [100 * sum(which) / len(found) for which in ([one != IN for one in found], [one == OUT for one in found])]
    return Rates(len(found), *shares)


def table(rates: dict[str, Rates], reference: DomainReference) -> str:
    """Rates, weights and thresholds as Markdown."""
    lines = ["| set | clips | doubtful or out, % | out, % |", "|---|---|---|---|"]
    lines += [f"| {name} | {row.clips} | {row.suspected:.1f} | {row.out:.1f} |" for name, row in rates.items()]
    lines += ["", "| measure | mean in the domain | spread | weight |", "|---|---|---|---|"]
    columns = (reference.measures, reference.centre.tolist(), reference.spread.tolist(), reference.weights.tolist())
    lines += ["| {} | {:.3g} | {:.3g} | {:+.2f} |".format(*row) for row in zip(*columns, strict=True)]
    doubtful, out = reference.thresholds
    lines += ["", f"Probability of being out of the domain: doubtful above {doubtful:.3f}, out above {out:.3f}."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
