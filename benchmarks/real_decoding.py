"""Greedy decoding with real weights, ours and transformers' ``generate``: SmolLM2-135M with LoRA, merged and not.

Needs what ``xser setup small`` brings. Both take turns, and CPU seconds are compared, which other work on the machine
disturbs less than a clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from statistics import median

import torch
from peft.tuners.lora import Linear
from torch import Tensor

from benchmarks.decoding import generated, ours, prompts
from benchmarks.table import Row
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.lora import FusedLoraLinear
from speechbrain_xser.decoder.prompt import PromptTemplate
from speechbrain_xser.utils.user_cache import SET_UP, user_cache

TOKENS = 24
REPEATS = 5
BATCHES = (1, 8)


def rows(tokens: int = TOKENS, repeats: int = REPEATS) -> list[Row]:
    """A row for each batch, first with LoRA beside the weights and then merged; none if there are no weights here."""
    folder = user_cache() / SET_UP[1]
    if not folder.is_dir():
        return []
    decoder = LLMDecoder(str(folder), dtype="float32", template=PromptTemplate(style="chat")).eval()
    torch.manual_seed(0)
    for name, parameter in decoder.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.002)
    found = [_row(decoder, batch, tokens, repeats, "LoRA not merged") for batch in BATCHES]
    decoder.merge()
    return found + [_row(decoder, batch, tokens, repeats, "LoRA merged") for batch in BATCHES]


def _row(decoder: LLMDecoder, batch: int, tokens: int, repeats: int, how: str) -> Row:
    embedded = prompts(decoder, batch)
    runs = [partial(ours, decoder, embedded, tokens), partial(_library, decoder, embedded, tokens)]
    answers = [run() for run in runs]
    same = sum(own == other for own, other in zip(*answers, strict=True))
    times = [[_cpu_seconds(run) for run in runs] for _ in range(repeats)]
    own, other = (1000 * median(column) for column in zip(*times, strict=True))
    work = f"SmolLM2-135M, batch {batch}, {tokens} tokens, {how}"
    note = f"same tokens in {same} of {batch} rows; CPU time, median of {repeats}"
    return Row(work, "transformers' generate", own, other, "ms", "≥ 1×", None, note)


def _library(decoder: LLMDecoder, embedded: Tensor, tokens: int) -> list[list[int]]:
    """By transformers, with all layers as transformers and PEFT have them."""
    with ExitStack() as stack:
        for module in decoder.causal.modules():
            kind = type(module)
            plain = Linear if kind is FusedLoraLinear else _library_class(kind)
            if plain is not kind:
                module.__class__ = plain
                stack.callback(setattr, module, "__class__", kind)
        return generated(decoder, embedded, tokens)


def _library_class(kind: type) -> type:
    """The class that transformers has, of one that this package mixes something into."""
    mixed = not kind.__module__.startswith(("transformers.", "torch.", "peft."))
    return next((base for base in kind.__mro__ if base.__module__.startswith("transformers.")), kind) if mixed else kind


def _cpu_seconds(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun
