"""Out-of-memory errors name the content of the step and the option that makes it smaller, and leave a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from speechbrain_xser.errors import TrainingError, XserError
from speechbrain_xser.utils.out_of_memory import is_out_of_memory, naming_memory

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch

TRAIN_KNOB = "a larger --grad_accumulation_factor and a smaller --batch_size (their product is the step)"
VALID_KNOB = "a smaller --valid_batch_size"
SMALLER_MODEL = (
    "Smaller batches do not help here: use --memory=24gb_4bit, a smaller LoRA "
    '(--lora="{r: 8, ...}"), or a device with more memory.'
)


@contextmanager
def name_out_of_memory(batch: Batch, save: Callable[[], None] | None = None, knob: str = TRAIN_KNOB) -> Iterator[None]:
    """Turns an allocator's error into one that names the batch and the option, after saving a checkpoint.

    The weights are those of the last whole step, so the checkpoint is exact; for the optimiser's own step, where this
    does not hold, use :func:`name_out_of_memory_of_step`. The error always ends the run: under DDP, the other ranks
    would otherwise wait for ever.

    Arguments
    ---------
    batch : Batch
        What was being computed.
    save : callable, optional
        Writes a checkpoint.
    knob : str
        The option that makes the batch smaller and changes nothing else.

    Raises
    ------
    TrainingError
        For any allocator's error; other errors pass.

    Example
    -------
    >>> from speechbrain_xser.data.pipeline import Batch
    >>> batch = Batch(("a", "b"), torch.zeros(2, 32000), torch.tensor([32000, 16000]), (None, None))
    >>> with name_out_of_memory(batch):
    ...     raise torch.OutOfMemoryError("CUDA out of memory.")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.TrainingError: Out of memory with a batch of 2 clips padded to 32000 samples: a, b. Run the
    same command with a larger --grad_accumulation_factor and a smaller --batch_size (their product is the step); it
    continues from the last checkpoint.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        torch.cuda.empty_cache()
        raise TrainingError(_message(batch, knob) + _saved(save)) from error


@contextmanager
def name_out_of_memory_of_step(stage: str) -> Iterator[None]:
    """The same for the optimiser's step, where weights may be half updated: nothing is saved, older checkpoints stay.

    Arguments
    ---------
    stage : str
        Whose optimiser it is.

    Raises
    ------
    TrainingError
        For any allocator's error; other errors pass.

    Example
    -------
    >>> with name_out_of_memory_of_step("asr"):
    ...     raise torch.OutOfMemoryError("CUDA out of memory.")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.TrainingError: Out of memory while AdamW stepped in stage 'asr'. No checkpoint of this step
    is written; the last one is complete. Smaller batches do not help here: use --memory=24gb_4bit, ...
    """
    remedy = f"No checkpoint of this step is written; the last one is complete. {SMALLER_MODEL}"
    with naming_memory(f"AdamW stepped in stage {stage!r}", remedy, TrainingError):
        yield


def _saved(save: Callable[[], None] | None) -> str:
    """Saves a checkpoint; why there is none, if it cannot be written either."""
    try:
        if save is not None:
            save()
    except XserError as error:
        return f" No checkpoint of this step could be written: {error}"
    return ""


def _message(batch: Batch, knob: str) -> str:
    clips, samples = batch.wavs.shape
    return (
        f"Out of memory with a batch of {clips} clips padded to {samples} samples: {', '.join(batch.ids)}. "
        f"Run the same command with {knob}; it continues from the last checkpoint."
    )
