"""Checkpoints that survive a kill at any instant, in safetensors and JSON only.

SpeechBrain's ``Checkpointer`` writes its metadata before the parameter files, orders by wall time, and breaks on a
numpy metric or a full disk; it is not used here. A checkpoint is a folder. It is written under a staging name, synced
to the disk and moved into place with one ``os.replace``. Checkpoints are ordered by their optimiser step. If a step is
saved again, the new folder is the next generation of its name; the earlier one stays until the new one is complete. A
checkpoint holds the trained parts (branches, adapters, LoRA), the optimisers' moments and the position, never the
frozen backbones. Nothing in it is ever unpickled. Its JSON has the size and the SHA-256 of each file of tensors: sizes
are checked whenever checkpoints are listed, bytes before a checkpoint is loaded.
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

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from speechbrain.utils.logger import get_logger
from torch import Tensor

from speechbrain_xser.errors import CheckpointError, TrainingError
from speechbrain_xser.utils.checksums import check_checksum, checksums
from speechbrain_xser.utils.files import sync
from speechbrain_xser.utils.finite import refuse_not_finite
from speechbrain_xser.utils.folders import seal
from speechbrain_xser.utils.out_of_memory import naming_memory

logger = get_logger(__name__)

FORMAT = 2
STATE_FILE = "state.json"
STAGING, TRASH = ".staging-", ".trash-"
FILE = re.compile(r"[\w-]+\.safetensors")
CANNOT_HOLD = "A checkpoint"
INTACT = "Older checkpoints are intact; free some {} and run the same command again."
FOLDER = re.compile(r"(?P<name>step-\d{9}(-end)?)(\.(?P<generation>\d+))?")


class Checkpoint(NamedTuple):
    """A complete checkpoint on the disk."""

    folder: Path
    step: int  # optimiser steps before it
    state: dict[str, Any]  # the position, and everything else that is not a tensor
    metrics: dict[str, float | None]  # of the validation before it was saved; None = was not finite
    digests: dict[str, str]  # the SHA-256 of each file of tensors, by name


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
        self._damaged: set[str] = set()  # whose checksums were found to be wrong

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
            If it cannot be written (disk full): names the path and the bytes; older checkpoints are untouched. Or if a
            number of ``state`` is not finite; names it.
        TrainingError
            If memory runs out; older checkpoints are untouched.
        TypeError, ValueError
            If ``state`` holds values that JSON cannot, or a metric is not a number.
        """
        plain = plain_metrics(metrics or {})
        refuse_not_finite(state, CANNOT_HOLD)
        name = f"step-{step:09d}" + ("-end" if plain else "")
        staging = self.folder / (STAGING + name)
        try:
            with naming_memory(f"checkpoint {self.folder / name} was written", INTACT.format("memory"), TrainingError):
                digests = self._write(staging, step, tensors, dict(state), plain)
                place = _next_place(self.folder, name)
                os.replace(staging, place)
                sync(self.folder)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(_cannot_write(staging.parent / name, tensors, error)) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        self.prune()
        return Checkpoint(place, step, dict(state), plain, digests)

    def _write(self, staging: Path, step: int, tensors: Mapping, state: dict, metrics: dict) -> dict[str, str]:
        """Writes a whole checkpoint under a staging name; the checksums of its files."""
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for name, named in tensors.items():
            plain = {key: value.detach().contiguous() for key, value in named.items()}
            save_file(plain, staging / f"{name}.safetensors")
        digests = checksums(staging, sorted(path.name for path in staging.iterdir()))
        files = {name: {"bytes": (staging / name).stat().st_size, "sha256": each} for name, each in digests.items()}
        document = {"format": FORMAT, "step": step, "files": files, "metrics": metrics, "state": state}
        (staging / STATE_FILE).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
        seal(staging)
        return digests

    def list(self) -> list[Checkpoint]:
        """Finds the complete checkpoints by the sizes of their files; an incomplete one is skipped with one warning.

        Returns
        -------
        list of Checkpoint
            Ordered by step; within a step, the end of an epoch comes last. Of a checkpoint that was saved again, only
            the last generation is listed. Empty if there is no folder.

        Raises
        ------
        CheckpointError
            If one has another format, which only another release can read.
        """
        newest = {FOLDER.fullmatch(c.folder.name)["name"]: c for c in self._complete()}
        return [newest[name] for name in sorted(newest)]

    def _complete(self) -> list[Checkpoint]:
        """All readable checkpoints; later generations of a name follow earlier ones."""
        if not self.folder.is_dir():
            return []
        names = {path.name for path in self.folder.iterdir()} - self._damaged
        found = [match for name in names if (match := FOLDER.fullmatch(name))]
        read = (self._read(self.folder / match.string) for match in sorted(found, key=_generation))
        return [checkpoint for checkpoint in read if checkpoint is not None]

    def latest(self) -> Checkpoint | None:
        """The checkpoint with the highest step, whatever the clock says; a damaged one is skipped with one warning.

        Returns
        -------
        Checkpoint or None
            ``None`` where there is none.
        """
        newest = next(reversed(self.list()), None)
        return newest if newest is None or self._is_intact(newest) else self.latest()

    def best(self, key: str | None = None, highest: bool = True, intact: bool = True) -> Checkpoint | None:
        """The checkpoint with the best finite metric; the newest among equals. A damaged one is skipped.

        Arguments
        ---------
        key : str, optional
            Name of the metric; ``best_key`` by default.
        highest : bool
            False: the lowest value is the best.
        intact : bool
            Whether its bytes are read and compared with their checksums.

        Returns
        -------
        Checkpoint or None
            ``None`` if no checkpoint has that metric.
        """
        key = key or self.best_key
        scored = [c for c in self.list() if c.metrics.get(key) is not None]
        best = max(scored, key=lambda c: (c.metrics[key] * (1 if highest else -1), c.step), default=None)
        return self.best(key, highest) if intact and best is not None and not self._is_intact(best) else best

    def prune(self) -> None:
        """Removes all but the newest and the best, and whatever a killed run left half-written or half-removed."""
        best = self.best(intact=False)
        keep = {c.folder for c in self.list()[-self.keep_latest :]} | ({best.folder} if best else set())
        for checkpoint in self._complete():
            if checkpoint.folder not in keep:
                _remove(checkpoint.folder)
        for path in self.folder.iterdir():
            if path.name.startswith((STAGING, TRASH)):
                shutil.rmtree(path, ignore_errors=True)

    def _read(self, folder: Path) -> Checkpoint | None:
        try:
            document = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
            _check_format(folder, document["format"])
            digests = _check_document(folder, document)
            return Checkpoint(folder, document["step"], document["state"], document["metrics"], digests)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._warn(folder, error)
            return None

    def _is_intact(self, checkpoint: Checkpoint) -> bool:
        """Whether all bytes of its tensors are those that were written; if not, it is listed no more."""
        try:
            for name, expected in checkpoint.digests.items():
                check_checksum(checkpoint.folder / name, expected)
        except (CheckpointError, OSError) as error:
            self._damaged.add(checkpoint.folder.name)
            self._warn(checkpoint.folder, error)
            return False
        return True

    def _warn(self, folder: Path, error: Exception) -> None:
        if folder.name not in self._warned:
            self._warned.add(folder.name)
            logger.warning("Checkpoint %s is incomplete and was skipped (%s).", folder, error)


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
    CheckpointError
        If the checkpoint has no such file, or one that is no safetensors.

    Example
    -------
    >>> import torch
    >>> saved = CheckpointStore(getfixture("tmp_path")).save(1, {"model": {"w": torch.ones(2)}}, {"seed": 0})
    >>> load_tensors(saved, "model")
    {'w': tensor([1., 1.])}
    """
    path = checkpoint.folder / f"{name}.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        remedy = "remove its folder to go on from an older checkpoint"
        raise CheckpointError(f"{path} cannot be read ({error}): {remedy}.") from error


def _check_format(folder: Path, found: object) -> None:
    if found != FORMAT:
        raise CheckpointError(
            f"{folder} has format {found!r}, expected {FORMAT}: continue with the release that wrote it, or train into "
            "another output folder."
        )


def _check_document(folder: Path, document: dict) -> dict[str, str]:
    """Checks all but the bytes of the tensors; their checksums."""
    if not isinstance(document["step"], int):
        raise ValueError(f"step {document['step']!r}, expected a whole number")
    for name, file in document["files"].items():
        if not FILE.fullmatch(name):
            raise ValueError(f"unexpected file name {name!r}")
        if (size := (folder / name).stat().st_size) != file["bytes"]:
            raise ValueError(f"{name} has {size} bytes, expected {file['bytes']}")
    plain_metrics(document["metrics"]), dict(document["state"])
    return {name: file["sha256"] for name, file in document["files"].items()}


def _cannot_write(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], error: Exception) -> str:
    needed = sum(value.nbytes for named in tensors.values() for value in named.values())
    parent = folder.parent if folder.parent.is_dir() else Path.cwd()
    return (
        f"Checkpoint {folder} could not be written ({error}): it needs {needed} bytes and the disk has "
        f"{shutil.disk_usage(parent).free} free. {INTACT.format('space')}"
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
