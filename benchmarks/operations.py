"""How many operations a training step and a generated token launch, counted on the meta device: no card is needed.

Every operation of PyTorch that computes counts once, also inside a backward pass; views and allocations launch nothing
and do not count. Attention is one operation, as in the fused kernels of a GPU, and so is a step of the optimiser over
a list of tensors. ``python -m benchmarks.operations`` prints what is counted at the paper's size.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.decoding import PROMPT, SHARED
from benchmarks.material import build, utterances
from benchmarks.sizes import PAPER, Size
from speechbrain_xser.decoder.generation.row_cache import RowCache
from speechbrain_xser.decoder.layer_parts import OneNorm
from speechbrain_xser.decoder.packing.stream import Layout
from speechbrain_xser.decoder.sequence import Stream
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.stages import SER_STAGE
from speechbrain_xser.training.criterion import Criterion, Totals
from speechbrain_xser.training.optimizers import LearningRate, StageOptimizers
from speechbrain_xser.training.step_bytes import on_meta

FREE = re.compile(r"(aten\.(new_|)empty|aten\.(_unsafe_view|detach|alias|lift_fresh)|prim\.)")  # launch nothing

LAUNCHED = {
    "torch_attn._varlen_attn.default": 2,  # attention, and the zeros that PyTorch returns with it
    "torch_attn._varlen_attn_backward.default": 5,  # FlashAttention's three, and sums over queries that share k and v
}


class Counts(NamedTuple):
    """Operations of each part of a work."""

    forward: int
    backward: int
    optimizer: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


class Launches(TorchDispatchMode):
    """Counts the operations that are computed on the meta device while it is entered.

    Example
    -------
    >>> with Launches() as launched:
    ...     _ = torch.ones(4, device="meta").view(2, 2).t() + 1
    >>> sorted(launched.by_name)
    ['aten.add.Tensor', 'aten.ones.default']
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_name: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """All of them."""
        return self.by_name.total()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None) -> Any:
        """Runs and counts one operation; what is computed on the host is not launched."""
        found = func(*args, **(kwargs or {}))
        if not (func.is_view or FREE.match(str(func))) and _is_meta(found, args):
            self.by_name[str(func)] += LAUNCHED.get(str(func), 1)
        return found


def _is_meta(found: Any, args: tuple) -> bool:
    """Whether an operation's first tensor, or the first that it was given, is on the meta device."""
    tensors = [part for part in torch.utils._pytree.tree_leaves((found, args)) if isinstance(part, Tensor)]
    return bool(tensors) and tensors[0].device.type == "meta"


def step_operations(size: Size, clips: int = 8, seconds: float = 4.0) -> Counts:
    """Operations of one step of the second stage: encoder, branches, LLM, loss, backward, clipping and AdamW."""
    with tempfile.TemporaryDirectory() as folder:
        model = build(size, Path(folder), "meta").train()
    batch = utterances(np.full(clips, seconds), "cpu")
    optimizers = StageOptimizers(model, (SER_STAGE,), {SER_STAGE.name: LearningRate(1e-5)})
    criterion = Criterion()
    with ExitStack() as stack:
        count = stack.enter_context(_counting())
        loss = count(lambda: _loss(model, criterion, batch))
        backward = count(lambda: loss.result.backward())
        _stepped(optimizers)  # the first step makes Adam's moments
        stepped = count(lambda: _stepped(optimizers))
    return Counts(loss.launched, backward.launched, stepped.launched)


def token_operations(size: Size, rows: int = 8) -> int:
    """Operations of one generated token of each of some rows, LoRA not merged, with prompts read before."""
    with tempfile.TemporaryDirectory() as folder:
        model = build(size, Path(folder), "meta")
    causal, own = model.decoder.causal, PROMPT - SHARED
    embeddings = torch.empty(SHARED + rows * own, model.decoder.width, dtype=causal.dtype, device="meta")
    cache = RowCache(causal, rows, PROMPT + 200)
    ids, positions = (torch.full((rows, 1), number, device="meta") for number in (0, PROMPT))
    with torch.no_grad(), _counting() as count:
        cache.read(range(rows), Stream(embeddings, Layout(SHARED, (own,) * rows)))
        cache.step(ids, positions, PROMPT + 1)  # what is made once is made here
        return count(lambda: cache.step(ids, positions + 1, PROMPT + 2)).launched


class _Counted(NamedTuple):
    """What a work gave, and what it launched."""

    result: Any
    launched: int


@contextmanager
def _counting() -> Iterator[Callable[[Callable[[], Any]], _Counted]]:
    """Makes the meta device launch what a GPU does: fused attention, and lists of tensors in one operation."""

    def count(work: Callable[[], Any]) -> _Counted:
        with Launches() as launched:
            result = work()
        return _Counted(result, launched.total)

    devices = {f"torch.{place}._get_foreach_kernels_supported_devices": ["meta"] for place in LISTS}
    with ExitStack() as stack:
        stack.enter_context(on_meta())
        for place, found in devices.items():
            stack.enter_context(patch(place, lambda found=found: found))
        stack.enter_context(patch.object(OneNorm, "forward", lambda norm, states: _one_norm(states, norm.weight)))
        stack.enter_context(patch("torch.nn.functional.scaled_dot_product_attention", _fused))
        yield count


@torch.library.custom_op("xser_benchmarks::rms_norm", mutates_args=())
def _one_norm(states: Tensor, weight: Tensor) -> Tensor:
    """Stands for PyTorch's fused norm, which the meta device does not have: one kernel, and one in the backward."""
    return torch.empty_like(states)


@torch.library.custom_op("xser_benchmarks::rms_norm_backward", mutates_args=())
def _one_norm_backward(gradient: Tensor, weight: Tensor) -> Tensor:
    return torch.empty_like(gradient)


_one_norm.register_fake(lambda states, weight: torch.empty_like(states))
_one_norm_backward.register_fake(lambda gradient, weight: torch.empty_like(gradient))
_one_norm.register_autograd(
    lambda ctx, gradient: (_one_norm_backward(gradient, *ctx.saved_tensors), None),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[1]),
)


LISTS = ("utils._foreach_utils", "optim.optimizer")


def _fused(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: Any) -> Tensor:
    """The encoder's attention as one operation."""
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, attn_mask=attn_mask, scale=options.get("scale"))[0]


def _loss(model: ExplainableSER, criterion: Criterion, batch: Any) -> Tensor:
    output = model(batch.wavs.to("meta"), batch.samples, SER_STAGE, batch.answers)
    return criterion.loss(criterion.parts(output, SER_STAGE), Totals(100, 400), 1e-3)


def _stepped(optimizers: StageOptimizers) -> None:
    optimizers.clip(SER_STAGE.name, 1.0)
    optimizers.by_stage[SER_STAGE.name].step()


def main() -> None:
    """Prints the operations of a step and of a token at the paper's size."""
    step = step_operations(PAPER)
    print(f"a training step: {step.total} operations ({', '.join(f'{n} {k}' for k, n in step._asdict().items())})")
    print(f"a generated token, LoRA not merged: {token_operations(PAPER)} operations")


if __name__ == "__main__":
    main()
