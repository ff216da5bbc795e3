"""The parts of Llama's layers in few operations: a step of one row is a thousand small kernels, launched one by one.

Norms are one operation. Linears with one input share LoRA's first product, and queries and keys are rotated together.
Families that copy Llama's parts (Mistral, Qwen 2, Granite) get the same; of others, the norms and MLPs at most.
Parameters and their names stay the library's, and attention without a plan stays the library's too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm
from transformers import PreTrainedModel

from speechbrain_xser.decoder.packing.attention import AttentionPlan


class OneNorm:
    """Mixed in before an RMSNorm: ``x / sqrt(mean(x**2) + epsilon) * weight``, in float32 inside."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[..., d] to [..., d]."""
        weight, kind = self.weight, hidden_states.dtype
        if kind != weight.dtype or (hidden_states.device.type == "cpu" and kind != torch.float32):
            return super().forward(hidden_states)
        if hidden_states.device.type == "cuda":  # elsewhere it may have no backward
            return torch.ops.aten._fused_rms_norm(hidden_states, weight.shape, weight, self.variance_epsilon)[0]
        return rms_norm(hidden_states, weight.shape, weight, self.variance_epsilon)


class OneAttention:
    """Mixed in before an attention of Llama's form: under a plan, its products and rotations in few operations."""

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        attention_mask: Tensor | None = None,
        plan: AttentionPlan | None = None,
        **options: Any,
    ) -> tuple[Tensor, None]:
        """[B, N, e] to [B, N, e]."""
        dropped = self.training and self.attention_dropout
        if plan is None or dropped or position_embeddings is None:
            options |= {"position_embeddings": position_embeddings, "attention_mask": attention_mask}
            return super().forward(hidden_states, **options, **({} if plan is None else {"plan": plan}))
        products = together((self.q_proj, self.k_proj, self.v_proj), hidden_states)
        query, key, value = (part.unflatten(-1, (-1, self.head_dim)) for part in products)
        query, key = rotated(query, key, *position_embeddings)
        rows, window = (part.transpose(1, 2) for part in (query, key, value)), _window(self)
        context = plan.attend(self.layer_idx, *rows, scaling=self.scaling, sliding_window=window, softcap=None)
        return self.o_proj(context.flatten(2)), None


class OneMLP:
    """Mixed in before a gated MLP: gate and up share LoRA's first product."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., e] to [..., e]."""
        gate, up = together((self.gate_proj, self.up_proj), x)
        return self.down_proj(self.act_fn(gate) * up)


PARTS = {
    OneNorm: ("Llama", "Mistral", "Qwen2", "Qwen3", "SmolLM3", "Granite", "Phi3"),
    OneAttention: ("Llama", "Mistral", "Qwen2", "Granite"),
    OneMLP: ("Llama", "Mistral", "Qwen2", "Qwen3", "SmolLM3", "Granite"),
}
NAMES = {OneNorm: "RMSNorm", OneAttention: "Attention", OneMLP: "MLP"}
MIXED = {f"{family}{NAMES[part]}": part for part, families in PARTS.items() for family in families}


def use_few_operations(llm: PreTrainedModel) -> None:
    """Mixes these classes into the parts of a causal LLM, in place; nothing in families that have other parts.

    Example
    -------
    >>> import tempfile
    >>> from transformers import AutoModelForCausalLM
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = AutoModelForCausalLM.from_pretrained(tiny_llm_folder(tempfile.mkdtemp()))
    >>> use_few_operations(llm)
    >>> type(llm.model.norm).__name__
    'OneNormLlamaRMSNorm'
    """
    for module in llm.modules():
        kind = type(module)
        if kind.__module__.startswith("transformers.") and kind.__name__ in MIXED:
            module.__class__ = _mixed(MIXED[kind.__name__], kind)


def _window(attention: nn.Module) -> int | None:
    """Positions that a query attends to: Qwen 2's own, and Mistral's of the config, which Llama and Granite ignore."""
    of_config = _reads_its_config(type(attention)) and getattr(attention.config, "sliding_window", None)
    return getattr(attention, "sliding_window", of_config or None)


@cache
def _reads_its_config(kind: type) -> bool:
    return any(base.__name__ == "MistralAttention" for base in kind.__mro__)


def together(linears: Sequence[nn.Module], x: Tensor) -> Sequence[Tensor]:
    """Outputs of linears with the same input; those with LoRA of the same dropout lie side by side in one buffer.

    Example
    -------
    >>> layers, x = (nn.Linear(4, 3), nn.Linear(4, 2)), torch.randn(5, 4)
    >>> [torch.equal(output, layer(x)) for output, layer in zip(together(layers, x), layers)]
    [True, True]
    """
    if all(hasattr(linear, "is_plain") for linear in linears):
        from speechbrain_xser.decoder.lora import grouped  # where there is LoRA, peft has been imported

        alike = len({linear.probability for linear in linears if linear.is_plain}) == 1
        if alike and all(linear.is_plain and type(linear.base_layer) is nn.Linear for linear in linears):
            return grouped(linears, x)
    return [linear(x) for linear in linears]


def rotated(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys with rotary positions.

    Source: RoFormer (Su et al., 2021, arXiv:2104.09864), in halves as in Llama.

    Arguments
    ---------
    query : Tensor
        [B, N, H, D].
    key : Tensor
        [B, N, G, D].
    cos, sin : Tensor
        [B, N, D]; both halves of D are the same.

    Returns
    -------
    tuple of Tensor
        As ``query`` and ``key``.

    Example
    -------
    >>> from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
    >>> query, key, angle = torch.randn(1, 3, 4, 8), torch.randn(1, 3, 2, 8), torch.randn(1, 3, 4).repeat(1, 1, 2)
    >>> expected = apply_rotary_pos_emb(query, key, angle.cos(), angle.sin(), unsqueeze_dim=2)
    >>> found = rotated(query, key, angle.cos(), angle.sin())
    >>> [torch.allclose(one, other, atol=1e-6) for one, other in zip(found, expected)]
    [True, True]
    """
    cos, sin = (part[:, :, None, : part.shape[-1] // 2] for part in (cos, sin))
    if torch.is_grad_enabled():
        return _Rotated.apply(query, key, cos, sin)
    return _both_turned(query, key, cos, sin, 1)


class _Rotated(torch.autograd.Function):
    """The gradient is rotated back."""

    @staticmethod
    def forward(ctx, query, key, cos, sin):
        ctx.save_for_backward(cos, sin)
        return _both_turned(query, key, cos, sin, 1)

    @staticmethod
    def backward(ctx, of_query, of_key):
        return *_both_turned(of_query, of_key, *ctx.saved_tensors, -1), None, None


def _both_turned(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    heads = query.shape[2], key.shape[2]
    joined = _side_by_side(query, key)
    states = torch.cat((query, key), 2) if joined is None else joined
    first, second = states.chunk(2, -1)
    turned = torch.empty(states.shape, dtype=states.dtype, device=states.device)
    upper, lower = turned.chunk(2, -1)
    torch.mul(first, cos, out=upper).addcmul_(second, sin, value=-sign)
    torch.mul(second, cos, out=lower).addcmul_(first, sin, value=sign)
    return turned.split(heads, 2)


def _side_by_side(query: Tensor, key: Tensor) -> Tensor | None:
    """Queries and keys as one tensor, if they lie one after the other in one buffer."""
    steps = zip(query.shape, query.stride(), key.stride(), strict=True)
    alike = all(size == 1 or one == other for size, one, other in steps)
    if query.untyped_storage()._cdata != key.untyped_storage()._cdata or not alike:
        return None
    if key.storage_offset() != query.storage_offset() + query.shape[2] * query.stride(2):
        return None
    shape = (*query.shape[:2], query.shape[2] + key.shape[2], query.shape[3])
    return query.as_strided(shape, query.stride(), query.storage_offset())


@cache
def _mixed(first: type, kind: type) -> type:
    return type(f"{first.__name__}{kind.__name__}", (first, kind), {"__reduce__": _reduce})


def _reduce(module: nn.Module) -> tuple:
    """Pickles by the class of the library: the mixed one is made on demand, so no name leads to it."""
    first, kind = type(module).__mro__[1:3]
    return _unfilled, (first, kind), module.__dict__


def _unfilled(first: type, kind: type) -> nn.Module:
    """A part that a pickle or a copy is about to fill."""
    return nn.Module.__new__(_mixed(first, kind))
