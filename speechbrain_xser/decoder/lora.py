"""A LoRA linear in few passes: one autograd function that adds its small products in place to the large one.

PEFT's layer copies its input to another dtype, drops out a copy for each linear, and scales and adds in separate
passes. Here the product with B is added in place, its scale is part of that product, and linears with the same input
(queries, keys and values; gate and up) share one dropout. They can share the product with A too (:func:`grouped`).
In evaluation, copies of A and B in the dtype of the computation are kept until a matrix is replaced or written to, or
a pass in training mode. What is written through ``.data`` or by a fused optimiser between passes in evaluation mode
leaves no trace in a tensor and is not seen. Everything else (names, saving, merging) is PEFT's.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.decoder.quantization import QUANTISED, without_bitsandbytes

with without_bitsandbytes():
    from peft import PeftModel
    from peft.tuners.lora import Linear, LoraLayer

COPIES = "_copies"  # attribute of a group's first linear
LEVELS = 1 << 16  # of a dropout's probability; each random 64-bit number gives four decisions


class Dropped(NamedTuple):
    """An input with some values set to zero; ``values / share`` has the input's expectation."""

    values: Tensor  # same shape as the input
    kept: Tensor | None  # bool; None if nothing was dropped
    share: float  # expected share of kept values; 1 if they have been divided by it
    gain: float = 1.0  # what kept values have been multiplied by


class Drawn(NamedTuple):
    """The last dropout, and what it was drawn for."""

    source: weakref.ref  # the input tensor
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
        if x.is_inference():  # it does not say whether it has been written to
            return _drop(x, round(probability * LEVELS))
        key, last = (probability, x._version), self._last
        if last is None or last.source() is not x or last.key != key:
            self._last = last = Drawn(weakref.ref(x), key, _drop(x.detach(), round(probability * LEVELS)))
        return last.dropped


def _drop(x: Tensor, level: int) -> Dropped:
    share = 1 - level / LEVELS
    if x.device.type != "cpu":
        return _drop_fused(x, share)
    # four decisions of one number are faster than a number for each
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
    kept = words.view(torch.int16)[: x.numel()].view(x.shape) >= level - LEVELS // 2
    return Dropped(x * kept, kept, share)


def _drop_fused(x: Tensor, share: float) -> Dropped:
    """In the one kernel that a GPU has for it, which divides too."""
    return Dropped(*torch.native_dropout(x, 1 - share, True), 1.0, 1 / share)


class FewPasses:
    """Mixed in before one of PEFT's LoRA layers: few passes for one plain adapter, otherwise PEFT's forward."""

    dropout = SharedDropout()

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``W x + b + alpha / r * B A dropout(x)``, from [..., d] to [..., m], in autocast's dtype or that of ``x``.

        With any of PEFT's further arguments, PEFT's own forward runs.
        """
        if args or kwargs or not self.is_plain:
            return super().forward(x, *args, **kwargs)
        if type(self.base_layer) is nn.Linear:
            return grouped((self,), x)[0]
        return self.base_layer(x) + grouped((self,), x, quantised=True)[0]

    @property
    def probability(self) -> float:
        """Of dropping a value of the input; 0 in evaluation."""
        if not self.training:
            return 0.0
        dropout = self.lora_dropout[self.active_adapters[0]]
        return dropout.p if isinstance(dropout, nn.Dropout) else 0.0

    @property
    def is_plain(self) -> bool:
        """Whether one plain adapter is active."""
        active = self.active_adapters
        single = len(active) == 1 and active[0] in self._modules["lora_A"]._modules
        return single and not (self._disable_adapters or self.merged_adapters or self.lora_variant)

    def _load_from_state_dict(self, *args) -> None:
        self.__dict__.pop(COPIES, None)
        super()._load_from_state_dict(*args)

    def __reduce__(self) -> tuple:
        """Pickles by PEFT's class: the class of a quantised layer is made on demand, so no name leads to it."""
        return _unfilled, (type(self).__mro__[2],), {k: v for k, v in self.__dict__.items() if k != COPIES}


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


class Matrices(NamedTuple):
    """LoRA of some linears in one dtype, side by side in one buffer."""

    down: Tensor  # [sum of ranks, d]
    ups: tuple[Tensor, ...]  # [m, r] of each linear


class Kept(NamedTuple):
    """Matrices that are kept while evaluating, and of which tensors they are."""

    key: object
    matrices: Matrices | tuple[Tensor, ...]  # or transposed


class Group(NamedTuple):
    """Linears that share their input."""

    weights: tuple[Tensor | None, ...]  # [m, d] of each, frozen; None if it is computed elsewhere
    biases: tuple[Tensor | None, ...]  # [m] of each, frozen
    lora: Matrices
    scales: tuple[float, ...]
    kind: torch.dtype  # of the computation

    @property
    def ranks(self) -> list[int]:
        """The rank of each."""
        return [up.shape[1] for up in self.lora.ups]


def grouped(linears: Sequence[FewPasses], x: Tensor, quantised: bool = False) -> tuple[Tensor, ...]:
    """Outputs of linears with LoRA that share their input, side by side in one buffer.

    Arguments
    ---------
    linears : sequence of FewPasses
        With one plain adapter each, and the same dropout.
    x : Tensor
        Their input, [..., d].
    quantised : bool
        Whether what LoRA adds is wanted alone.

    Returns
    -------
    tuple of Tensor
        [..., m] of each, in autocast's dtype or that of ``x``.

    Example
    -------
    >>> from peft import LoraConfig
    >>> one, other = (FusedLoraLinear(nn.Linear(4, m), "default", config=LoraConfig(r=2), r=2) for m in (3, 5))
    >>> x = torch.randn(6, 4)
    >>> [torch.allclose(ours, own(x)) for ours, own in zip(grouped((one, other), x), (one, other))]
    [True, True]
    """
    name, device = linears[0].active_adapters[0], x.device.type
    cast = torch.is_autocast_enabled(device)
    plain = device == "cpu" and not (cast or quantised or torch.is_grad_enabled() or linears[0].training)
    if plain and all(linear._modules["base_layer"].weight.dtype == x.dtype for linear in linears):
        return _answered(linears, name, x)
    kind = torch.get_autocast_dtype(device) if cast else x.dtype
    dropped = FewPasses.dropout(x, linears[0].probability)
    bases = [None if quantised else linear._modules["base_layer"] for linear in linears]
    group = Group(
        tuple(base if base is None else base.weight.to(kind) for base in bases),
        tuple(None if base is None or base.bias is None else base.bias.to(kind) for base in bases),
        _matrices(linears, name, kind),
        tuple(linear.scaling[name] / dropped.share for linear in linears),
        kind,
    )
    with torch.autocast(device, enabled=False) if cast else nullcontext():
        if not torch.is_grad_enabled():
            return _outputs(x, dropped, group)[0]
        return _LoraGroup.apply(x, dropped, group, *_parameters(linears, name))


def _answered(linears: Sequence[FewPasses], name: str, x: Tensor) -> tuple[Tensor, ...]:
    """The outputs in evaluation on a CPU, where a call of PyTorch costs as much as a small product."""
    down, *ups = _turned(linears, name, x.dtype)
    rows, outputs, start = x.reshape(-1, x.shape[-1]) if x.dim() > 2 else x, [], 0
    low = torch.mm(rows, down)
    for linear, up in zip(linears, ups, strict=True):
        base = linear._modules["base_layer"]
        output = nn.functional.linear(rows, base.weight, base.bias)
        product = low if len(ups) == 1 else low.narrow(1, start, len(up))
        output.addmm_(product, up, alpha=linear.scaling[name])
        outputs.append(output.view(*x.shape[:-1], -1) if x.dim() > 2 else output)
        start += len(up)
    return tuple(outputs)


def _turned(linears: Sequence[FewPasses], name: str, kind: torch.dtype) -> tuple[Tensor, ...]:
    """All A side by side and each B, transposed and in a dtype; kept until a tensor or what is in it changes."""

    def made() -> tuple[Tensor, ...]:
        lora = _copied(parameters, kind)
        return lora.down.T, *(up.T for up in lora.ups)

    parameters = _parameters(linears, name)
    return _kept(linears[0], parameters, ("turned", kind), made)


def _parameters(linears: Sequence[FewPasses], name: str) -> list[Tensor]:
    """All A, and then all B."""
    parts = [linear._modules[part]._modules[name] for part in ("lora_A", "lora_B") for linear in linears]
    return [part._parameters["weight"] if "weight" in part._parameters else part.weight for part in parts]


def _matrices(linears: Sequence[FewPasses], name: str, kind: torch.dtype) -> Matrices:
    """LoRA's matrices in a dtype; in evaluation they are made once, until a tensor or what is in it changes."""
    parameters, first = _parameters(linears, name), linears[0].__dict__
    if first["training"]:
        first.pop(COPIES, None)  # a step follows, which may change values without telling (fused, or of shards)
    if len(linears) == 1 and parameters[0].dtype == kind:
        return Matrices(parameters[0], tuple(parameters[1:]))
    if first["training"]:
        return _copied(parameters, kind)
    return _kept(linears[0], parameters, ("straight", kind), lambda: _copied(parameters, kind))


def _kept(first: FewPasses, parameters: list[Tensor], use: tuple, made: Callable[[], Any]) -> Any:
    """What is made of LoRA's matrices for a use, kept in a group's first linear; not of inference tensors."""
    if any(one.is_inference() for one in parameters):
        return made()
    key = use, *((id(one), one.data_ptr(), one._version, one.device) for one in parameters)
    kept = first.__dict__.get(COPIES)
    if kept is None or kept.key != key:
        first.__dict__[COPIES] = kept = Kept(key, made())
    return kept.matrices


@torch.inference_mode(False)
@torch.no_grad()
def _copied(parameters: list[Tensor], kind: torch.dtype) -> Matrices:
    """Copies that a later pass with gradients can use too."""
    parameters = [one.detach() for one in parameters]
    buffer = parameters[0].new_empty(sum(one.numel() for one in parameters), dtype=kind)
    parts = buffer.split([one.numel() for one in parameters])
    torch._foreach_copy_([part.view_as(one) for part, one in zip(parts, parameters, strict=True)], parameters)
    downs = parameters[: len(parameters) // 2]
    down = buffer[: sum(one.numel() for one in downs)].view(-1, downs[0].shape[1])
    return Matrices(down, tuple(part.view_as(one) for part, one in zip(parts, parameters, strict=True))[len(downs) :])


def _outputs(x: Tensor, dropped: Dropped, group: Group) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """``x W' + b + scale * dropped A' B'`` of each linear; and LoRA's input, and its products with A."""
    rows = x.reshape(-1, x.shape[-1]).to(group.kind)
    inputs = rows if dropped.kept is None else dropped.values.reshape(rows.shape).to(group.kind)
    low, widths = inputs @ group.lora.down.T, [len(up) for up in group.lora.ups]
    parts = rows.new_empty(len(rows), sum(widths)).split(widths, 1)
    each = zip(parts, low.split(group.ranks, 1), group.weights, group.biases, group.lora.ups, group.scales, strict=True)
    for output, product, weight, bias, up, scale in each:
        if weight is not None:
            torch.mm(rows, weight.T, out=output) if bias is None else torch.addmm(bias, rows, weight.T, out=output)
        output.addmm_(product, up.T, beta=0 if weight is None else 1, alpha=scale)
    return tuple(output.view(*x.shape[:-1], -1) for output in parts), inputs, low


def _undropped(gradient: Tensor, kept: Tensor, gain: float) -> Tensor:
    return gradient.mul_(kept) if gain == 1 else torch.ops.aten.native_dropout_backward(gradient, kept, gain)


class _LoraGroup(torch.autograd.Function):
    """Linears with LoRA; weights and biases are frozen."""

    @staticmethod
    def forward(ctx, x, dropped, group, *parameters):
        outputs, inputs, low = _outputs(x, dropped, group)
        ctx.save_for_backward(*group.weights, *group.lora.ups, group.lora.down, inputs, low, dropped.kept)
        ctx.group, ctx.gain = group._replace(weights=(), biases=(), lora=Matrices(None, ())), dropped.gain
        ctx.ranks, ctx.shape, ctx.types = group.ranks, x.shape, (x.dtype, parameters[0].dtype)
        return outputs

    @staticmethod
    def backward(ctx, *gradients):
        *large, down, inputs, low, kept = ctx.saved_tensors
        weights, ups = large[: len(gradients)], large[len(gradients) :]
        rows = [gradient.reshape(-1, gradient.shape[-1]).to(down.dtype) for gradient in gradients]
        each = list(zip(rows, weights, ups, ctx.group.scales, strict=True))
        rows_up = torch.empty_like(low)
        for (one, _, up, scale), part in zip(each, rows_up.split(ctx.ranks, 1), strict=True):
            part.addmm_(one, up, beta=0, alpha=scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = rows_up @ down
            of_x = of_x if kept is None else _undropped(of_x, kept.view(of_x.shape), ctx.gain)
            for one, weight, _, _ in each:
                of_x = of_x if weight is None else of_x.addmm_(one, weight)
            of_x = of_x.view(ctx.shape).to(ctx.types[0])
        if not any(ctx.needs_input_grad[3:]):
            return of_x, None, None, *[None] * 2 * len(rows)
        sizes = [rank * down.shape[1] for rank in ctx.ranks] + [up.numel() for up in ups]
        flat = down.new_empty(sum(sizes))  # all gradients in one buffer, so that one cast serves them
        torch.mm(rows_up.T, inputs, out=flat[: down.numel()].view_as(down))
        parts = flat.split(sizes)[len(rows) :]
        for (one, _, up, scale), product, part in zip(each, low.split(ctx.ranks, 1), parts, strict=True):
            part.view_as(up).addmm_(one.T, product, beta=0, alpha=scale)
        shapes = [(rank, down.shape[1]) for rank in ctx.ranks] + [up.shape for up in ups]
        found = flat.to(ctx.types[1]).split(sizes)
        return of_x, None, None, *[part.view(shape) for part, shape in zip(found, shapes, strict=True)]
