"""How many bytes a training step needs at a size, counted on the meta device: no card is needed to know it.

``python -m benchmarks.memory`` prints what the presets of ``hparams/memory`` cost at the paper's size.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from benchmarks.material import build, utterances
from benchmarks.sizes import PAPER, Size
from speechbrain_xser.stages import SER_STAGE, Stage
from speechbrain_xser.training.criterion import Criterion, Totals

NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)  # a weight, its share of a block's scale, and of that scale's scale
ADAM_BYTES = 3 * 4  # gradient and two moments of a float32 parameter


class StepBytes(NamedTuple):
    """What a step holds, in bytes; one layer's working memory comes on top."""

    static: int  # weights, gradients and moments
    kept: int  # for the backward pass


@contextmanager
def on_meta() -> Iterator[None]:
    """Lets a model run on the meta device: it has no autocast, and its attention keeps what a fused kernel keeps."""
    attention = "speechbrain_xser.decoder.packing.attention.scaled_dot_product_attention"
    with (
        patch("torch.autocast", lambda *_, **__: nullcontext()),
        patch("torch.is_autocast_enabled", lambda _: False),
        patch(attention, _fused),
    ):
        yield


def step_bytes(
    size: Size, clips: int, seconds: float = 4.0, stage: Stage = SER_STAGE, quantized: bool = False, **options
) -> StepBytes:
    """Bytes of a step of so many clips.

    Arguments
    ---------
    size : Size
        Of the model.
    clips : int
        Of a micro-batch.
    seconds : float
        Of each.
    stage : Stage
        Decides what trains.
    quantized : bool
        Whether the weights of the LLM's layers count four bits.
    **options
        For ``LLMDecoder``, e.g. ``checkpointing``.

    Returns
    -------
    StepBytes
    """
    with tempfile.TemporaryDirectory() as folder:
        model = build(size, Path(folder), "meta", **options).train()
    batch = utterances(np.full(clips, seconds), "cpu")
    kept: dict[int, Tensor] = {}
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    def keep_input(_, given: tuple[Tensor, ...]) -> None:
        keep(given[0])  # where a layer that is computed again starts from; autograd does not show it

    handles = [layer.register_forward_pre_hook(keep_input) for layer in model.decoder.causal.model.layers]
    with on_meta(), saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(batch.wavs.to("meta"), batch.samples, stage, batch.answers)
        criterion = Criterion()
        criterion.loss(criterion.parts(output, stage), Totals(1, 1), 1e-3)
    for handle in handles:
        handle.remove()
    held = sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in weights)
    return StepBytes(_static(model, quantized), held)


def _static(model: torch.nn.Module, quantized: bool) -> int:
    static = 0.0
    for name, parameter in model.named_parameters():
        small = quantized and name.startswith("decoder.") and name.endswith(".base_layer.weight")
        static += parameter.numel() * (NF4_BITS / 8 if small else parameter.element_size())
        static += parameter.numel() * ADAM_BYTES * parameter.requires_grad
    return int(static)


def _fused(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor, scale: float | None = None) -> Tensor:
    """A kernel that keeps no scores, as those of GPUs and CPUs; on meta PyTorch would take one that does."""
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, attn_mask=attn_mask, scale=scale)[0]


def main() -> None:
    """Prints the bytes of the paper's batch, and of both presets for the usual and for the longest clips."""
    for name, clips, seconds, options in (
        ("8 clips of 4 s", 8, 4.0, {}),
        ("24gb_checkpointing, 8 clips of 4 s", 8, 4.0, {"checkpointing": True}),
        ("24gb_checkpointing, 8 clips of 30 s", 8, 30.0, {"checkpointing": True}),
        ("24gb_4bit, 2 clips of 4 s", 2, 4.0, {"quantized": True}),
        ("24gb_4bit, 2 clips of 30 s", 2, 30.0, {"quantized": True}),
    ):
        found = step_bytes(PAPER, clips, seconds, **options)
        total = (found.static + found.kept) / 1e9
        print(f"{name}: {found.static / 1e9:.1f} GB + {found.kept / 1e9:.1f} GB kept for the backward = {total:.1f} GB")


if __name__ == "__main__":
    main()
