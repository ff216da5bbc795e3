"""What a recipe's ``train_logger`` adds to the text file: SpeechBrain's loggers for TensorBoard and wandb, or others.

A name is the logger with its files in the run's folder. A logger with values of its own is written out, as in every
recipe of SpeechBrain: ``!new:speechbrain.utils.train_logger.TensorboardLogger`` and so on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.train_logger import TensorboardLogger, TrainLogger, WandBLogger

from speechbrain_xser.errors import SettingsError, TrainingError
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.versions import install_hint

RUN_ID = "wandb_run.txt"  # in the run's folder: the run that a resumed training goes on with
PROJECT = "speechbrain_xser"


def check_loggers(choice: Any) -> None:
    """Refuses a ``train_logger`` that cannot be made, before anything is prepared.

    Arguments
    ---------
    choice : object
        ``None``, "tensorboard", "wandb", a logger, a function that makes one, or a list of them.

    Raises
    ------
    SettingsError
        If it is none of these, or its library is missing; names the command that brings the library.

    Example
    -------
    >>> check_loggers(None)
    >>> check_loggers("tensorbord")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: train_logger has 'tensorbord'; expected tensorboard, wandb, null, or a \
logger of its own with !new:.
    """
    for one in _listed(choice):
        if isinstance(one, TrainLogger) or callable(one):
            continue
        if not isinstance(one, str) or one not in NAMED:
            names = ", ".join(NAMED)
            raise SettingsError(f"train_logger has {one!r}; expected {names}, null, or a logger of its own with !new:.")
        if find_spec(one) is None:
            raise SettingsError(f"train_logger has {one!r}, and {one} is missing. Run: {install_hint(one)}")


def make_loggers(choice: Any, folder: str | Path) -> list[TrainLogger]:
    """The loggers that a recipe's ``train_logger`` names.

    Arguments
    ---------
    choice : object
        As :func:`check_loggers` takes it.
    folder : str or Path
        The run's ``output_folder``.

    Returns
    -------
    list of TrainLogger

    Raises
    ------
    SettingsError
        As :func:`check_loggers`.
    TrainingError
        If wandb cannot begin its run.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain.utils.train_logger import FileTrainLogger
    >>> [made] = make_loggers(partial(FileTrainLogger, "log.txt"), "results")
    >>> made.save_file
    'log.txt'
    """
    check_loggers(choice)
    return [_made(one, Path(folder)) for one in _listed(choice)]


def _listed(choice: Any) -> list:
    if choice is None:
        return []
    return list(choice) if isinstance(choice, list | tuple) else [choice]


def _made(one: Any, folder: Path) -> TrainLogger:
    if isinstance(one, TrainLogger):
        return one
    return one() if callable(one) else NAMED[one](folder)


def _tensorboard(folder: Path) -> TensorboardLogger:
    return TensorboardLogger(str(folder / "tensorboard"))


def _wandb(folder: Path) -> WandBLogger:
    """On the main process with a run: SpeechBrain's logger cannot tell an error of the function that begins one."""
    run = _wandb_run(folder) if if_main_process() else None
    return WandBLogger(lambda: run)


def _wandb_run(folder: Path) -> Any:
    """Begins the folder's run, or goes on with it; wandb's own variables (WANDB_MODE, ...) keep their meaning."""
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / RUN_ID).is_file():
        with written_beside(folder / RUN_ID) as file:
            file.write(secrets.token_hex(4))
    place = {"dir": str(folder), "id": (folder / RUN_ID).read_text(encoding="utf-8").strip(), "resume": "allow"}
    names = {"project": os.environ.get("WANDB_PROJECT", PROJECT), "name": os.environ.get("WANDB_NAME", str(folder))}
    try:
        return wandb.init(**place, **names)
    except wandb.Error as error:
        told = " ".join(str(error).split())
        remedy = "Run `wandb login`, or set WANDB_MODE=offline to keep the run on this machine."
        raise TrainingError(f"wandb could not begin a run ({told}). {remedy}") from error


NAMED: dict[str, Callable[[Path], TrainLogger]] = {"tensorboard": _tensorboard, "wandb": _wandb}
