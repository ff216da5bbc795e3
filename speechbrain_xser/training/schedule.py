"""Which stage trains at which optimiser step: a pure function of the step, so that a resumed run needs no counter.

``alternating`` goes 1, 2, 1, 2, ... epoch by epoch (or every N optimiser steps), ``two_stage`` 1, 1, ..., 2, 2, ...
and ``one_stage`` stage 2 only (paper, Table 3). A step is one optimiser step, even if it is skipped as non-finite.
"""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.stages import STAGES, Stage

ORDERS = ("alternating", "two_stage", "one_stage")


class Turn(NamedTuple):
    """Where a step lies: its stage, and how far that stage has come.

    Example
    -------
    >>> turn = StageSchedule("two_stage", 1).turn(9, steps_per_epoch=10)  # the last step of the first stage
    >>> turn.stage_step + 1 == turn.stage_steps
    True
    """

    stage: Stage
    stage_step: int  # steps of this stage before this one
    stage_steps: int  # steps of this stage in the whole run


class StageSchedule:
    """Orders the stages of a run.

    Arguments
    ---------
    order : str
        ``alternating``, ``two_stage`` or ``one_stage``.
    epochs_per_stage : int
        Epochs of each stage; ``one_stage`` has that many epochs in all.
    steps_per_turn : int, optional
        With ``alternating``: change the stage every that many optimiser steps instead of every epoch.
    stages : tuple of str
        Names in ``STAGES``, first and second; ``one_stage`` uses the last only.

    Raises
    ------
    SettingsError
        If the order or a stage is unknown, or a number is below 1.

    Example
    -------
    >>> [stage.name for stage in StageSchedule("alternating", 2).stages_by_epoch()]
    ['asr', 'ser', 'asr', 'ser']
    >>> [stage.name for stage in StageSchedule("two_stage", 2).stages_by_epoch()]
    ['asr', 'asr', 'ser', 'ser']
    >>> [stage.name for stage in StageSchedule("one_stage", 2).stages_by_epoch()]
    ['ser', 'ser']
    >>> by_steps = StageSchedule("alternating", 1, steps_per_turn=3)
    >>> [by_steps.turn(step, steps_per_epoch=4).stage.name for step in range(8)]
    ['asr', 'asr', 'asr', 'ser', 'ser', 'ser', 'asr', 'asr']
    """

    def __init__(
        self,
        order: str = "alternating",
        epochs_per_stage: int = 4,
        steps_per_turn: int | None = None,
        stages: tuple[str, ...] = ("asr", "ser"),
    ) -> None:
        _check(order, epochs_per_stage, steps_per_turn, stages)
        self.order = order
        self.epochs_per_stage = epochs_per_stage
        self.steps_per_turn = steps_per_turn
        chosen = [STAGES[name] for name in stages]
        self.stages = tuple(chosen[-1:] if order == "one_stage" else chosen)

    @property
    def epochs(self) -> int:
        """Epochs of the whole run.

        Returns
        -------
        int
            Epochs of a stage times the number of stages.

        Example
        -------
        >>> StageSchedule("alternating", 4).epochs, StageSchedule("one_stage", 4).epochs
        (8, 4)
        """
        return self.epochs_per_stage * len(self.stages)

    def stages_by_epoch(self) -> list[Stage]:
        """The stage of each epoch; when turns are counted in steps, the stage that the epoch is validated in.

        Returns
        -------
        list of Stage
            One for each epoch.
        """
        if self.steps_per_turn is not None:
            return [self.stages[-1]] * self.epochs
        if self.order == "alternating":
            return list(self.stages) * self.epochs_per_stage
        return [stage for stage in self.stages for _ in range(self.epochs_per_stage)]

    def is_nth(self, epoch: int | None, every: int) -> bool:
        """Whether an epoch (from 1) is an n-th epoch of its stage, or its last; true if no epoch is given.

        Arguments
        ---------
        epoch : int or None
            Counted over the whole run from 1.
        every : int
            The n, at least 1.

        Returns
        -------
        bool
            True at each n-th epoch of its stage and at its last.

        Example
        -------
        >>> two_stage = StageSchedule("two_stage", 3)
        >>> [two_stage.is_nth(epoch, every=2) for epoch in range(1, 7)]
        [False, True, True, False, True, True]
        """
        if epoch is None:
            return True
        stages = self.stages_by_epoch()
        same = [number for number, stage in enumerate(stages, start=1) if stage == stages[epoch - 1]]
        return (same.index(epoch) + 1) % every == 0 or epoch == same[-1]

    def stage_at(self, step: int, steps_per_epoch: int) -> Stage:
        """The stage of a step.

        Arguments
        ---------
        step : int
            Optimiser step, counted over the whole run from 0.
        steps_per_epoch : int
            Optimiser steps of an epoch.

        Returns
        -------
        Stage
            The one that trains.

        Raises
        ------
        IndexError
            If turns are epochs and the step is after the last.

        Example
        -------
        >>> two_stage = StageSchedule("two_stage", 1)
        >>> [two_stage.stage_at(step, steps_per_epoch=10).name for step in (9, 10)]
        ['asr', 'ser']
        """
        if self.steps_per_turn is not None:
            return self.stages[step // self.steps_per_turn % len(self.stages)]
        return self.stages_by_epoch()[step // steps_per_epoch]

    def turn(self, step: int, steps_per_epoch: int) -> Turn:
        """The stage of a step, that stage's own step count, and its steps in all.

        Arguments
        ---------
        step : int
            Optimiser step, counted over the whole run from 0.
        steps_per_epoch : int
            Optimiser steps of an epoch.

        Returns
        -------
        Turn
            The stage, its steps before this one, and its steps in the whole run.

        Raises
        ------
        IndexError
            As :meth:`stage_at`.

        Example
        -------
        >>> turn = StageSchedule("alternating", 2).turn(21, steps_per_epoch=10)
        >>> turn.stage.name, turn.stage_step, turn.stage_steps  # the second epoch of stage 1
        ('asr', 11, 20)
        """
        stage = self.stage_at(step, steps_per_epoch)
        before = self._count(stage, step, steps_per_epoch)
        return Turn(stage, before, self._count(stage, self.epochs * steps_per_epoch, steps_per_epoch))

    def last_turns(self, step: int, steps_per_epoch: int) -> list[Turn]:
        """The turn of each stage's last step before a step; a stage that has not begun has none.

        Arguments
        ---------
        step : int
            Optimiser step, counted over the whole run from 0.
        steps_per_epoch : int
            Optimiser steps of an epoch.

        Returns
        -------
        list of Turn
            In the order of the stages.

        Example
        -------
        >>> alternating = StageSchedule("alternating", 2)
        >>> [(turn.stage.name, turn.stage_step) for turn in alternating.last_turns(10, steps_per_epoch=10)]
        [('asr', 9)]
        >>> [(turn.stage.name, turn.stage_step) for turn in alternating.last_turns(25, steps_per_epoch=10)]
        [('asr', 14), ('ser', 9)]
        """
        steps = self.epochs * steps_per_epoch
        stages = {stage.name: stage for stage in self.stages}.values()
        done = [(stage, self._count(stage, step, steps_per_epoch)) for stage in stages]
        return [Turn(stage, count - 1, self._count(stage, steps, steps_per_epoch)) for stage, count in done if count]

    def _count(self, stage: Stage, stop: int, steps_per_epoch: int) -> int:
        """Steps of a stage among the first ``stop`` steps."""
        length, turns = self.steps_per_turn, self.stages
        if length is None:
            length, turns = steps_per_epoch, self.stages_by_epoch()
        rounds, rest = divmod(stop, length * len(turns))
        places = [place for place, other in enumerate(turns) if other.name == stage.name]
        return rounds * length * len(places) + sum(min(max(rest - place * length, 0), length) for place in places)

    def describe(self) -> dict[str, str | int | None]:
        """What a checkpoint records about the schedule.

        Returns
        -------
        dict
            Plain values: order, stages, epochs, steps_per_turn.

        Example
        -------
        >>> StageSchedule("one_stage", 2).describe()
        {'order': 'one_stage', 'stages': 'ser', 'epochs': 2, 'steps_per_turn': None}
        """
        names = ",".join(stage.name for stage in self.stages)
        return {"order": self.order, "stages": names, "epochs": self.epochs, "steps_per_turn": self.steps_per_turn}


def _check(order: str, epochs_per_stage: int, steps_per_turn: int | None, stages: tuple[str, ...]) -> None:
    if order not in ORDERS:
        raise SettingsError(f"Unknown order of stages {order!r}: use one of {', '.join(ORDERS)}.")
    unknown = [name for name in stages if name not in STAGES]
    if unknown or not stages:
        raise SettingsError(f"Unknown stages {unknown}: use {', '.join(STAGES)}.")
    if order != "one_stage" and (starts := [name for name in stages if STAGES[name].start is not None]):
        raise SettingsError(
            f"The stage {starts[0]!r} is a start, which is a run of its own: give it the order 'one_stage', and begin "
            "the next run with its folder (start_from)."
        )
    if order == "alternating" and (sampled := [name for name in stages if STAGES[name].rewarded]):
        raise SettingsError(
            f"The stage {sampled[0]!r} goes on from what the others have taught and keeps close to it: give it the "
            "order 'two_stage', or 'one_stage' with a trained folder to begin with (start_from)."
        )
    if epochs_per_stage < 1 or (steps_per_turn is not None and steps_per_turn < 1):
        raise SettingsError(
            f"epochs_per_stage={epochs_per_stage} and steps_per_turn={steps_per_turn} must be at least 1 (or null)."
        )
    if steps_per_turn is not None and order != "alternating":
        raise SettingsError(f"steps_per_turn={steps_per_turn} needs the order 'alternating', not {order!r}.")
