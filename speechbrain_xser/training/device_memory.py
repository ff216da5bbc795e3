"""Whether a run's largest step fits its GPU: counted, said and checked before any weights are read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import if_main_process

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.model import build_model
from speechbrain_xser.model_folder.lobes import CUSTOM, lobe
from speechbrain_xser.model_folder.settings import sourced
from speechbrain_xser.stages import target_text
from speechbrain_xser.training.distributed import gather_lists
from speechbrain_xser.training.loaders import seconds_of_clips, train_windows
from speechbrain_xser.training.step_bytes import StepBytes, step_bytes
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.training.window import split_bounds

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.stages import Stage
    from speechbrain_xser.training.sampler import WindowSampler

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(  # of hparams/memory: what decides a step's need
    {
        "24gb_checkpointing": {
            "batch_size": 8,
            "grad_accumulation_factor": 1,
            "encoder_dtype": "bfloat16",
            "quantization": None,
            "checkpointing": True,
        },
        "24gb_4bit": {
            "batch_size": 2,
            "grad_accumulation_factor": 4,
            "encoder_dtype": "bfloat16",
            "quantization": "4bit",
            "checkpointing": False,
        },
    }
)


class Need(NamedTuple):
    """The largest micro-batch of the epochs in which the stages of a run begin."""

    clips: int
    seconds: float  # of the longest
    bytes: StepBytes


def check_device_memory(
    lobes: Mapping[str, Any], settings: TrainingSettings, clips: DynamicItemDataset, device: str, accumulation: int = 1
) -> None:
    """Says what the largest step needs, and stops a run that cannot fit; nothing without a GPU.

    Counted is the costliest micro-batch that any rank meets in the first epoch of each stage. It has to fit the
    smallest GPU of all ranks, which end together if it does not. A model that cannot be counted (its shapes depend on
    values, or its encoder is a class of the user's own) is not.

    Arguments
    ---------
    lobes : mapping
        The model, as plain values.
    settings : TrainingSettings
        Batches and stages.
    clips : DynamicItemDataset
        Those to train on.
    device : str
        Where.
    accumulation : int
        Micro-batches of an optimiser step.

    Raises
    ------
    TrainingError
        If the counted bytes alone are more than the device has; names the preset to take.

    Example
    -------
    >>> check_device_memory({}, TrainingSettings(), None, "cpu")
    """
    card = device_bytes(device)
    need = None if card is None else largest_step(lobes, settings, clips, accumulation)
    if need is None:
        return
    card, device = min(gather_lists([(card, device)]))  # what to take instead is counted by all ranks together
    if if_main_process():
        print(f"{_told(need)} {device} has {card / 1e9:.1f} GB.", file=sys.stderr)
    if need.bytes.total > card:
        fitting = _fitting_preset(lobes, settings, clips, card)
        raise TrainingError(f"{_told(need)} {device} has only {card / 1e9:.1f} GB: {fitting}.")


def device_bytes(device: str) -> int | None:
    """Memory of a CUDA GPU; ``None`` for any other device."""
    kind = torch.device(device)
    return torch.cuda.get_device_properties(kind).total_memory if kind.type == "cuda" else None


def largest_step(
    lobes: Mapping[str, Any], settings: TrainingSettings, clips: DynamicItemDataset, accumulation: int = 1
) -> Need | None:
    """What the largest micro-batch needs, of all ranks and stages; ``None`` if that cannot be counted."""
    if lobes["encoder"] == CUSTOM or "source" not in lobes["decoder"]:
        return None
    try:
        model = _twin(lobes)
        needs = [
            _need(model, stage, part, lobes["decoder"]["quantization"])
            for stage, part in _costliest(clips, model, settings, accumulation)
            if stage.start is None
        ]
    except (NotImplementedError, RuntimeError):  # the meta device has no values
        return None
    return max(needs, key=lambda need: need.bytes.total, default=None)


def _twin(lobes: Mapping[str, Any]) -> ExplainableSER:
    """The same model on the meta device, in training mode; its weights have shapes only."""
    shapes = deepcopy(dict(lobes))
    for part in sourced(shapes).values():
        part["load_weights"] = False
    shapes["decoder"] |= {"quantization": None, "fused_kernels": False}
    with torch.device("meta"):
        return build_model(**lobe(shapes)).train()


def _need(model: ExplainableSER, stage: Stage, part: Sequence[Mapping[str, Any]], quantization: str | None) -> Need:
    """Of a micro-batch, given as the items of its clips."""
    seconds = torch.tensor([item["duration"] for item in part])
    answers = [target_text(stage, item["utterance"]) for item in part]
    samples = (seconds * model.encoder.sample_rate).long()
    return Need(len(part), float(seconds.max()), step_bytes(model, samples, answers, stage, quantization))


def _costliest(
    clips: DynamicItemDataset, model: ExplainableSER, settings: TrainingSettings, accumulation: int
) -> list[tuple[Stage, list[Mapping[str, Any]]]]:
    """The micro-batch with the most work of each stage, over all ranks, in the first epoch that trains the stage."""
    sampler, schedule = train_windows(clips, model, settings, accumulation), settings.schedule()
    seconds, steps = seconds_of_clips(clips), len(sampler)
    found: dict[str, tuple[Stage, list[int]]] = {}
    for epoch in range(schedule.epochs):
        stages = [schedule.stage_at(epoch * steps + step, steps) for step in range(steps)]
        sampler.start(epoch + 1)
        found = _costliest_of_epoch(sampler, seconds, stages, accumulation) | found
        if len(found) == len({stage.name for stage in schedule.stages}):
            break
    return [(stage, [clips.data[clips.data_ids[place]] for place in part]) for stage, part in found.values()]


def _costliest_of_epoch(
    sampler: WindowSampler, seconds: Sequence[float], stages: Sequence[Stage], accumulation: int
) -> dict[str, tuple[Stage, list[int]]]:
    """By stage: itself, and the places of the clips of its costliest micro-batch."""
    found, most = {}, dict.fromkeys((stage.name for stage in stages), 0.0)
    for stage, shares in zip(stages, sampler.shares(), strict=True):
        for share in shares:
            for start, stop in split_bounds([seconds[place] for place in share], accumulation):
                work = sampler.work[share[start:stop]].sum()
                if work > most[stage.name]:
                    most[stage.name], found[stage.name] = work, (stage, share[start:stop])
    return found


def _told(need: Need) -> str:
    static, kept, total = (size / 1e9 for size in (need.bytes.static, need.bytes.kept, need.bytes.total))
    return (
        f"A step of {need.clips} clips of up to {need.seconds:.1f} s needs at least {total:.1f} GB, as counted: "
        f"{static:.1f} for weights, gradients and moments, {kept:.1f} for the backward pass;"
    )


def _fitting_preset(lobes: Mapping[str, Any], settings: TrainingSettings, clips: DynamicItemDataset, card: int) -> str:
    """What to do: the first preset that fits by count, or smaller parts."""
    for name, preset in PRESETS.items():
        need = largest_step(*_under(preset, lobes, settings), clips, preset["grad_accumulation_factor"])
        if need is not None and need.bytes.total <= card:
            return f"add --memory={name}, which needs {need.bytes.total / 1e9:.1f} GB"
    return "no preset of --memory fits it; take a smaller LLM, or shorter clips (--max_seconds)"


def _under(
    preset: Mapping[str, Any], lobes: Mapping[str, Any], settings: TrainingSettings
) -> tuple[dict[str, Any], TrainingSettings]:
    """Lobes and settings as a preset makes them."""
    encoder = {**lobes["encoder"], "dtype": preset["encoder_dtype"]}
    decoder = {**lobes["decoder"], **{key: preset[key] for key in ("quantization", "checkpointing")}}
    return {**lobes, "encoder": encoder, "decoder": decoder}, replace(settings, batch_size=preset["batch_size"])
