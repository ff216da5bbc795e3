"""Skips, counts and reports optimiser steps whose loss or gradient is not finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

from speechbrain.utils.logger import get_logger

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.training.distributed import gather_lists

logger = get_logger(__name__)


class NonfiniteGuard:
    """Counts non-finite steps and ends the training after too many in a row.

    Arguments
    ---------
    patience : int
        How many steps in a row may be skipped.

    Example
    -------
    >>> guard = NonfiniteGuard(patience=1)
    >>> guard.accepts([0.5], [("a",)], gradient_norm=1.0, total=0.5)
    True
    >>> guard.accepts([math.nan, 0.5], [("a", "b"), ("c",)], gradient_norm=math.nan, total=math.nan)
    False
    >>> guard.accepts([0.5], [("d",)], gradient_norm=math.inf, total=0.5)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.TrainingError: 2 steps in a row were not finite (more than 1 allowed); the last had a
    finite loss and the gradient norm inf, with the utterances d. Lower the learning rate, use bf16 or fp32 instead of
    fp16, or remove these utterances; the last checkpoint is intact.
    """

    def __init__(self, patience: int = 3) -> None:
        self.patience = patience
        self.skipped = 0  # in the whole run
        self._in_a_row = 0

    def accepts(
        self, losses: Sequence[float], ids: Sequence[Sequence[str]], gradient_norm: float, total: float
    ) -> bool:
        """Whether the step may be taken; the same on every rank, since ``total`` and the norm are.

        If not, the ranks tell each other their losses, and name the utterances wherever they are.

        Arguments
        ---------
        losses : sequence of float
            This rank's loss of each micro-batch.
        ids : sequence of sequence of str
            The utterances of each micro-batch.
        gradient_norm : float
            Of the gradient that all ranks share; not finite if it is not on any one.
        total : float
            The losses of all ranks together; not finite if any one is not.

        Returns
        -------
        bool

        Raises
        ------
        TrainingError
            After more than ``patience`` steps in a row that were not finite.
        """
        if math.isfinite(total) and math.isfinite(gradient_norm):
            self._in_a_row = 0
            return True
        self.skipped += 1
        self._in_a_row += 1
        of_ranks = gather_lists(list(zip(losses, map(tuple, ids), strict=True)))
        what = _describe(of_ranks, gradient_norm)
        if self._in_a_row > self.patience:
            raise TrainingError(
                f"{self._in_a_row} steps in a row were not finite (more than {self.patience} allowed); the last had "
                f"{what}. Lower the learning rate, use bf16 or fp32 instead of fp16, or remove these utterances; "
                "the last checkpoint is intact."
            )
        logger.warning("Step skipped (%d so far): it had %s.", self.skipped, what)
        return False


def _describe(parts: Sequence[tuple[float, Sequence[str]]], gradient_norm: float) -> str:
    bad = [name for loss, names in parts if not math.isfinite(loss) for name in names]
    if bad:
        return f"a loss that is not finite, with the utterances {', '.join(bad)}"
    names = [name for _, part in parts for name in part]
    return f"a finite loss and the gradient norm {gradient_norm}, with the utterances {', '.join(names)}"
