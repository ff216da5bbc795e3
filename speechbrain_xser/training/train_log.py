"""The log of a training: a line of text an epoch, and the same numbers for TensorBoard, wandb and their like.

The lines are written by SpeechBrain's ``FileTrainLogger``, with numbers that people read. Other loggers get the numbers
as they are, under the stage's name, since the losses of two stages that take turns are two curves. SpeechBrain's
``TensorboardLogger`` counts the points of a curve from the start of its process; here a point lies at its epoch, so a
run that was resumed goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.train_logger import FileTrainLogger, TensorboardLogger, TrainLogger

from speechbrain_xser.utils.files import written_beside

Stats = Mapping[str, Any]  # numbers, or text, by name
SPLITS = ("train", "valid", "test")


class TrainLog(TrainLogger):
    """Writes what an epoch measured to a text file, and hands it to further loggers.

    Only the first of several ranks logs, whatever the loggers are.

    Arguments
    ---------
    save_file : str or Path
        The text file; lines are added at its end.
    loggers : sequence of TrainLogger
        Get the same. If a ``FileTrainLogger`` is among them, its file is written instead of ``save_file``.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train_log.txt"
    >>> TrainLog(path).log_stats({"epoch": 1, "stage": "ser"}, {"loss": 0.25}, {"parsed": 100.0})
    >>> path.read_text()
    'epoch: 1, stage: ser - train loss: 0.2500 - valid parsed: 100.0\\n'
    """

    def __init__(self, save_file: str | Path, loggers: Sequence[TrainLogger] = ()) -> None:
        self.steps_file, self._goes_on = Path(save_file).with_name("steps.jsonl"), False
        texts = [one for one in loggers if isinstance(one, FileTrainLogger)]
        self.texts = texts or [FileTrainLogger(save_file)]
        self.others = [one for one in loggers if one not in texts]

    @main_process_only
    def log_stats(
        self,
        stats_meta: Stats,
        train_stats: Stats | None = None,
        valid_stats: Stats | None = None,
        test_stats: Stats | None = None,
        verbose: bool = True,
    ) -> None:
        """Logs an epoch, or a test.

        Arguments
        ---------
        stats_meta : mapping
            What the line begins with: the epoch, the stage's name, learning rates.
        train_stats, valid_stats, test_stats : mapping, optional
            What was measured, by name.
        verbose : bool
            Whether the line is also shown and written to ``log.txt``.
        """
        given = zip(SPLITS, (train_stats, valid_stats, test_stats), strict=True)
        stats = {split: values for split, values in given if values is not None}
        texts = {f"{split}_stats": _readable(values) for split, values in stats.items()}
        for one in self.texts:
            one.log_stats(_readable(stats_meta), **texts, verbose=verbose)
        stage = next((value for value in stats_meta.values() if isinstance(value, str)), None)
        named = {split: {_under(stage, name): value for name, value in stats[split].items()} for split in stats}
        numbers = {name: value for name, value in stats_meta.items() if not isinstance(value, str)}
        for one in self.others:
            _log(one, numbers, named)

    @main_process_only
    def log_step(self, step: int, values: Stats) -> None:
        """Adds a line to ``steps.jsonl`` beside the text file: what one optimiser step measured.

        The first line of a process replaces those of this step and later ones, to which a killed run had come.

        Example
        -------
        >>> log = TrainLog(getfixture("tmp_path") / "train_log.txt")
        >>> log.log_step(7, {"reward": 0.5}); log.steps_file.read_text()
        '{"step": 7, "reward": 0.5}\\n'
        """
        if not self._goes_on and self.steps_file.is_file():
            self._forget(step)
        self._goes_on = True
        with open(self.steps_file, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def _forget(self, step: int) -> None:
        """Drops the lines of a step and of later ones, and a last line that is not whole."""
        lines = self.steps_file.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] < step]
        with written_beside(self.steps_file) as file:
            file.writelines(kept)


def readable(value: Any) -> Any:
    """A number with the four digits that count; what is no float stays as it is.

    Example
    -------
    >>> [readable(value) for value in (100.0, 14.2857, 0.69315, 0.0, 1234.5, 0.00002, 7)]
    ['100.0', '14.29', '0.6932', '0.000', '1234', '2.00e-05', 7]
    """
    if not isinstance(value, float):
        return value
    if 0 < abs(value) < 0.001:
        return f"{value:.2e}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.4g}".rstrip(".")


def _readable(stats: Stats) -> dict[str, Any]:
    return {name: readable(value) for name, value in stats.items()}


def _under(stage: str | None, name: str) -> str:
    return name if stage is None else f"{stage}/{name}"


def _log(logger: TrainLogger, meta: Stats, stats: Mapping[str, Stats]) -> None:
    """Hands numbers to one logger; TensorBoard's are placed at their epoch and written to the disk at once."""
    board = isinstance(logger, TensorboardLogger)
    if board and "epoch" in meta:
        before = meta["epoch"] - 1
        steps = {split: dict.fromkeys(stats.get(split, ()), before) for split in SPLITS}
        logger.global_step = {**steps, "meta": before}
    logger.log_stats(meta, **{f"{split}_stats": values for split, values in stats.items()})
    if board and logger.writer is not None:
        logger.writer.flush()
