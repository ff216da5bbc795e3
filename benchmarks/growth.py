"""Whether cost grows with the work and no faster: with the batch, and with the length of clips."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.ceilings import Ceilings
from benchmarks.clock import measure
from benchmarks.decoding import ours, prompts
from benchmarks.material import Utterances, utterances
from benchmarks.sizes import Size
from benchmarks.table import Row
from benchmarks.training import step
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.stages import SER_STAGE


def rows(model: ExplainableSER, size: Size, device: str, most: Ceilings) -> list[Row]:
    """Time of a token at batch 64 beside batch 8, and of a position at 20 s beside 4 s; memory of both.

    Ratios are of the larger to the smaller: at 1 cost is flat, below it falls.
    """
    goal = {"cpu": "≤ 1.15", "paper": "≤ 1.05"}.get(size.name, "")
    few, many = (8, 64) if size.name != "ci" else (2, 4)
    answers = {count: partial(ours, model.decoder, prompts(model.decoder, count), 10, many) for count in (few, many)}
    taken = measure(answers, size.repeats, device)
    tokens = {count: found.seconds / (10 * count) for count, found in taken.items()}
    short, long = (utterances(np.full(4, seconds), device) for seconds in (4.0, 20.0))

    def train(batch: Utterances) -> None:
        with most.precision(device):
            step(model, batch)
        model.zero_grad()

    model.train()
    steps = measure({"short": partial(train, short), "long": partial(train, long)}, size.repeats, device)
    model.eval()
    seen = {"short": positions(model, short), "long": positions(model, long)}
    cost = {name: found.seconds / seen[name] for name, found in steps.items()}
    row = Row(f"time of a generated token, batch {many} / batch {few}", "", tokens[many] / tokens[few], None, "x", goal)
    found = [row, Row("time of a position in training, 20 s / 4 s", "", cost["long"] / cost["short"], None, "x", goal)]
    if steps["short"].memory and steps["long"].memory:
        grown = steps["long"].memory / steps["short"].memory / (seen["long"] / seen["short"])
        found.append(Row("memory of a position in training, 20 s / 4 s", "", grown, None, "x", "linear: ≤ 1"))
    return found


def positions(model: ExplainableSER, batch: Utterances) -> int:
    """What the LLM computes of a batch: the shared prefix once, soft tokens, text and answers."""
    decoder = model.decoder
    segments = decoder.template.segments(SER_STAGE.instruction, decoder.tokenizer)
    frames = model.encoder.frame_counts(batch.samples)
    soft = sum(int(branch.adapter.token_counts(frames).sum()) for branch in model.branches.values())
    opening, *rest = segments
    own = len(batch.answers) * sum(map(len, rest))
    return len(opening) + own + soft + decoder.count_tokens(batch.answers, SER_STAGE.instruction)
