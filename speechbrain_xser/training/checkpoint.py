"""Checkpoints that survive a kill at any instant, in safetensors and JSON only.

SpeechBrain's ``Checkpointer`` writes its metadata before the parameter files, orders by wall time, and breaks on a
numpy metric or a full disk; it is not used here. A checkpoint is a folder. It is written under a staging name, synced
to the disk and moved into place with one ``os.replace``. Checkpoints are ordered by their optimiser step. If a step is
saved again, the new folder is the next generation of its name; the earlier one stays until the new one is complete. A
checkpoint holds the trained parts (branches, adapters, LoRA), the optimisers' moments and the position, never the
frozen backbones. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from speechbrain.utils.logger import get_logger
from torch import Tensor

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.utils.files import sync

logger = get_logger(__name__)

FORMAT = 1
STATE_FILE = "state.json"
STAGING, TRASH = ".staging-", ".trash-"
FOLDER = re.compile(r"(?P<name>step-\d{9}(-end)?)(\.(?P<generation>\d+))?")


class Checkpoint(NamedTuple):
    """A complete checkpoint on the disk."""

    folder: Path
    step: int  # optimiser steps before it
    state: dict[str, Any]  # the position, and everything else that is not a tensor
    metrics: dict[str, float | None]  # of the validation before it was saved; None = was not finite


def plain_metrics(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Metrics as plain floats, whether they come from numpy, torch or Python; NaN and infinities become ``None``.

    Arguments
    ---------
    metrics : mapping of str to (number, Tensor of one element, or None)
        Metrics by name.

    Returns
    -------
    dict of str to (float or None)
        The same names; JSON can hold the values.

    Raises
    ------
    TypeError, ValueError
        If a value is not a number.

    Example
    -------
    >>> import numpy, torch
    >>> plain_metrics({"ua": numpy.float64(0.5), "wer": torch.tensor(2.0), "loss": float("nan")})
    {'ua': 0.5, 'wer': 2.0, 'loss': None}
    """
    floats = {name: float(value) if value is not None else math.nan for name, value in metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in floats.items()}


class CheckpointStore:
    """Saves, finds and prunes the checkpoints of one run.

    Only the main process may call ``save``; every process may read.

    Arguments
    ---------
    folder : str or Path
        The folder of the checkpoints; created if missing.
    keep_latest : int
        How many of the newest to keep, besides the best.
    best_key : str
        The checkpoint with the highest value of this metric is kept, however old it is.

    Example
    -------
    >>> import torch
    >>> store = CheckpointStore(getfixture("tmp_path"))
    >>> for step, ua in ((1, 0.9), (2, 0.2), (3, float("nan"))):
    ...     _ = store.save(step, {"model": {"w": torch.ones(2)}}, {"seed": 0}, {"ua": ua})
    >>> store.latest().step, store.best("ua").step, [found.step for found in store.list()]
    (3, 1, [1, 3])
    """

    def __init__(self, folder: str | Path, keep_latest: int = 1, best_key: str = "ua") -> None:
        self.folder = Path(folder)
        self.keep_latest = max(1, keep_latest)
        self.best_key = best_key
        self._warned: set[str] = set()

    def save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        metrics: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """Writes one checkpoint, then prunes older ones.

        Arguments
        ---------
        step : int
            Optimiser steps so far; a second checkpoint of the same step replaces the first.
        tensors : mapping of str to mapping of str to Tensor
            One safetensors file for each name.
        state : mapping
            What JSON can hold, e.g. the position.
        metrics : mapping, optional
            Those of a validation, if one has just ended.

        Returns
        -------
        Checkpoint
            What was written, with plain metrics.

        Raises
        ------
        CheckpointError
            If it cannot be written (disk full): names the path and the bytes; older checkpoints are untouched.
        TypeError, ValueError
            If ``state`` holds values that JSON cannot (such as NaN), or a metric is not a number.
        """
        plain = plain_metrics(metrics or {})
        name = f"step-{step:09d}" + ("-end" if plain else "")
        staging = self.folder / (STAGING + name)
        try:
            self._write(staging, step, tensors, dict(state), plain)
            place = _next_place(self.folder, name)
            os.replace(staging, place)
            sync(self.folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise CheckpointError(_cannot_write(staging.parent / name, tensors, error)) from error
        self.prune()
        return Checkpoint(place, step, dict(state), plain)

    def _write(self, staging: Path, step: int, tensors: Mapping, state: dict, metrics: dict) -> None:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for name, named in tensors.items():
            plain = {key: value.detach().contiguous() for key, value in named.items()}
            save_file(plain, staging / f"{name}.safetensors")
        files = {path.name: path.stat().st_size for path in staging.iterdir()}
        document = {"format": FORMAT, "step": step, "files": files, "metrics": metrics, "state": state}
        (staging / STATE_FILE).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
        for path in [*staging.iterdir(), staging]:
            sync(path)

    def list(self) -> list[Checkpoint]:
        """Finds the complete checkpoints; an incomplete one is skipped with one warning.

        Returns
        -------
        list of Checkpoint
            Ordered by step; within a step, the end of an epoch comes last. Of a checkpoint that was saved again, only
            the last generation is listed. Empty if there is no folder.
        """
        newest = {FOLDER.fullmatch(c.folder.name)["name"]: c for c in self._complete()}
        return [newest[name] for name in sorted(newest)]

    def _complete(self) -> list[Checkpoint]:
        """All readable checkpoints; later generations of a name follow earlier ones."""
        if not self.folder.is_dir():
            return []
        found = [match for path in self.folder.iterdir() if (match := FOLDER.fullmatch(path.name))]
        read = (self._read(self.folder / match.string) for match in sorted(found, key=_generation))
        return [checkpoint for checkpoint in read if checkpoint is not None]

    def latest(self) -> Checkpoint | None:
        """The checkpoint with the highest step, whatever the clock says.

        Returns
        -------
        Checkpoint or None
            ``None`` where there is none.
        """
        return next(reversed(self.list()), None)

    def best(self, key: str | None = None, highest: bool = True) -> Checkpoint | None:
        """The checkpoint with the best finite metric; the newest among equals.

        Arguments
        ---------
        key : str, optional
            Name of the metric; ``best_key`` by default.
        highest : bool
            False: the lowest value is the best.

        Returns
        -------
        Checkpoint or None
            ``None`` if no checkpoint has that metric.
        """
        key = key or self.best_key
        scored = [c for c in self.list() if c.metrics.get(key) is not None]
        return max(scored, key=lambda c: (c.metrics[key] * (1 if highest else -1), c.step), default=None)

    def prune(self) -> None:
        """Removes all but the newest and the best, and whatever a killed run left half-written or half-removed."""
        found = self.list()
        keep = {c.folder for c in found[-self.keep_latest :]}
        best = self.best()
        keep |= {best.folder} if best else set()
        for checkpoint in self._complete():
            if checkpoint.folder not in keep:
                _remove(checkpoint.folder)
        for path in self.folder.iterdir():
            if path.name.startswith((STAGING, TRASH)):
                shutil.rmtree(path, ignore_errors=True)

    def _read(self, folder: Path) -> Checkpoint | None:
        try:
            document = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
            _check_document(folder, document)
            return Checkpoint(folder, document["step"], document["state"], document["metrics"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            if folder.name not in self._warned:
                self._warned.add(folder.name)
                logger.warning("Checkpoint %s is incomplete and was skipped (%s).", folder, error)
            return None


def load_tensors(checkpoint: Checkpoint, name: str) -> dict[str, Tensor]:
    """The tensors of one of a checkpoint's safetensors files.

    Arguments
    ---------
    checkpoint : Checkpoint
        As :class:`CheckpointStore` finds it.
    name : str
        Name of the file without ``.safetensors``.

    Returns
    -------
    dict of str to Tensor
        By name, on the CPU.

    Raises
    ------
    FileNotFoundError
        If the checkpoint has no such file.

    Example
    -------
    >>> import torch
    >>> saved = CheckpointStore(getfixture("tmp_path")).save(1, {"model": {"w": torch.ones(2)}}, {"seed": 0})
    >>> load_tensors(saved, "model")
    {'w': tensor([1., 1.])}
    """
    return load_file(checkpoint.folder / f"{name}.safetensors")


def _check_document(folder: Path, document: dict) -> None:
    if document["format"] != FORMAT or not isinstance(document["step"], int):
        raise ValueError(f"format {document['format']!r}, expected {FORMAT}")
    for name, size in document["files"].items():
        if "/" in name or "\\" in name or not name.endswith(".safetensors"):
            raise ValueError(f"unexpected file name {name!r}")
        if (folder / name).stat().st_size != size:
            raise ValueError(f"{name} has {(folder / name).stat().st_size} bytes, expected {size}")
        with safe_open(folder / name, "pt"):
            pass
    plain_metrics(document["metrics"]), dict(document["state"])


def _cannot_write(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], error: Exception) -> str:
    needed = sum(value.nbytes for named in tensors.values() for value in named.values())
    parent = folder.parent if folder.parent.is_dir() else Path.cwd()
    return (
        f"Checkpoint {folder} could not be written ({error}): it needs {needed} bytes and the disk has "
        f"{shutil.disk_usage(parent).free} free. Older checkpoints are intact; free some space and run the same "
        "command again."
    )


def _next_place(folder: Path, name: str) -> Path:
    """The folder of a new checkpoint: its name, or the next generation of it if the name is taken."""
    taken = [found for path in folder.iterdir() if (found := FOLDER.fullmatch(path.name)) and found["name"] == name]
    return folder / (f"{name}.{1 + max(map(_generation, taken))}" if taken else name)


def _generation(found: re.Match) -> int:
    return int(found["generation"] or 0)


def _remove(folder: Path) -> None:
    """Renames first, so that a kill in mid-removal leaves nothing that looks like a checkpoint."""
    trash = folder.with_name(TRASH + folder.name)
    shutil.rmtree(trash, ignore_errors=True)
    os.replace(folder, trash)
    shutil.rmtree(trash, ignore_errors=True)
