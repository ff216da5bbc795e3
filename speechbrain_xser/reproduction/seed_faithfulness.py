"""The faithfulness of a reproduction's models, one for each seed."""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.evidence.faithfulness_scores import Faithfulness, Support, measure_faithfulness
from speechbrain_xser.evidence.knockout import Knockout, Loss
from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
from speechbrain_xser.reproduction.plan import Plan, Run, manifest
from speechbrain_xser.reproduction.result_cache import kept_by_seed


def believe_seeds(plan: Plan, system: str) -> list[Faithfulness]:
    """Measures the faithfulness of each seed's model on its test clips."""

    def made(run: Run, folder: Path) -> dict:
        recognizer = ExplainableEmotionRecognizer.from_hparams(folder)
        return measure_faithfulness(recognizer, str(manifest(plan, run, "test")), plan.data_folder)._asdict()

    return [_read(found) for found in kept_by_seed(plan, system, "faithfulness.json", made)]


def _read(found: dict) -> Faithfulness:
    """Restores a result from JSON."""
    claims = {field: Support(*counts) for field, counts in found["claims"].items()}
    knockouts = (
        Knockout(carrier, {branch: Loss(*values) for branch, values in losses.items()})
        for carrier, losses in found["knockouts"]
    )
    return Faithfulness(claims, tuple(knockouts))
