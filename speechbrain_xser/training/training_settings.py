"""Every value of a training run, with the paper's as defaults; a YAML lists values and this decides what they build."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.training.criterion import Criterion, Objective
from speechbrain_xser.training.optimizers import LearningRate
from speechbrain_xser.training.policy import PolicyLoss
from speechbrain_xser.training.rewards import RewardWeights
from speechbrain_xser.training.schedule import StageSchedule

RUN_OPTIONS = {"max_grad_norm": 1.0, "ckpt_interval_minutes": 15}  # SpeechBrain's own, with our defaults
RATE_FIELDS = {"peak": "float", "shape": "str", "warmup_fraction": "float"}
LEAST = {
    "epochs_a_pass": 1,
    "batch_size": 1,
    "valid_batch_size": 1,
    "valid_search_every": 1,
    "open_tars": 1,
    "num_workers": 0,
    "max_seconds": 0.1,
}


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
    steps_per_turn: int | None = None  # alternate every N steps instead of every epoch
    epochs_a_pass: int = 1  # that a pass over the clips is divided into
    batch_size: int = 8  # utterances of a micro-batch on all ranks; times grad_accumulation_factor is one step
    batch_tokens: int | None = None  # the decoder's tokens of the same, about, instead of batch_size utterances
    pool_windows: int = 50  # batches that are sorted by work together; 0 for none
    open_tars: int | None = None  # tars that packed clips stream from at a time; None: full shuffle
    stage1_learning_rate: float = 2e-4
    stage1_rate_shape: str = "constant"
    stage2_learning_rate: float = 2e-5
    stage2_rate_shape: str = "cosine"
    stage_rates: Mapping[str, Mapping[str, Any]] | None = None  # by stage, over these: peak, shape, warmup_fraction
    warmup_fraction: float = 0.03  # of a stage's steps
    weight_decay: float = 0.0
    beta: float = 1e-3  # weight of the KL
    beta_warmup_fraction: float = 0.5  # of a stage's steps
    objectives: Mapping[str, Objective] | None = None  # further terms of the loss, by name
    answers_per_clip: int = 4  # sampled and compared in a stage that is rewarded
    updates_per_sample: int = 1  # optimiser steps on the same sampled answers
    credit_discount: float = 0.0  # of what is settled in an answer after a token's own word or claim
    clip_range: float = 0.2  # how far a token's probability may move from what was sampled, as a ratio
    reference_weight: float = 0.05  # of the distance from the policy that the stage began with
    reward_supported: float = 1.0
    reward_contradicted: float = 1.0
    reward_emotion: float = 1.0
    reward_words: float = 1.0
    reward_malformed: float = 1.0
    reward_looping: float = 1.0
    ratings: str | None = None  # ratings.jsonl of the corpus: emotions are graded by the raters' votes
    language: str = "en"  # of the transcripts: words and speed are rewarded by its rules
    max_seconds: float = 30.0
    max_unreadable: float = 0.01  # share of clips that may be unreadable
    start_from: str | None = None  # a trained folder to begin with
    new_branches: tuple[str, ...] = ()  # branches that do not begin with that folder's weights
    start_lora: str | None = None  # a trained folder whose LoRA is taken instead
    feature_cache: str | None = None  # a folder where the frozen encoder's layers are kept
    shard: bool = False  # whether ranks divide the LLM's frozen weights
    gradient_dtype: str = "float32"  # in which ranks exchange gradients; or "bfloat16"
    deterministic: bool = False  # the same bits on a GPU too
    num_workers: int = 2
    pin_memory: bool = True  # where there is a GPU
    valid_batch_size: int | None = None  # 32 on a GPU of 40 GB or more, else 8
    valid_search_every: int = 1  # epochs of a stage between validations that generate answers
    search_limit: int | None = None  # utterances that a validation answers, on each rank
    keep_latest: int = 1  # checkpoints, besides the best

    @classmethod
    def from_hparams(cls, hparams: Mapping[str, Any]) -> TrainingSettings:
        """Picks the known keys; numbers that YAML reads as text (``2e-4``) become numbers.

        Arguments
        ---------
        hparams : mapping of str to any
            Values by name; other keys are ignored.

        Returns
        -------
        TrainingSettings
            With defaults for the keys that are missing.

        Raises
        ------
        SettingsError
            If a value is too small, or is not a number where one is expected; names the key.
        """
        found = {f.name: _typed(f.name, f.type, hparams[f.name]) for f in fields(cls) if f.name in hparams}
        small = [
            f"{name} is {found[name]}; expected at least {least}"
            for name, least in LEAST.items()
            if found.get(name) is not None and found[name] < least
        ]
        if small:
            raise SettingsError(f"{'; '.join(small)}.")
        return cls(**found)

    def schedule(self) -> StageSchedule:
        """Which stage trains when.

        Returns
        -------
        StageSchedule
            By ``order``, ``epochs_per_stage``, ``steps_per_turn`` and ``stages``.

        Raises
        ------
        SettingsError
            As :class:`~speechbrain_xser.training.schedule.StageSchedule`.
        """
        return StageSchedule(self.order, self.epochs_per_stage, self.steps_per_turn, tuple(self.stages))

    def criterion(self) -> Criterion:
        """The loss.

        Returns
        -------
        Criterion
            With ``beta``, ``beta_warmup_fraction``, ``objectives``, ``clip_range`` and ``reference_weight``.

        Raises
        ------
        SettingsError
            As :class:`~speechbrain_xser.training.criterion.Criterion`.

        Example
        -------
        >>> TrainingSettings(beta=0.01, beta_warmup_fraction=0.5).criterion().beta_at(4, 8)
        0.01
        """
        policy = PolicyLoss(self.clip_range, self.reference_weight)
        return Criterion(self.beta, self.beta_warmup_fraction, self.objectives, policy)

    def reward_weights(self) -> RewardWeights:
        """How much each part of the reward counts.

        Returns
        -------
        RewardWeights
            From the keys ``reward_...``.

        Raises
        ------
        SettingsError
            If one is negative, or none is above 0.

        Example
        -------
        >>> TrainingSettings(reward_words=2.0).reward_weights().words
        2.0
        """
        return RewardWeights(*(getattr(self, f"reward_{part}") for part in RewardWeights._fields)).checked()

    def rates(self) -> dict[str, LearningRate]:
        """A learning rate for each stage of the schedule.

        The first two stages use ``stage1_...`` and ``stage2_...``, a single stage uses the second's. ``stage_rates``
        overrides both and gives the rates of all further stages.

        Returns
        -------
        dict of str to LearningRate
            By the stage's name.

        Raises
        ------
        SettingsError
            If a stage has no rate, or ``stage_rates`` names a stage that is not scheduled or an unknown value, or as
            :class:`~speechbrain_xser.training.optimizers.LearningRate`.

        Example
        -------
        >>> settings = TrainingSettings(stages=("asr", "ser", "joint"), stage_rates={"joint": {"peak": "1e-5"}})
        >>> {stage: rate.peak for stage, rate in settings.rates().items()}
        {'asr': 0.0002, 'ser': 2e-05, 'joint': 1e-05}
        """
        names = list(dict.fromkeys(stage.name for stage in self.schedule().stages))
        numbered = [
            {"peak": self.stage1_learning_rate, "shape": self.stage1_rate_shape},
            {"peak": self.stage2_learning_rate, "shape": self.stage2_rate_shape},
        ]
        own = _own_rates(self.stage_rates, names)
        given = dict(zip(names, numbered[-1:] if len(names) == 1 else numbered, strict=False))
        values = {name: {**given.get(name, {}), **own.get(name, {})} for name in names}
        if missing := [name for name in names if "peak" not in values[name]]:
            raise SettingsError(
                f"The schedule has {len(names)} stages, and {', '.join(missing)} no learning rate: the first two have "
                f'stage1_... and stage2_..., give the others --stage_rates="{{{missing[0]}: {{peak: 0.00002, '
                'shape: cosine}}".'
            )
        return {name: LearningRate(**{"warmup_fraction": self.warmup_fraction, **values[name]}) for name in names}


def _own_rates(given: object, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What ``stage_rates`` gives some stages, checked."""
    if not isinstance(given or {}, Mapping):
        example = f"{{{names[-1]}: {{peak: 0.00002}}}}"
        raise SettingsError(f"stage_rates is {given!r}; expected a rate by stage, e.g. {example}.")
    own = {}
    for name, values in (given or {}).items():
        if name not in names:
            raise SettingsError(f"stage_rates has {name!r}, which is not a stage of the schedule: {', '.join(names)}.")
        if not isinstance(values, Mapping) or not values.keys() <= set(RATE_FIELDS):
            raise SettingsError(f"stage_rates has {values!r} for {name}; expected some of {', '.join(RATE_FIELDS)}.")
        where = f"stage_rates: {name}"
        own[name] = {key: _typed(f"{where}: {key}", RATE_FIELDS[key], value) for key, value in values.items()}
    return own


def _typed(name: str, kind: str, value: Any) -> Any:
    """A value of the type that its field's annotation gives."""
    if value is None and kind.endswith("None"):
        return None
    if kind == "bool" and not isinstance(value, bool):
        raise SettingsError(f"{name} is {value!r}; expected true or false.")
    if kind.startswith("str") and isinstance(value, int | float):
        return str(value)  # a folder whose name is a number
    whole = kind.startswith("int")
    if not whole and kind != "float":
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (whole and number != int(number)):
        raise SettingsError(f"{name} is {value!r}; expected {'a whole number' if whole else 'a number'}.")
    return int(number) if whole else number
