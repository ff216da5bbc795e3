"""Whether a run's largest step fits its GPU: counted, said and checked before any weights are read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import deepcopy
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
from speechbrain_xser.training.loaders import seconds_of_clips
from speechbrain_xser.training.step_bytes import StepBytes, step_bytes
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.training.work import predicted_tokens, soft_tokens_a_second

if TYPE_CHECKING:
    from speechbrain_xser.data.manifest import Utterance
    from speechbrain_xser.model import ExplainableSER

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(  # of hparams/memory: what they change of a step's need
    {
        "24gb_checkpointing": {"batch_size": 8, "checkpointing": True},
        "24gb_4bit": {"batch_size": 2, "quantization": "4bit"},
    }
)


class Need(NamedTuple):
    """The largest micro-batch of a run."""

    clips: int
    seconds: float  # of the longest
    bytes: StepBytes


def check_device_memory(
    lobes: Mapping[str, Any], settings: TrainingSettings, clips: DynamicItemDataset, device: str
) -> None:
    """Says what a step with the longest clips needs, and stops a run that cannot fit; nothing without a GPU.

    A model that cannot be counted (its shapes depend on values, or its encoder is a class of the user's own) is not.

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

    Raises
    ------
    TrainingError
        If the counted bytes alone are more than the device has; names the preset to take.

    Example
    -------
    >>> check_device_memory({}, TrainingSettings(), None, "cpu")
    """
    card = device_bytes(device)
    need = None if card is None else largest_step(lobes, settings, clips)
    if need is None:
        return
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
    lobes: Mapping[str, Any], settings: TrainingSettings, clips: DynamicItemDataset, **changes: Any
) -> Need | None:
    """What a step with the longest clips needs in the stage that needs most; ``None`` if that cannot be counted.

    ``changes`` are those of a preset: ``batch_size``, ``checkpointing`` and ``quantization``.
    """
    stages = [stage for stage in settings.schedule().stages if stage.start is None]
    if lobes["encoder"] == CUSTOM or "source" not in lobes["decoder"] or not stages:
        return None
    changes = dict(changes)
    batch_size = changes.pop("batch_size", None) or settings.batch_size
    quantization = changes.pop("quantization", lobes["decoder"]["quantization"])
    try:
        model = _twin(lobes, **changes)
        longest = _longest(clips, model, settings, batch_size)
        samples = (torch.tensor([seconds for seconds, _ in longest]) * model.encoder.sample_rate).long()
        counted = [
            step_bytes(model, samples, [target_text(stage, one) for _, one in longest], stage, quantization)
            for stage in stages
        ]
    except (NotImplementedError, RuntimeError):  # the meta device has no values
        return None
    return Need(len(longest), longest[0][0], max(counted, key=lambda need: need.total))


def _twin(lobes: Mapping[str, Any], **decoder: Any) -> ExplainableSER:
    """The same model on the meta device, in training mode; its weights have shapes only."""
    shapes = deepcopy(dict(lobes))
    for part in sourced(shapes).values():
        part["load_weights"] = False
    shapes["decoder"] |= {"quantization": None, "fused_kernels": False, **decoder}
    with torch.device("meta"):
        return build_model(**lobe(shapes)).train()


def _longest(
    clips: DynamicItemDataset, model: ExplainableSER, settings: TrainingSettings, batch_size: int
) -> list[tuple[float, Utterance]]:
    """Seconds and utterance of the longest clips, as many as a micro-batch has, the longest first."""
    utterances = (clips.data[id]["utterance"] for id in clips.data_ids)
    ordered = sorted(zip(seconds_of_clips(clips), utterances, strict=True), key=lambda pair: -pair[0])
    if settings.batch_tokens is not None:
        seconds, utterance = ordered[0]
        tokens = predicted_tokens(utterance, soft_tokens_a_second(model) * seconds)
        batch_size = max(1, int(settings.batch_tokens / tokens))
    return ordered[:batch_size]


def _told(need: Need) -> str:
    static, kept, total = (size / 1e9 for size in (need.bytes.static, need.bytes.kept, need.bytes.total))
    return (
        f"A step of {need.clips} clips of up to {need.seconds:.1f} s needs at least {total:.1f} GB, as counted: "
        f"{static:.1f} for weights, gradients and moments, {kept:.1f} for the backward pass;"
    )


def _fitting_preset(lobes: Mapping[str, Any], settings: TrainingSettings, clips: DynamicItemDataset, card: int) -> str:
    """What to do: the first preset that fits by count, or smaller parts."""
    for name, changes in PRESETS.items():
        need = largest_step(lobes, settings, clips, **changes)
        if need is not None and need.bytes.total <= card:
            return f"add --memory={name}, which needs {need.bytes.total / 1e9:.1f} GB"
    return "no preset of --memory fits it; take a smaller LLM, or shorter clips (--max_seconds)"
