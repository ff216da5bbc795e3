"""One AdamW and one learning-rate schedule for each stage, over exactly the parameters that the stage trains.

The learning rate is a pure function of the stage's own step, so only Adam's moments have to be saved. They are
named by stage and parameter: a checkpoint cannot put the moments of one stage or parameter into another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.stages import Stage, trained_parts
from speechbrain_xser.training.schedule import Turn

SHAPES = ("constant", "cosine")


class LearningRate:
    """A learning rate over one stage's own steps: linear warm-up, then constant or a cosine to zero.

    Source of the cosine: SGDR (Loshchilov & Hutter, 2017, ICLR), without restarts.

    Arguments
    ---------
    peak : float
        The rate after the warm-up.
    shape : str
        ``constant`` or ``cosine``.
    warmup_fraction : float
        Fraction of the stage's steps over which the rate rises linearly to the peak.

    Raises
    ------
    SettingsError
        If the shape is unknown or a value is out of range.

    Example
    -------
    >>> rate = LearningRate(peak=1.0, shape="cosine", warmup_fraction=0.2)
    >>> [round(rate.at(step, 10), 3) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """

    def __init__(self, peak: float, shape: str = "constant", warmup_fraction: float = 0.03) -> None:
        if shape not in SHAPES or not 0 < peak < math.inf or not 0 <= warmup_fraction < 1:
            raise SettingsError(
                f"Learning rate peak={peak} shape={shape!r} warmup_fraction={warmup_fraction}: expected a positive "
                f"peak, a shape of {', '.join(SHAPES)} and a fraction in [0, 1)."
            )
        self.peak, self.shape, self.warmup_fraction = peak, shape, warmup_fraction

    def at(self, step: int, steps: int) -> float:
        """The rate at a stage's own step.

        Arguments
        ---------
        step : int
            Step of the stage, from 0.
        steps : int
            Steps of the stage in the whole run.

        Returns
        -------
        float
            The rate; above 0 at the first step.
        """
        warmup_steps = math.ceil(self.warmup_fraction * steps)
        if step < warmup_steps:
            return self.peak * (step + 1) / warmup_steps
        if self.shape == "constant":
            return self.peak
        progress = (step - warmup_steps) / max(1, steps - warmup_steps)
        return self.peak * 0.5 * (1 + math.cos(math.pi * progress))


def stage_parameters(model: nn.Module, stage: Stage) -> dict[str, nn.Parameter]:
    """The parameters that a stage trains, by their names in the model.

    Arguments
    ---------
    model : nn.Module
        Has the attributes ``branches`` (an ``nn.ModuleDict``) and ``decoder``, as ``ExplainableSER``.
    stage : Stage
        Decides which parts train; within a part, what its class froze when it was built (the base LLM) stays out.

    Returns
    -------
    dict of str to Parameter
        In the model's own order.

    Example
    -------
    >>> from speechbrain_xser.stages import ASR_STAGE, SER_STAGE
    >>> branches = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in ("content", "descriptor")})
    >>> model = nn.ModuleDict({"branches": branches, "decoder": nn.Linear(1, 1, bias=False)})
    >>> [list(stage_parameters(model, stage)) for stage in (ASR_STAGE, SER_STAGE)]
    [['branches.content.weight', 'decoder.weight'], ['branches.descriptor.weight', 'decoder.weight']]
    """
    prefixes = tuple(f"{part}." for part in trained_parts(stage))
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name.startswith(prefixes) and parameter.requires_grad
    }


class StageOptimizers:
    """Holds each stage's AdamW and steps the one whose turn it is.

    Source: AdamW (Loshchilov & Hutter, 2019, ICLR).

    Arguments
    ---------
    model : nn.Module
        The model, before it is wrapped for several ranks.
    stages : tuple of Stage
        The stages of the run.
    rates : mapping of str to LearningRate
        One for each stage, by name.
    weight_decay : float
        AdamW's, on matrices only (vectors and scalars are not decayed).
    betas : tuple of float
        AdamW's.

    Raises
    ------
    SettingsError
        If a stage has no learning rate, or nothing to train.

    Example
    -------
    >>> from speechbrain_xser.stages import ASR_STAGE
    >>> branches = nn.ModuleDict({name: nn.Linear(1, 1) for name in ("content", "descriptor")})
    >>> model = nn.ModuleDict({"branches": branches, "decoder": nn.Linear(1, 1)})
    >>> optimizers = StageOptimizers(model, (ASR_STAGE,), {"asr": LearningRate(2e-4)})
    >>> [len(group["params"]) for group in optimizers.by_stage["asr"].param_groups]  # matrices, vectors
    [2, 2]
    >>> optimizers.set_rate("asr", step=50, steps=100)
    0.0002
    >>> (branches["content"](torch.ones(1, 1)) + model["decoder"](torch.ones(1, 1))).sum().backward()
    >>> optimizers.clip("asr", max_norm=1.0)  # four gradients of 1
    tensor(2.)
    >>> optimizers.by_stage["asr"].step()
    >>> state = optimizers.state_tensors()
    >>> optimizers.load_state_tensors(state)
    >>> all(torch.equal(value, state[key]) for key, value in optimizers.state_tensors().items())
    True
    >>> optimizers.describe()["asr peak"]
    0.0002
    """

    def __init__(
        self,
        model: nn.Module,
        stages: tuple[Stage, ...],
        rates: Mapping[str, LearningRate],
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        missing = [stage.name for stage in stages if stage.name not in rates]
        if missing:
            raise SettingsError(f"No learning rate for stages {missing}: give one by name; found {sorted(rates)}.")
        self.rates, self.weight_decay = dict(rates), weight_decay
        self.parameters = {stage.name: stage_parameters(model, stage) for stage in stages}
        self.by_stage = {
            name: _adamw(list(parameters.values()), name, weight_decay, tuple(betas))
            for name, parameters in self.parameters.items()
        }

    def describe(self) -> dict[str, float | str]:
        """What a checkpoint records about the stages' learning rates.

        Returns
        -------
        dict of str to (float or str)
            Plain values: "STAGE peak", "STAGE shape" and "STAGE warmup_fraction" of each stage, and "weight_decay".
        """
        rates = {f"{stage} {key}": value for stage in self.by_stage for key, value in vars(self.rates[stage]).items()}
        return {**rates, "weight_decay": self.weight_decay}

    def set_rate(self, stage: str, step: int, steps: int) -> float:
        """Sets a stage's learning rate for its own step.

        Arguments
        ---------
        stage : str
            Name of the stage.
        step : int
            Step of the stage, from 0.
        steps : int
            Steps of the stage in the whole run.

        Returns
        -------
        float
            The rate.
        """
        rate = self.rates[stage].at(step, steps)
        for group in self.by_stage[stage].param_groups:
            group["lr"] = rate
        return rate

    def rates_at(self, turns: Iterable[Turn]) -> dict[str, float]:
        """The learning rates of some steps, as the log names them; the groups of a stage share one.

        Arguments
        ---------
        turns : iterable of Turn
            One for each stage.

        Returns
        -------
        dict of str to float
            ``lr_STAGE``, by stage.

        Example
        -------
        >>> from speechbrain_xser.stages import ASR_STAGE
        >>> model = nn.ModuleDict({"branches": nn.ModuleDict({"content": nn.Linear(1, 1)}), "decoder": nn.Linear(1, 1)})
        >>> optimizers = StageOptimizers(model, (ASR_STAGE,), {"asr": LearningRate(1.0, "cosine", 0.0)})
        >>> optimizers.rates_at([Turn(ASR_STAGE, stage_step=50, stage_steps=100)])  # half of the cosine
        {'lr_asr': 0.5}
        """
        return {f"lr_{turn.stage.name}": self.rates[turn.stage.name].at(*turn[1:]) for turn in turns}

    def clip(self, stage: str, max_norm: float) -> Tensor:
        """Clips the gradients of all groups of a stage by their one common norm.

        Arguments
        ---------
        stage : str
            Name of the stage.
        max_norm : float
            The greatest norm; if it is not positive, the norm is measured and nothing is clipped.

        Returns
        -------
        Tensor
            The norm before, [].
        """
        parameters = self.parameters[stage].values()
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm if max_norm > 0 else math.inf)

    def zero_grad(self) -> None:
        """Drops the gradients of all stages."""
        for optimizer in self.by_stage.values():
            optimizer.zero_grad(set_to_none=True)

    def state_tensors(self) -> dict[str, Tensor]:
        """Adam's state as flat tensors.

        Returns
        -------
        dict of str to Tensor
            By ``stage/parameter/moment``, the optimisers' own tensors; nothing for a stage that has not begun.
        """
        return {
            f"{stage}/{name}/{key}": value
            for stage, parameters in self.parameters.items()
            for name, parameter in parameters.items()
            for key, value in self.by_stage[stage].state.get(parameter, {}).items()
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Sets Adam's state from what ``state_tensors`` gave; a stage without tensors starts afresh.

        Arguments
        ---------
        tensors : mapping of str to Tensor
            By ``stage/parameter/moment``; they are copied.

        Raises
        ------
        KeyError
            If a tensor names a stage or parameter that this run does not train; nothing is loaded then.
        """
        named = {key: self._owner(key) for key in tensors}
        for optimizer in self.by_stage.values():
            optimizer.state.clear()
        for key, (stage, parameter, moment) in named.items():
            fused = self.by_stage[stage].defaults["fused"]
            device = "cpu" if moment == "step" and not fused else parameter.device
            self.by_stage[stage].state[parameter][moment] = tensors[key].to(device, copy=True)

    def _owner(self, key: str) -> tuple[str, nn.Parameter, str]:
        stage, name, moment = key.split("/")
        return stage, self.parameters[stage][name], moment


def _adamw(
    parameters: list[nn.Parameter], name: str, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.AdamW:
    if not parameters:
        raise SettingsError(f"Stage {name!r} has nothing to train: check the stage table and the decoder's LoRA.")
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(p.device.type == "cuda" for p in parameters)  # one kernel for many tensors
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=0.0, betas=betas, fused=fused or None)
