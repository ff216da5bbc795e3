"""What a checkpoint of a run holds, and how a run resumes from one or evaluates the best.

One rank reads: the one whose disk has the newest checkpoint, or the best. The others get its state and its tensors,
so that machines need no common folder.
"""

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
from speechbrain_xser.training.distributed import from_rank, rank_of_highest, tensors_from_rank
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
    device : str
        Where ranks exchange tensors.

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

    def __init__(self, store: CheckpointStore, model: nn.Module, base: Mapping[str, Any], device: str = "cpu") -> None:
        self.store, self.device = store, device
        self.model = model
        self.base = dict(base)
        self.reference: dict[str, torch.Tensor] = {}  # what a rewarded stage began with, where a run was resumed in one

    def save(
        self,
        step: int,
        optimizers: StageOptimizers | None,
        run: Mapping[str, Any],
        state: Mapping[str, Any],
        metrics: Mapping[str, Any] | None = None,
        reference: Mapping[str, torch.Tensor] | None = None,
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
        reference : mapping of str to Tensor, optional
            The policy that a rewarded stage began with.
        """
        tensors = {"model": self.model.state_dict()}
        if optimizers is not None:
            tensors["optimizers"] = optimizers.state_tensors()
        if reference is not None:
            tensors["reference"] = reference
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
        newest = self.store.latest()
        source = rank_of_highest(() if newest is None else (newest.step, newest.folder.name))
        if source is None:
            return None
        more = () if optimizers is None else ("optimizers",)
        checkpoint, tensors = self._from_rank(source, newest, run, more)
        self.model.load_state_dict(tensors["model"], strict=True)
        if optimizers is not None:
            _load_moments(checkpoint, optimizers, tensors["optimizers"])
        logger.info("Resumed from %s%s.", checkpoint.folder, f" of rank {source}" if source else "")
        self.reference = tensors["reference"]
        return checkpoint.state

    def load_best(self, key: str | None = None, highest: bool = True) -> Checkpoint | None:
        """Loads the weights with the best metric, or the newest if none has it (with one warning).

        Returns
        -------
        Checkpoint or None
            ``None`` if there is no checkpoint; the weights then stay as they are.
        """
        name, sign = key or self.store.best_key, 1 if highest else -1
        best = self.store.best(name, highest)
        newest = self.store.latest() if best is None else None
        without = () if newest is None else (0, newest.step, newest.folder.name)
        source = rank_of_highest(without if best is None else (1, best.metrics[name] * sign, best.step))
        if source is None:
            return None
        checkpoint, tensors = self._from_rank(source, best or newest)
        if checkpoint.metrics.get(name) is None:
            logger.warning("No checkpoint has a finite %s: %s is evaluated.", name, checkpoint.folder)
        self.model.load_state_dict(tensors["model"], strict=True)
        return checkpoint

    def _from_rank(
        self,
        source: int,
        own: Checkpoint | None,
        run: Mapping[str, Any] | None = None,
        more: tuple[str, ...] = (),
    ) -> tuple[Checkpoint, dict[str, dict[str, torch.Tensor]]]:
        """The checkpoint that one rank has found, and its tensors by file, on all ranks; checked where it is read."""
        names = ("model", *more)
        expected, parts = (self.base, ("base",)) if run is None else ({**self.base, **run}, ("base", "run"))
        read: dict[str, dict[str, torch.Tensor]] = {name: {} for name in (*names, "reference")}

        def checked() -> Checkpoint:
            _check_same(own, expected, parts)
            found = names if run is None else _with_reference(own, names)
            read.update({name: load_tensors(own, name) for name in found})
            check_tensors(read["model"], self.model.state_dict(), f"{own.folder}/model.safetensors")
            return own

        checkpoint = from_rank(source, checked)
        return checkpoint, {name: tensors_from_rank(source, each, self.device) for name, each in read.items()}


def _with_reference(checkpoint: Checkpoint, names: tuple[str, ...]) -> tuple[str, ...]:
    """The files to read, and that of the reference where a checkpoint has one."""
    return (*names, *(["reference"] if "reference.safetensors" in checkpoint.digests else []))


def _load_moments(checkpoint: Checkpoint, optimizers: StageOptimizers, moments: Mapping[str, torch.Tensor]) -> None:
    try:
        optimizers.load_state_tensors(moments)
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.folder}/optimizers.safetensors does not fit this run's stages: {error}"
        ) from error


def _check_same(checkpoint: Checkpoint, expected: Mapping[str, Any], parts: tuple[str, ...]) -> None:
    found = {key: value for part in parts for key, value in (checkpoint.state.get(part) or {}).items()}
    if found.get("ranks") == 1:  # earlier releases cut windows for a number of ranks; those of one are the same
        del found["ranks"]
    different = differing_keys(found, expected)
    if different:
        raise CheckpointError(
            f"{checkpoint.folder} belongs to another run: {'; '.join(different)}. "
            "Restore these values, or train into another output folder."
        )
