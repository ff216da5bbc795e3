"""Runs the layers of a causal LLM over a stream of rows, up to the input of its output layer, at chosen places only.

The last layer computes attention, and everything after it, only where a token is predicted (``last_layer.py``). Where
the family's output layer is known (``output_layer.py``), logits are left to whoever asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from speechbrain_xser.decoder.packing.attention import AttentionPlan
from speechbrain_xser.decoder.packing.last_layer import SomePlaces, is_pruned
from speechbrain_xser.decoder.packing.output_layer import few_logits, output_layer
from speechbrain_xser.decoder.packing.stream import Layout
from speechbrain_xser.decoder.packing.twigs import TwigLayout
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.attention_kernels import without_cudnn

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
    llm: PreTrainedModel, stream: Tensor, layout: Layout | TwigLayout, last: Sequence[int], keep: Keep | None = None
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
    watched = plan = Watched(layout.attention(stream.device), keep)
    places, positions = (
        part.to(stream.device, non_blocking=True) for part in (layout.last(last), layout.positions()[None])
    )
    if is_pruned(llm):
        asking = Watched(layout.attention(stream.device, last), keep)
        plan = SomePlaces(watched, asking, places)
    with without_cudnn(stream.device):  # once for all layers: switching takes longer than their launches
        output = _states(llm, plan, positions, stream[None], places)
    if watched.calls < llm.config.get_text_config().num_hidden_layers - 1:
        raise BackboneError(f"{type(llm).__name__} does not hand its keyword arguments to attention: use another LLM.")
    return output


def _states(
    llm: PreTrainedModel, plan: AttentionPlan, positions: Tensor, stream: Tensor, places: Tensor
) -> LastStates:
    """The states at some places, before the output layer, or logits where that is not known."""
    pruned, head = isinstance(plan, SomePlaces), output_layer(llm)
    if head is None:
        logits = run(llm, plan, positions, inputs_embeds=stream, logits_to_keep=0 if pruned else places)
        return LastStates(logits[0], nn.Identity())
    states = llm.base_model(**_shared(plan, positions), inputs_embeds=stream).last_hidden_state[0]
    return LastStates(states if pruned else states.index_select(0, places), head)


def run(llm: PreTrainedModel, plan: AttentionPlan, positions: Tensor, **inputs: Tensor | int) -> Tensor:
    """Logits of a whole causal LLM under a plan, [B, N, V], or at the places of ``logits_to_keep``.

    ``positions`` are [B, N] int64; ``inputs`` are ``input_ids`` or ``inputs_embeds``, and ``logits_to_keep``.
    """
    shared, head = _shared(plan, positions), output_layer(llm)
    with without_cudnn(positions.device):
        if head is not None and "logits_to_keep" not in inputs:
            return few_logits(head, llm.base_model(**shared, **inputs).last_hidden_state)
        return llm(**shared, **inputs).logits


def _shared(plan: AttentionPlan, positions: Tensor) -> dict[str, object]:
    """What every forward is handed; transformers passes a mask of four dimensions on without reading its values."""
    unused = torch.empty(1, 1, 1, 1, device=positions.device)
    return {"position_ids": positions, "attention_mask": unused, "use_cache": False, "plan": plan}
