"""The faithfulness of a reproduction's models, one a seed."""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.evidence.faithfulness import CLIPS, Faithfulness, Support, measure_faithfulness
from speechbrain_xser.evidence.knockout import Knockout, Loss
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.reproduction.kept import kept, weights_digest
from speechbrain_xser.reproduction.plan import Plan, Run, manifest


def believe_seeds(plan: Plan, system: str) -> list[Faithfulness]:
    """Measures the model of each seed, of the first fold where there are several, on its test clips.

    Arguments
    ---------
    plan : Plan
        Its folder holds the finished runs.
    system : str
        Which system.

    Returns
    -------
    list of Faithfulness
    """
    return [_found(plan, Run(plan.corpus, system, seed, plan.folds[0])) for seed in plan.seeds]


def _found(plan: Plan, run: Run) -> Faithfulness:
    folder = plan.out / run.name
    found = kept(folder / "faithfulness.json", weights_digest(folder / "model"), lambda: _measured(plan, run, folder))
    claims = {field: Support(*counts) for field, counts in found["claims"].items()}
    return Faithfulness(claims, tuple(_knockout(*values) for values in found["knockouts"]))


def _measured(plan: Plan, run: Run, folder: Path) -> dict:
    recognizer = ExplainableEmotionRecognizer.from_hparams(folder / "model")
    return measure_faithfulness(recognizer, str(manifest(plan, run, "test")), plan.data_folder, CLIPS)._asdict()


def _knockout(carrier: str, losses: dict) -> Knockout:
    return Knockout(carrier, {branch: Loss(*values) for branch, values in losses.items()})
