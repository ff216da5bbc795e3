"""Every value of a training run, with the paper's as defaults; a YAML lists values and this decides what they build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from speechbrain_xser.training.criterion import Criterion
from speechbrain_xser.training.optimizers import LearningRate
from speechbrain_xser.training.schedule import StageSchedule

RUN_OPTIONS = {"max_grad_norm": 1.0, "ckpt_interval_minutes": 15}  # SpeechBrain's own, with our defaults


@dataclass(frozen=True)
class TrainingSettings:
    """The keys of ``hparams/training.yaml``; SpeechBrain's run options (precision, ...) are beside them.

    Example
    -------
    >>> settings = TrainingSettings.from_hparams({"beta": "1e-2", "order": "two_stage", "output_folder": "elsewhere"})
    >>> settings.beta, settings.schedule().epochs, settings.rates()["ser"].shape
    (0.01, 8, 'cosine')
    """

    seed: int = 1986
    order: str = "alternating"  # or two_stage, one_stage
    stages: tuple[str, ...] = ("asr", "ser")  # names in the stage table
    epochs_per_stage: int = 4
    steps_per_turn: int | None = None  # alternate every so many steps instead of every epoch
    batch_size: int = 8  # utterances of a micro-batch; times grad_accumulation_factor is one optimiser step
    pool_windows: int = 50  # batches that are sorted by length together; 0 for none
    stage1_learning_rate: float = 2e-4
    stage1_rate_shape: str = "constant"
    stage2_learning_rate: float = 2e-5
    stage2_rate_shape: str = "cosine"
    warmup_fraction: float = 0.03  # of a stage's steps
    weight_decay: float = 0.0
    beta: float = 1e-3  # weight of the KL
    beta_warmup_fraction: float = 0.5  # of a stage's steps
    max_seconds: float = 30.0
    max_unreadable: float = 0.01  # share of clips that may be unreadable
    num_workers: int = 2
    pin_memory: bool = True  # where there is a GPU
    valid_batch_size: int = 8
    valid_search_every: int = 1  # epochs of a stage between validations that generate answers
    search_limit: int | None = None  # utterances that a validation answers, on each rank
    keep_latest: int = 1  # checkpoints, besides the best

    @classmethod
    def from_hparams(cls, hparams: Mapping[str, Any]) -> TrainingSettings:
        """Picks the keys that there are; numbers that YAML read as text (``2e-4``) become numbers."""
        found = {field.name: hparams[field.name] for field in fields(cls) if field.name in hparams}
        floats = {field.name for field in fields(cls) if isinstance(field.default, float)}
        return cls(**{name: float(value) if name in floats else value for name, value in found.items()})

    def schedule(self) -> StageSchedule:
        """Which stage trains when."""
        return StageSchedule(self.order, self.epochs_per_stage, self.steps_per_turn, tuple(self.stages))

    def criterion(self) -> Criterion:
        """The loss."""
        return Criterion(self.beta, self.beta_warmup_fraction)

    def rates(self) -> dict[str, LearningRate]:
        """A learning rate for each stage, by name; a single stage has the second's."""
        first = LearningRate(self.stage1_learning_rate, self.stage1_rate_shape, self.warmup_fraction)
        second = LearningRate(self.stage2_learning_rate, self.stage2_rate_shape, self.warmup_fraction)
        return {self.stages[0]: first, self.stages[-1]: second}
