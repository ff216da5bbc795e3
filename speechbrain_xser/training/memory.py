"""Out of memory: what was in the step, which knob makes it smaller, and a checkpoint to go on from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from speechbrain_xser.errors import TrainingError

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch

TRAIN_KNOB = "a larger --grad_accumulation_factor with a smaller --batch_size (their product is the step)"
VALID_KNOB = 'a smaller --training="{valid_batch_size: ...}"'
CPU_MESSAGE = "can't allocate memory"  # of torch's CPU allocator, which has no error type of its own


@contextmanager
def name_out_of_memory(batch: Batch, save: Callable[[], None] | None = None, knob: str = TRAIN_KNOB) -> Iterator[None]:
    """Turns an allocator's error into one that names the batch and the knob, after saving where the run stood.

    The weights are those of the last whole step, so what is saved is exact. Nothing is caught and gone on from:
    under DDP the other ranks would wait for ever.

    Arguments
    ---------
    batch : Batch
        What was being computed.
    save : callable, optional
        Writes a checkpoint.
    knob : str
        What makes the batch smaller and changes nothing else.

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
    speechbrain_xser.errors.TrainingError: Out of memory with a batch of 2 clips padded to 32000 samples: a, b. Give the
    same command a larger --grad_accumulation_factor with a smaller --batch_size (their product is the step); it goes on
    from the last checkpoint.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError) and CPU_MESSAGE not in str(error):
            raise
        torch.cuda.empty_cache()
        if save is not None:
            save()
        raise TrainingError(_message(batch, knob)) from error


def _message(batch: Batch, knob: str) -> str:
    clips, samples = batch.wavs.shape
    return (
        f"Out of memory with a batch of {clips} clips padded to {samples} samples: {', '.join(batch.ids)}. "
        f"Give the same command {knob}; it goes on from the last checkpoint."
    )
