"""The encoder's layers summed for both branches, and encoder and branches over speech."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.clock import measure
from benchmarks.material import Utterances, speech_seconds, utterances
from benchmarks.sizes import Size
from benchmarks.table import Row, memory_share
from speechbrain_xser.lobes.layer_mix import layer_sums
from speechbrain_xser.model import ExplainableSER


def layer_rows(size: Size, device: str, frames: int = 200) -> list[Row]:
    """Both branches' sums, forward and backward, beside a stack for each."""
    count, width = size.states
    layers = torch.randn(count, size.batch, frames, width, device=device)
    logits = [torch.zeros(count, device=device, requires_grad=True) for _ in range(2)]
    states = list(layers)

    def ours() -> None:
        sums = layer_sums([one.softmax(0) for one in logits], layers)
        (sums[0].sum() + sums[1].sum()).backward()

    def stacked() -> None:
        sums = [(one.softmax(0)[:, None, None, None] * torch.stack(states)).sum(0) for one in logits]
        (sums[0].sum() + sums[1].sum()).backward()

    found = measure({"ours": ours, "theirs": stacked}, 5 * size.repeats, device)
    times, share = [1000 * one.seconds for one in found.values()], memory_share(found["ours"], found["theirs"])
    goal = "" if size.name == "ci" else "≥ 8×, memory ≤ 0.1"
    work = f"layer sums of both branches, {count} × {size.batch} × {frames} × {width}, forward and backward"
    return [Row(work, "torch.stack a branch", *times, "ms", goal, share)]


@torch.no_grad()
def speech_rows(model: ExplainableSER, size: Size, device: str, peer: ExplainableSER) -> list[Row]:
    """Seconds of speech a second, by length, beside float32 in random order.

    Arguments
    ---------
    model : ExplainableSER
        In bfloat16.
    size : Size
        Its batch.
    device : str
        Where both are.
    peer : ExplainableSER
        The same in float32.

    Returns
    -------
    list of Row
    """
    clips = 4 * size.batch
    seconds = speech_seconds(clips, seed=3)

    def batches(order: np.ndarray) -> list[Utterances]:
        return [utterances(order[start : start + size.batch], device) for start in range(0, clips, size.batch)]

    def encoded(one: ExplainableSER, heard: list[Utterances]) -> None:
        for batch in heard:
            one.encode(batch.wavs, batch.samples)

    by_length, random = batches(np.sort(seconds)), batches(seconds)
    variants = {"ours": lambda: encoded(model, by_length), "theirs": lambda: encoded(peer, random)}
    found = measure(variants, size.repeats, device)
    rates = [seconds.sum() / one.seconds for one in found.values()]
    goal = "≥ 6,000" if size.name == "paper" else ""
    return [Row("encoder and both branches, × real time", "float32, random padding", *rates, "1/s", goal)]
