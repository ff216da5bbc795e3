"""Runs the layers of a causal LLM over a stream of rows, up to the input of its output layer, at chosen places only.

Llama's layers (and Mistral's and Qwen 2's, which have the same structure) are called one by one, so that the last of
them computes queries and everything after them only where a token is predicted. Other families run as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, apply_rotary_pos_emb
from transformers.models.mistral.modeling_mistral import MistralDecoderLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

from speechbrain_xser.decoder.packing.attention import AttentionPlan
from speechbrain_xser.decoder.packing.output_layer import few_logits
from speechbrain_xser.decoder.packing.stream import Layout, PackedAttention
from speechbrain_xser.errors import BackboneError

PRUNABLE = (LlamaDecoderLayer, MistralDecoderLayer, Qwen2DecoderLayer)

Keep = Callable[[int, Tensor, Tensor], None]  # layer, rotated keys [1, G, N, D], values [1, G, N, D]


class LastStates(NamedTuple):
    """The last states; ``head(states)`` are the logits."""

    states: Tensor  # [A, e], normalised, before the output layer; or logits [A, V] if only the LLM computes them
    head: nn.Module  # from states to logits; the identity for logits


class Watched:
    """A plan that shows every layer's keys and values to ``keep``, and counts the layers that use it."""

    def __init__(self, plan: AttentionPlan, keep: Keep | None = None) -> None:
        self.plan, self.keep, self.calls = plan, keep, 0

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, **options) -> Tensor:
        """The output of the plan."""
        self.calls += 1
        if self.keep is not None:
            self.keep(layer, key, value)
        return self.plan.attend(layer, query, key, value, **options)


def last_states(
    llm: PreTrainedModel, stream: Tensor, layout: Layout, last: Sequence[int], keep: Keep | None = None
) -> LastStates:
    """Runs a stream, [N, e], through a causal LLM, for the last positions of each row, A in all.

    ``last`` has their number for each row; ``keep`` is shown every layer's keys and values.

    Raises
    ------
    BackboneError
        If the LLM does not use the plan, so that its output is wrong.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> ids = torch.tensor([1, 5, 7, 9, 7])  # a prefix of two, then rows of two and one
    >>> states, head = last_states(llm, llm.get_input_embeddings()(ids), Layout(2, (2, 1)), [1, 1])
    >>> torch.allclose(head(states)[0], llm(torch.tensor([[1, 5, 7, 9]])).logits[0, -1], atol=1e-5)
    True
    """
    plan = Watched(PackedAttention(layout, stream.device), keep)
    places, positions = (
        part.to(stream.device, non_blocking=True) for part in (layout.last(last), layout.positions()[None])
    )
    if _is_prunable(llm):
        asking = Watched(PackedAttention(layout, stream.device, last), keep)
        output = _pruned(llm, stream[None], positions, plan, asking, places)
    else:
        logits = run(llm, plan, positions, inputs_embeds=stream[None], logits_to_keep=places)
        output = LastStates(logits[0], nn.Identity())
    if plan.calls < llm.config.get_text_config().num_hidden_layers - 1:
        raise BackboneError(f"{type(llm).__name__} does not hand its keyword arguments to attention: use another LLM.")
    return output


def run(llm: PreTrainedModel, plan: AttentionPlan, positions: Tensor, **inputs: Tensor) -> Tensor:
    """Logits of a whole causal LLM under a plan, [B, N, V], or at the places of ``logits_to_keep``.

    ``positions`` are [B, N] int64; ``inputs`` are ``input_ids`` or ``inputs_embeds``, and ``logits_to_keep``.
    """
    # transformers passes a mask of four dimensions on without reading its values
    unused = torch.empty(1, 1, 1, 1, device=positions.device)
    shared = {"position_ids": positions, "attention_mask": unused, "use_cache": False, "plan": plan}
    if _is_prunable(llm) and "logits_to_keep" not in inputs:
        return few_logits(llm.get_output_embeddings(), llm.base_model(**shared, **inputs).last_hidden_state)
    return llm(**shared, **inputs).logits


def _is_prunable(llm: PreTrainedModel) -> bool:
    return isinstance(getattr(llm.base_model, "layers", [None])[-1], PRUNABLE)


def _pruned(
    llm: PreTrainedModel, hidden: Tensor, positions: Tensor, plan: Watched, asking: Watched, places: Tensor
) -> LastStates:
    model = llm.base_model
    rotations = model.rotary_emb(hidden, positions)
    for layer in model.layers[:-1]:
        hidden = layer(hidden, position_embeddings=rotations, plan=plan)
    hidden = _last_layer(model.layers[-1], hidden, rotations, asking, places)
    return LastStates(model.norm(hidden)[0], llm.get_output_embeddings())


def _last_layer(
    layer: nn.Module, hidden: Tensor, rotations: tuple[Tensor, Tensor], plan: AttentionPlan, places: Tensor
) -> Tensor:
    """A layer with keys and values of all places, and everything else only of some, [1, A, e]."""
    attention = layer.self_attn
    normed, asking = layer.input_layernorm(hidden), hidden.index_select(1, places)

    def heads(states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], -1, attention.head_dim).transpose(1, 2)

    query = heads(attention.q_proj(normed.index_select(1, places)))
    key, value = heads(attention.k_proj(normed)), heads(attention.v_proj(normed))
    query, _ = apply_rotary_pos_emb(query, query, *(part.index_select(1, places) for part in rotations))
    _, key = apply_rotary_pos_emb(key, key, *rotations)
    window = getattr(attention, "sliding_window", getattr(attention.config, "sliding_window", None))
    heard = plan.attend(attention.layer_idx, query, key, value, scaling=attention.scaling, sliding_window=window)
    hidden = asking + attention.o_proj(heard.flatten(2))
    return hidden + layer.mlp(layer.post_attention_layernorm(hidden))
