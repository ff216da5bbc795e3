"""The last layer of a causal LLM, of any family, with keys and values of all places and everything else of some.

The layer's own code runs twice. Over all places it is left as soon as attention has been handed the keys and values.
Then it runs over the places where a token is predicted, and attends to those keys and values. So norms, rotations,
residuals and biases stay the family's, and nothing has to be known of them. The price is the queries of all places,
about a thirteenth of one layer.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from speechbrain_xser.decoder.packing.attention import AttentionPlan
from speechbrain_xser.errors import BackboneError


class SomePlaces:
    """A plan whose last layer asks at some places of the stream only; every other layer asks at all.

    Arguments
    ---------
    plan : AttentionPlan
        Of all places.
    asking : AttentionPlan
        Of those places, over the keys and values of all.
    places : Tensor
        [A] int64.
    """

    def __init__(self, plan: AttentionPlan, asking: AttentionPlan, places: Tensor) -> None:
        self.plan, self.asking, self.places = plan, asking, places

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """The output of the plan of all places."""
        return self.plan.attend(layer, query, key, value, **options)

    def pick(self, value: Any, length: int) -> Any:
        """What a layer is handed, at these places: any tensor with the stream's ``length`` as its second dimension."""
        if isinstance(value, tuple | list):
            return type(value)(self.pick(part, length) for part in value)
        if isinstance(value, Tensor) and value.dim() > 1 and value.shape[1] == length:
            return value.index_select(1, self.places)
        return value


class _Handed(Exception):  # noqa: N818, it reports no error
    """Leaves a layer once attention has its keys and values."""


class _KeysAndValues:
    """A plan that takes the keys and values of all places, and then attends to them from the places that ask."""

    def __init__(self, asking: AttentionPlan) -> None:
        self.asking, self.taken = asking, None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """The output of the asking plan; the first call only takes."""
        if self.taken is None:
            self.taken = key, value
            raise _Handed
        return self.asking.attend(layer, query, *self.taken, **options)


class LastLayer:
    """Mixed in before the class of a layer: under a plan of some places, its output is that of those places."""

    def forward(self, hidden_states: Tensor, *args: Any, plan: AttentionPlan | None = None, **options: Any) -> Tensor:
        """[1, N, e] to [1, A, e]; under any other plan, and without one, what the layer itself gives."""
        if not isinstance(plan, SomePlaces):
            return super().forward(hidden_states, *args, **(options if plan is None else {**options, "plan": plan}))
        heard, length = _KeysAndValues(plan.asking), hidden_states.shape[1]
        with suppress(_Handed):
            super().forward(hidden_states, *args, plan=heard, **options)
        if heard.taken is None:  # a layer without attention would take some places for the whole stream
            name = type(self).__mro__[2].__name__
            raise BackboneError(f"{name} does not hand its keyword arguments to attention: use another LLM.")
        args = [plan.pick(value, length) for value in args]
        options = {name: plan.pick(value, length) for name, value in options.items()}
        return super().forward(plan.pick(hidden_states, length), *args, plan=heard, **options)

    def __reduce__(self) -> tuple:
        """Pickles by the class of the library: this one is made on demand, so no name leads to it."""
        return _unfilled, (type(self).__mro__[2],), self.__dict__


def prune_last_layer(llm: PreTrainedModel) -> None:
    """Mixes :class:`LastLayer` into the last layer of a causal LLM; nothing where its layers have another name."""
    layer = _last(llm)
    if layer is not None and not isinstance(layer, LastLayer):
        layer.__class__ = _mixed(type(layer))


def is_pruned(llm: PreTrainedModel) -> bool:
    """Whether the last layer computes some places only, when a plan says so."""
    return isinstance(_last(llm), LastLayer)


def _last(llm: PreTrainedModel) -> nn.Module | None:
    layers = getattr(llm.base_model, "layers", None)
    return layers[-1] if isinstance(layers, nn.ModuleList) and len(layers) else None


@cache
def _mixed(kind: type) -> type:
    return type(f"Last{kind.__name__}", (LastLayer, kind), {})


def _unfilled(kind: type) -> nn.Module:
    """A layer that a pickle or a copy is about to fill."""
    return nn.Module.__new__(_mixed(kind))
