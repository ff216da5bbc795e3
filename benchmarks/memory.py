"""How many bytes a training step needs at a size, counted on the meta device: no card is needed to know it.

``python -m benchmarks.memory`` prints what the presets of ``hparams/memory`` cost at the paper's size.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import numpy as np

from benchmarks.material import build, utterances
from benchmarks.sizes import PAPER, Size
from speechbrain_xser.stages import SER_STAGE, Stage
from speechbrain_xser.training.step_bytes import StepBytes, step_bytes


def sized_bytes(
    size: Size, clips: int, seconds: float = 4.0, stage: Stage = SER_STAGE, quantization: str | None = None, **options
) -> StepBytes:
    """Bytes of a step of so many clips.

    Arguments
    ---------
    size : Size
        Of the model.
    clips : int
        Of a micro-batch.
    seconds : float
        Of each.
    stage : Stage
        Decides what trains.
    quantization : str, optional
        "4bit" or "8bit": what the weights of the LLM's layers count.
    **options
        For ``LLMDecoder``, e.g. ``checkpointing``.

    Returns
    -------
    StepBytes
    """
    with tempfile.TemporaryDirectory() as folder:
        model = build(size, Path(folder), "meta", **options).train()
    batch = utterances(np.full(clips, seconds), "cpu")
    return step_bytes(model, batch.samples, batch.answers, stage, quantization)


def main() -> None:
    """Prints the bytes of the paper's batch, and of both presets, for the usual and for the longest clips."""
    for name, clips, options in (
        ("8 clips", 8, {}),
        ("24gb_checkpointing, 8 clips", 8, {"checkpointing": True}),
        ("24gb_4bit, 2 clips", 2, {"quantization": "4bit"}),
    ):
        for seconds in (4.0, 30.0):
            found = sized_bytes(PAPER, clips, seconds, **options)
            print(
                f"{name} of {seconds:.0f} s: {found.static / 1e9:.1f} GB + {found.kept / 1e9:.1f} GB kept for the "
                f"backward = {found.total / 1e9:.1f} GB"
            )


if __name__ == "__main__":
    main()
