"""What a checkpoint of a run holds, and how a run resumes from one or evaluates the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from speechbrain.utils.logger import get_logger
from torch import nn

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.training.checkpoint import (
    CANNOT_HOLD,
    Checkpoint,
    CheckpointStore,
    load_tensors,
)
from speechbrain_xser.training.optimizers import StageOptimizers
from speechbrain_xser.utils.differences import check_tensors, differing_keys
from speechbrain_xser.utils.finite import refuse_not_finite

logger = get_logger(__name__)


class Recovery:
    """Saves and loads a run through a :class:`CheckpointStore`.

    Arguments
    ---------
    store : CheckpointStore
        Where checkpoints lie.
    model : nn.Module
        Not wrapped; its ``state_dict`` holds what it owns and nothing of the frozen backbones.
    base : mapping of str to plain values
        What must be the same for the weights to fit: backbones, vocabulary size.

    Example
    -------
    >>> store = CheckpointStore(getfixture("tmp_path"))
    >>> model = nn.Linear(2, 1)
    >>> _ = Recovery(store, model, {"vocabulary": 10}).save(5, None, {"seed": 1}, {"epoch": 1})
    >>> Recovery(store, nn.Linear(2, 1), {"vocabulary": 12}).resume(None, {"seed": 1})
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ...step-000000005 belongs to another run: vocabulary: checkpoint has 10,
    this run 12. Restore these values, or train into another output folder.
    """

    def __init__(self, store: CheckpointStore, model: nn.Module, base: Mapping[str, Any]) -> None:
        self.store = store
        self.model = model
        self.base = dict(base)

    def save(
        self,
        step: int,
        optimizers: StageOptimizers | None,
        run: Mapping[str, Any],
        state: Mapping[str, Any],
        metrics: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """Writes a checkpoint.

        Arguments
        ---------
        step : int
            Optimiser steps so far.
        optimizers : StageOptimizers, optional
            Whose moments are saved too.
        run : mapping
            What else must be the same for the run to resume: schedule, seed, batches.
        state : mapping
            The position.
        metrics : mapping, optional
            After a validation.
        """
        tensors = {"model": self.model.state_dict()}
        if optimizers is not None:
            tensors["optimizers"] = optimizers.state_tensors()
        return self.store.save(step, tensors, {**state, "base": self.base, "run": dict(run)}, metrics)

    def resume(self, optimizers: StageOptimizers | None, run: Mapping[str, Any]) -> dict[str, Any] | None:
        """Loads the newest checkpoint, completely or not at all.

        Arguments
        ---------
        optimizers : StageOptimizers, optional
            Receive the saved moments.
        run : mapping
            As given to ``save``.

        Returns
        -------
        dict or None
            The state that was given to ``save``, or ``None`` if there is no checkpoint.

        Raises
        ------
        CheckpointError
            If it belongs to another run (lists the differing keys) or its tensors do not fit; or if this run has a
            number that no checkpoint could hold.
        """
        refuse_not_finite({"base": self.base, "run": dict(run)}, CANNOT_HOLD)  # not at the first save, hours later
        checkpoint = self.store.latest()
        if checkpoint is None:
            return None
        _check_same(checkpoint, {**self.base, **run}, ("base", "run"))
        moments = load_tensors(checkpoint, "optimizers") if optimizers is not None else {}
        self._load_model(checkpoint)
        if optimizers is not None:
            _load_moments(checkpoint, optimizers, moments)
        logger.info("Resumed from %s.", checkpoint.folder)
        return checkpoint.state

    def load_best(self, key: str | None = None, highest: bool = True) -> Checkpoint | None:
        """Loads the weights with the best metric, or the newest if none has it (with one warning).

        Returns
        -------
        Checkpoint or None
            ``None`` if there is no checkpoint; the weights then stay as they are.
        """
        best = self.store.best(key, highest)
        checkpoint = best or self.store.latest()
        if checkpoint is None:
            return None
        if best is None:
            name = key or self.store.best_key
            logger.warning("No checkpoint has a finite %s: %s is evaluated.", name, checkpoint.folder)
        _check_same(checkpoint, self.base, ("base",))
        self._load_model(checkpoint)
        return checkpoint

    def _load_model(self, checkpoint: Checkpoint) -> None:
        tensors = load_tensors(checkpoint, "model")
        check_tensors(tensors, self.model.state_dict(), f"{checkpoint.folder}/model.safetensors")
        self.model.load_state_dict(tensors, strict=True)


def _load_moments(checkpoint: Checkpoint, optimizers: StageOptimizers, moments: Mapping[str, torch.Tensor]) -> None:
    try:
        optimizers.load_state_tensors(moments)
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.folder}/optimizers.safetensors does not fit this run's stages: {error}"
        ) from error


def _check_same(checkpoint: Checkpoint, expected: Mapping[str, Any], parts: tuple[str, ...]) -> None:
    found = {key: value for part in parts for key, value in (checkpoint.state.get(part) or {}).items()}
    different = differing_keys(found, expected)
    if different:
        raise CheckpointError(
            f"{checkpoint.folder} belongs to another run: {'; '.join(different)}. "
            "Restore these values, or train into another output folder."
        )
