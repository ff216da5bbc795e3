"""A LoRA linear in few passes: one autograd function that adds its small products in place to the large one.

PEFT's layer copies its input to another dtype, drops out a copy for each linear, and scales and adds in separate
passes. Here the product with B is added in place, its scale is part of that product, and linears with the same input
(queries, keys and values; gate and up) share one dropout. Everything else (names, saving, merging) is PEFT's.
"""

from __future__ import annotations

import weakref
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.decoder.quantization import QUANTISED, without_bitsandbytes

with without_bitsandbytes():
    from peft import PeftModel
    from peft.tuners.lora import Linear, LoraLayer

LEVELS = 1 << 16  # of a dropout's probability; each random 64-bit number gives four decisions


class Dropped(NamedTuple):
    """An input with some values set to zero; ``values / share`` has the input's expectation."""

    values: Tensor  # same shape as the input
    kept: Tensor | None  # bool; None if nothing was dropped
    share: float  # expected share of kept values


class Drawn(NamedTuple):
    """The last dropout, and what it was drawn for."""

    heard: weakref.ref  # the input tensor
    key: tuple[float, int]  # the probability, and how often the tensor had been written to
    dropped: Dropped


class SharedDropout:
    """Dropout that is drawn once for a tensor, however many linears use it.

    The last draw is one object, which is read once, because another thread may replace it at any time.

    Example
    -------
    >>> dropout, x = SharedDropout(), torch.ones(1000, 64)
    >>> first, again = dropout(x, 0.25), dropout(x, 0.25)
    >>> first.values is again.values, dropout(x.clone(), 0.25).values is first.values
    (True, False)
    >>> abs(first.kept.float().mean().item() - first.share) < 0.01
    True
    """

    def __init__(self) -> None:
        self._last: Drawn | None = None

    def __call__(self, x: Tensor, probability: float) -> Dropped:
        """Drops values of ``x`` with a probability below 1 (to one in 65,536); the result has no gradient."""
        if probability == 0:
            return Dropped(x.detach(), None, 1.0)
        key, last = (probability, x._version), self._last
        if last is None or last.heard() is not x or last.key != key:
            self._last = last = Drawn(weakref.ref(x), key, _drop(x.detach(), round(probability * LEVELS)))
        return last.dropped


def _drop(x: Tensor, level: int) -> Dropped:
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
    drawn = words.view(torch.int16)[: x.numel()].view(x.shape)
    kept = drawn >= level - LEVELS // 2
    return Dropped(x * kept, kept, 1 - level / LEVELS)


class FewPasses:
    """Mixed in before one of PEFT's LoRA layers: few passes for one plain adapter, otherwise PEFT's forward."""

    dropout = SharedDropout()

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``W x + b + alpha / r * B A dropout(x)``, from [..., d] to [..., m], in autocast's dtype or that of ``x``.

        With any of PEFT's further arguments, PEFT's own forward runs.
        """
        if args or kwargs or not self._is_plain():
            return super().forward(x, *args, **kwargs)
        name = self.active_adapters[0]
        down, up, dropout = self.lora_A[name].weight, self.lora_B[name].weight, self.lora_dropout[name]
        probability = dropout.p if self.training and isinstance(dropout, nn.Dropout) else 0.0
        dropped = self.dropout(x, probability)
        base, scale = self.base_layer, self.scaling[name] / dropped.share
        device = x.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        lora = down, up, scale, dropped.values, dropped.kept, kind
        if type(base) is nn.Linear:
            with torch.autocast(device, enabled=False):
                return _LoraLinear.apply(x, base.weight, base.bias, *lora)
        output = base(x)  # quantised: by its own kernel
        with torch.autocast(device, enabled=False):
            return output + _LoraLinear.apply(x, None, None, *lora)

    def __reduce__(self) -> tuple:
        """Pickles by PEFT's class: the class of a quantised layer is made on demand, so no name leads to it."""
        return _unfilled, (type(self).__mro__[2],), self.__dict__

    def _is_plain(self) -> bool:
        single = len(self.active_adapters) == 1 and self.active_adapters[0] in self.lora_A
        return single and not (self.disable_adapters or self.merged or self.lora_variant)


class FusedLoraLinear(FewPasses, Linear):
    """PEFT's ``lora.Linear`` with a forward of few passes.

    Example
    -------
    >>> from peft import LoraConfig
    >>> config = LoraConfig(r=2, lora_alpha=6)
    >>> layer = FusedLoraLinear(nn.Linear(4, 3), "default", config=config, r=2, lora_alpha=6)
    >>> _ = nn.init.ones_(layer.lora_B["default"].weight)
    >>> x = torch.randn(5, 4)
    >>> torch.allclose(layer(x), Linear.forward(layer, x), atol=1e-6)
    True
    """


def use_few_passes(model: PeftModel) -> None:
    """Gives PEFT's LoRA linears, plain and quantised, the forward of :class:`FewPasses`; tensors stay as they are."""
    for module in model.modules():
        kind = type(module)
        if kind is Linear or (kind.__name__ in QUANTISED and isinstance(module, LoraLayer)):
            module.__class__ = _fused(kind)


@cache
def _fused(kind: type) -> type:
    """PEFT's class for plain or quantised layers, with the forward of few passes."""
    return FusedLoraLinear if kind is Linear else type(f"Fused{kind.__name__}", (FewPasses, kind), {})


def _unfilled(kind: type) -> FewPasses:
    """A layer that a pickle or a copy is about to fill."""
    return nn.Module.__new__(_fused(kind))


class _LoraLinear(torch.autograd.Function):
    """``x W' + b + scale * dropped A' B'`` in the dtype ``kind``; W and b are frozen and may be None."""

    @staticmethod
    def forward(ctx, x, weight, bias, down, up, scale, dropped, kept, kind):
        rows = x.reshape(-1, x.shape[-1]).to(kind)
        heard = rows if kept is None else dropped.reshape(rows.shape).to(kind)
        down_kind, up_kind = down.to(kind), up.to(kind)
        low = heard @ down_kind.T
        if weight is None:
            output = (low @ up_kind.T).mul_(scale)
        else:
            weight = weight.to(kind)
            output = nn.functional.linear(rows, weight, None if bias is None else bias.to(kind))
            output.addmm_(low, up_kind.T, alpha=scale)
        ctx.save_for_backward(weight, down_kind, up_kind, heard, low, kept)
        ctx.scale, ctx.shape, ctx.types = scale, x.shape, (x.dtype, down.dtype, up.dtype)
        return output.view(*x.shape[:-1], output.shape[-1])

    @staticmethod
    def backward(ctx, gradient):
        weight, down, up, heard, low, kept = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1]).to(up.dtype)
        rows_up = (rows @ up).mul_(ctx.scale)
        of_x = of_down = of_up = None
        if ctx.needs_input_grad[0]:
            of_x = rows_up @ down
            of_x = of_x if kept is None else of_x.mul_(kept.view(of_x.shape))
            of_x = of_x if weight is None else of_x.addmm_(rows, weight)
            of_x = of_x.view(ctx.shape).to(ctx.types[0])
        if ctx.needs_input_grad[3]:
            of_down = (rows_up.T @ heard).to(ctx.types[1])
        if ctx.needs_input_grad[4]:
            of_up = (rows.T @ low).mul_(ctx.scale).to(ctx.types[2])
        return of_x, None, None, of_down, of_up, None, None, None, None
