"""Greedy answers of a given length: ours, SpeechBrain's LLM searcher, and transformers' ``generate``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from benchmarks.clock import measure
from benchmarks.material import speech_seconds, utterances
from benchmarks.sizes import Size
from benchmarks.table import Row, memory_share
from benchmarks.training import plain_lora
from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.generation.answer import PartialAnswer
from speechbrain_xser.decoder.generation.loop import Decoding, greedy
from speechbrain_xser.decoder.generation.sampling import Sampler, Sampling
from speechbrain_xser.decoder.packing.stream import Layout
from speechbrain_xser.decoder.sequence import Stream
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.stages import SER_STAGE

PROMPT = 150  # tokens: text and a clip of 4 s
SHARED = 35  # of them the same in every row
GROUP = 4  # answers to one prompt, as a stage that is rewarded samples them
BEGIN = 1  # the last token of each prompt, which SpeechBrain's searcher puts there


def prompts(decoder: LLMDecoder, rows: int) -> Tensor:
    """Prompts of one length, [B, L, e]; their beginning is the same, their last token is BEGIN."""
    device = decoder.causal.device
    generator = torch.Generator(device).manual_seed(1)
    ids = torch.randint(10, 1000, (rows, PROMPT), generator=generator, device=device)
    ids[:, :SHARED] = ids[:1, :SHARED]
    ids[:, -1] = BEGIN
    return decoder.causal.get_input_embeddings()(ids)


def stream_of(embedded: Tensor, chosen: list[int]) -> Stream:
    """The prompts of some rows."""
    own = embedded[chosen, SHARED:].flatten(0, 1)
    return Stream(torch.cat([embedded[0, :SHARED], own]), Layout(SHARED, (PROMPT - SHARED,) * len(chosen)))


@torch.no_grad()
def ours(decoder: LLMDecoder, embedded: Tensor, tokens: int, rows: int = 32) -> list[list[int]]:
    """Answers of exactly so many tokens."""
    answers = [PartialAnswer([], tokens, ends={-1}) for _ in embedded]
    prompt = partial(stream_of, embedded)
    greedy(decoder.causal, prompt, [PROMPT] * len(embedded), answers, decoder.pad_id, rows, graphs=True)
    return [answer.new for answer in answers]


@torch.no_grad()
def sampled(decoder: LLMDecoder, embedded: Tensor, tokens: int) -> list[list[int]]:
    """GROUP answers to each prompt, of exactly so many tokens, with their log-probabilities."""
    samplers = [Sampler(Sampling(), seed) for seed in range(GROUP * len(embedded))]
    answers = [PartialAnswer([], tokens, ends={-1}, sampler=sampler) for sampler in samplers]
    options = {"rows": len(answers), "graphs": True, "share": GROUP}
    prompt = partial(stream_of, embedded)
    greedy(decoder.causal, prompt, [PROMPT] * len(embedded), answers, decoder.pad_id, **options)
    return [answer.new for answer in answers]


def with_plain_lora(model: ExplainableSER, run: Callable[[], list[list[int]]]) -> list[list[int]]:
    """A peer's answers, with PEFT's own linears."""
    plain_lora(model, True)
    try:
        return run()
    finally:
        plain_lora(model, False)


@torch.no_grad()
def generated(decoder: LLMDecoder, embedded: Tensor, tokens: int, **more: object) -> list[list[int]]:
    """By transformers; greedy, unless more options say otherwise."""
    mask = torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device)
    options = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False, "pad_token_id": decoder.pad_id}
    return decoder.causal.generate(inputs_embeds=embedded, attention_mask=mask, **{**options, **more}).tolist()


def searched(decoder: LLMDecoder, embedded: Tensor, tokens: int) -> list[list[int]]:
    """By SpeechBrain's searcher, which adds the first token itself."""
    from speechbrain.decoders.seq2seq import S2SHuggingFaceLLMGreedySearcher

    states = embedded[:, :-1]
    ratio = (tokens + 0.5) / states.shape[1]
    limits = {"min_decode_ratio": 0.0, "max_decode_ratio": ratio}
    searcher = S2SHuggingFaceLLMGreedySearcher(decoder.causal, 0.0, bos_index=BEGIN, eos_index=-1, **limits)
    mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    found = searcher(states, torch.ones(len(states), device=states.device), mask)[0]
    return [[int(token) for token in row] for row in found]


def rows(model: ExplainableSER, size: Size, device: str) -> list[Row]:
    """A batch of eight, at every length."""
    decoder = model.decoder
    embedded = prompts(decoder, 8)
    goals = {30: ("≥ 16×", "never slower"), 60: ("≥ 25×", "never slower")} if size.name == "cpu" else {}
    found = []
    for tokens in size.new_tokens:
        peers = {"transformers' generate": partial(generated, decoder, embedded, tokens)}
        if find_spec("speechbrain") is not None:
            peers = {"SpeechBrain's LLM greedy searcher": partial(searched, decoder, embedded, tokens)} | peers
        own = partial(ours, decoder, embedded, tokens)
        variants = {name: partial(with_plain_lora, model, run) for name, run in peers.items()}
        measured = measure({"ours": own, **variants}, size.repeats, device)
        mine = measured.pop("ours")
        for name, peer in measured.items():
            same = sum(a == b for a, b in zip(mine.result, peer.result, strict=True))
            goal = goals.get(tokens, ("", ""))[name.startswith("transformers")]
            note = f"same tokens in {same} of {len(mine.result)} rows"
            work, times = f"greedy decoding, batch 8, {tokens} tokens", (1000 * mine.seconds, 1000 * peer.seconds)
            found.append(Row(work, name, *times, "ms", goal, memory_share(mine, peer), note))
    return found


def several(model: ExplainableSER, size: Size, device: str) -> list[Row]:
    """GROUP sampled answers to each of eight prompts, answers a second."""
    decoder, tokens = model.decoder, size.new_tokens[-1]
    embedded = prompts(decoder, 8)
    options = {"do_sample": True, "num_return_sequences": GROUP, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    peer = partial(with_plain_lora, model, partial(generated, decoder, embedded, tokens, **options))
    found = measure({"ours": partial(sampled, decoder, embedded, tokens), "theirs": peer}, size.repeats, device)
    rates = [GROUP * len(embedded) / found[name].seconds for name in ("ours", "theirs")]
    work = f"{GROUP} sampled answers to each of 8 prompts, {tokens} tokens"
    note = "with the log-probability of each token"
    share = memory_share(found["ours"], found["theirs"])
    return [Row(work, "generate with num_return_sequences, without", *rates, "1/s", "", share, note)]


def single(model: ExplainableSER, size: Size, device: str) -> list[Row]:
    """One utterance, merged, beside ``generate`` without merging; run last, since merging cannot be undone."""
    decoder, tokens = model.decoder, size.new_tokens[-1]
    embedded = prompts(decoder, 1)
    peer = partial(with_plain_lora, model, partial(generated, decoder, embedded, tokens))
    unmerged = measure({"theirs": peer}, size.repeats, device)["theirs"].seconds
    decoder.merge()
    merged = measure({"ours": partial(ours, decoder, embedded, tokens)}, size.repeats, device)["ours"].seconds
    goal = "≤ 285 ms, ≥ 6×" if size.name == "paper" else ""
    work = f"one utterance, {tokens} tokens, merged"
    return [Row(work, "generate, unmerged", 1000 * merged, 1000 * unmerged, "ms", goal)]


def batch_explain(model: ExplainableSER, size: Size, device: str) -> list[Row]:
    """From waveforms to answers and probabilities, utterances a second; merged as :func:`single` left it.

    The peer encodes the same clips and generates from prompts of one length, without probabilities.
    """
    batch, tokens = utterances(speech_seconds(size.explained, seed=2).clip(2, 6), device), size.new_tokens[-1]
    decoder = model.decoder
    decoder.max_new_tokens = tokens

    def own() -> list[str]:
        return model.explain(batch.wavs, batch.samples, SER_STAGE, EMOTIONS, Decoding(graphs=True))[0]

    embedded = prompts(decoder, 32)

    def peer() -> list[list[int]]:
        for start in range(0, size.explained, len(embedded)):
            chosen = slice(start, start + len(embedded))
            model.encode(batch.wavs[chosen], batch.samples[chosen])
            answers = generated(decoder, embedded[: len(batch.samples[chosen])], tokens)
        return answers

    found = measure({"ours": own, "theirs": peer}, max(1, size.repeats - 2), device)
    rates = size.explained / found["ours"].seconds, size.explained / found["theirs"].seconds
    goal = "≥ 150" if size.name == "paper" else ""
    work = f"batch explain, {size.explained} clips of 2 to 6 s, {tokens} tokens"
    return [Row(work, "generate, batch 32 at random, no probabilities", *rates, "1/s", goal)]
