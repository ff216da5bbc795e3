"""One training step of the second stage: ours, the arithmetic of SpeechBrain's SpeechLLM recipe, and plain PEFT."""

from __future__ import annotations

import numpy as np
import torch
from peft.tuners.lora import Linear
from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss
from torch.nn.utils.rnn import pad_sequence

from benchmarks.ceilings import Ceilings
from benchmarks.clock import measure
from benchmarks.material import Utterances, speech_seconds, utterances
from benchmarks.sizes import Size
from benchmarks.table import Row, memory_share
from speechbrain_xser.decoder.lora import FusedLoraLinear
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.stages import SER_STAGE

POOL = 16  # batches that are sorted together by ours, and taken at random by the others


def batches(size: Size, device: str) -> tuple[Utterances, Utterances]:
    """One batch of ours, of similar lengths, and one at random, with the same amount of speech in a pool."""
    seconds = speech_seconds(size.batch * POOL)
    random, ordered = seconds[: size.batch], sorted(seconds)
    # the sorted batch whose sum of lengths is nearest that of the random one
    parts = [ordered[start : start + size.batch] for start in range(0, len(ordered), size.batch)]
    nearest = min(parts, key=lambda part: abs(sum(part) - random.sum()))
    scale = random.sum() / sum(nearest)
    return utterances(scale * np.asarray(nearest), device), utterances(random, device)


def step(model: ExplainableSER, batch: Utterances) -> Tensor:
    """Ours: the model's own forward and backward."""
    output = model(batch.wavs, batch.samples, SER_STAGE, batch.answers)
    loss = output.answer.nats() / len(output.answer.targets) + 1e-3 * output.branches["descriptor"].latent.kl.mean()
    loss.backward()
    return loss.detach()


def padded_step(model: ExplainableSER, batch: Utterances, labels: bool) -> Tensor:
    """What others do with the same parts: layers stacked for each branch, rows padded, logits at every position.

    Arguments
    ---------
    model : ExplainableSER
        The same weights.
    batch : Utterances
        Of random lengths.
    labels : bool
        Whether transformers computes the loss; otherwise as SpeechBrain's recipe does, by log-probabilities of all
        positions.

    Returns
    -------
    Tensor
        The loss.
    """
    states = model.encoder(batch.wavs, batch.samples)
    tokens = []
    for branch in model.branches.values():
        weights = branch.bottleneck.mix.logits.softmax(0)
        stacked = torch.stack(list(states.layers))
        mixed = (weights[:, None, None, None] * stacked).sum(0)
        latent = branch.bottleneck(states, mixed.to(branch.bottleneck.head.weight.dtype))
        tokens.append((branch.adapter(latent.z, latent.frames), latent))
    rows, targets = _rows(model, [soft for soft, _ in tokens], batch.answers)
    embedded = pad_sequence(rows, batch_first=True)
    wanted = pad_sequence(targets, batch_first=True, padding_value=-100).to(embedded.device)
    mask = pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True).long().to(embedded.device)
    llm = model.decoder.causal
    if labels:
        loss = llm(inputs_embeds=embedded, attention_mask=mask, labels=wanted, use_cache=False).loss
    else:
        logits = llm(inputs_embeds=embedded, attention_mask=mask, use_cache=False).logits
        scores = log_softmax(logits.float(), -1)[:, :-1].transpose(1, 2)
        loss = nll_loss(scores, wanted[:, 1:], ignore_index=-100)
    loss = loss + 1e-3 * tokens[1][1].kl.mean()
    loss.backward()
    return loss.detach()


def plain_lora(model: ExplainableSER, plain: bool) -> None:
    """Whether LoRA's linears are PEFT's own."""
    for module in model.decoder.modules():
        if isinstance(module, Linear):
            module.__class__ = Linear if plain else FusedLoraLinear


def rows(model: ExplainableSER, size: Size, device: str, most: Ceilings) -> list[Row]:
    """The training step beside both peers, in time and memory."""
    ours, theirs = batches(size, device)
    model.train()

    def peer(labels: bool) -> Tensor:
        plain_lora(model, True)
        try:
            with most.precision(device):
                return padded_step(model, theirs, labels)
        finally:
            plain_lora(model, False)
            model.zero_grad()

    def own() -> None:
        with most.precision(device):
            step(model, ours)
        model.zero_grad()

    peers = {
        "SpeechBrain's SpeechLLM arithmetic (random padding, all logits)": lambda: peer(False),
        "plain PEFT, padded, transformers' loss": lambda: peer(True),
    }
    found = measure({"ours": own, **peers}, size.repeats, device)
    model.eval()
    targets = {"cpu": ("≥ 4×, memory ≤ 0.25", "≥ 2×, memory ≤ 0.25"), "paper": ("≥ 3.5×", "≤ 105 ms, ≤ 29 GB")}
    return [
        Row(
            "training step, stage 2",
            name,
            1000 * found["ours"].seconds,
            1000 * found[name].seconds,
            "ms",
            target,
            memory_share(found["ours"], found[name]),
        )
        for name, target in zip(peers, targets.get(size.name, ("", "")), strict=True)
    ]


def _rows(model: ExplainableSER, soft: list, answers: list[str]) -> tuple[list[Tensor], list[Tensor]]:
    """Each row's embeddings, and its targets at the answer's tokens."""
    decoder = model.decoder
    embed, device = decoder.causal.get_input_embeddings(), soft[0].embeddings.device
    segments = decoder.template.segments(SER_STAGE.instruction, decoder.tokenizer)
    opening, between, closing = (embed(torch.tensor(ids, device=device)) for ids in segments)
    rows, targets = [], []
    for row, ids in enumerate(decoder.answer_tokens(answers)):
        content, how = (tokens.embeddings[row, : int(tokens.counts[row])].to(opening.dtype) for tokens in soft)
        parts = [opening, content, between, how, closing, embed(torch.tensor(ids, device=device))]
        rows.append(torch.cat(parts))
        targets.append(torch.cat([torch.full((len(rows[-1]) - len(ids),), -100), torch.tensor(ids)]))
    return rows, targets
