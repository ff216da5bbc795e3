"""How many bytes a training step holds, counted on the meta device: no card is needed to know it.

Counted are weights, gradients, AdamW's moments, and what autograd keeps for the backward pass. The working memory of a
layer, and what several ranks exchange, come on top, so a step needs at least this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from speechbrain_xser.training.criterion import Criterion, Totals

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.stages import Stage

WEIGHT_BITS = {  # of a quantised weight; NF4 with its share of a block's scale, and of that scale's scale
    "4bit": 4 + 8 / 64 + 32 / (64 * 256),
    "8bit": 8.0,
}
ADAM_BYTES = 3 * 4  # gradient and two moments of a float32 parameter


class StepBytes(NamedTuple):
    """What a step holds, in bytes; one layer's working memory comes on top."""

    static: int  # weights, gradients and moments
    kept: int  # for the backward pass

    @property
    def total(self) -> int:
        """Both together."""
        return self.static + self.kept


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
    model: ExplainableSER,
    samples: Tensor,
    answers: Sequence[str],
    stage: Stage,
    quantization: str | None = None,
) -> StepBytes:
    """Bytes of a step.

    Arguments
    ---------
    model : ExplainableSER
        On the meta device, in training mode, and not quantised.
    samples : Tensor
        Of each clip of a micro-batch, [B] int64, on the CPU.
    answers : sequence of str
        B targets.
    stage : Stage
        Decides what trains.
    quantization : str, optional
        "4bit" or "8bit": what the weights of the LLM's layers count.

    Returns
    -------
    StepBytes

    Example
    -------
    >>> from speechbrain_xser.stages import SER_STAGE
    >>> from speechbrain_xser.testing import tiny_model
    >>> model = tiny_model(getfixture("tmp_path")).to("meta").train()
    >>> one, two = (step_bytes(model, torch.tensor([16000] * n), ["no"] * n, SER_STAGE) for n in (1, 2))
    >>> one.static == two.static, 1.5 < two.kept / one.kept < 2.1
    (True, True)
    """
    kept: dict[int, Tensor] = {}
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    def keep_input(_, given: tuple[Tensor, ...]) -> None:
        keep(given[0])  # where a layer that is computed again starts from; autograd does not show it

    with ExitStack() as stack:
        for layer in _layers(model):
            stack.callback(layer.register_forward_pre_hook(keep_input).remove)
        stack.enter_context(on_meta())
        stack.enter_context(saved_tensors_hooks(keep, lambda tensor: tensor))
        wavs = torch.empty(len(samples), int(samples.max()), device="meta")
        criterion = Criterion()
        parts = criterion.parts(model(wavs, samples, stage, list(answers)), stage)
        criterion.loss(parts, Totals(1, 1), 1e-3)
    held = sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in weights)
    return StepBytes(_static(model, quantization), held)


def _layers(model: ExplainableSER) -> list[nn.Module]:
    """The layers of the LLM; none where there is no LLM, or they have another name."""
    return list(getattr(getattr(_causal(model), "base_model", None), "layers", None) or [])


def _causal(model: ExplainableSER) -> PreTrainedModel | None:
    """The LLM; None where there is none."""
    return getattr(model.decoder, "causal", None)


def _static(model: ExplainableSER, quantization: str | None) -> int:
    """Bytes of weights, of gradients and of moments."""
    small = _quantised(model) if quantization else set()
    static = 0.0
    for parameter in model.parameters():
        size = WEIGHT_BITS[quantization] / 8 if id(parameter) in small else parameter.element_size()
        static += parameter.numel() * (size + ADAM_BYTES * parameter.requires_grad)
    return int(static)


def _quantised(model: ExplainableSER) -> set[int]:
    """The weights that bitsandbytes packs: those of the LLM's frozen linears, but for the output layer."""
    causal = _causal(model)
    output = causal.get_output_embeddings()
    linears = (part for part in causal.modules() if isinstance(part, nn.Linear) and part is not output)
    return {id(linear.weight) for linear in linears if not linear.weight.requires_grad}


def _fused(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor, scale: float | None = None) -> Tensor:
    """A kernel that keeps no scores, as those of GPUs and CPUs; on meta PyTorch would take one that does."""
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, attn_mask=attn_mask, scale=scale)[0]
