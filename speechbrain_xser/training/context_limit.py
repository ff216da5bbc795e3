"""Finds the utterances whose prompt, audio and answer exceed the decoder's context, before the first step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_xser.data.pipeline import items_of
from speechbrain_xser.decoder.prompted_llm import PromptedLLM
from speechbrain_xser.errors import PromptError
from speechbrain_xser.stages import Stage, target_text
from speechbrain_xser.training.loaders import seconds_of_clips
from speechbrain_xser.training.work import most_soft_tokens

if TYPE_CHECKING:
    from speechbrain_xser.data.manifest import Utterance
    from speechbrain_xser.model import ExplainableSER

NAMED = 3  # utterances that a message names


def check_context_limit(
    clips: DynamicItemDataset, model: ExplainableSER, stages: Iterable[Stage], generated: bool = False
) -> None:
    """Refuses utterances that a step could not compute.

    A text with no more bytes than there is room for tokens is not tokenised, so this costs little.

    Arguments
    ---------
    clips : DynamicItemDataset
        From ``data.pipeline.dataset``; lengths are those that it states.
    model : ExplainableSER
        Where its decoder is no LLM, or has no limit, everything fits.
    stages : iterable of Stage
        Those that are scheduled.
    generated : bool
        Whether answers of ``max_new_tokens`` are generated, too.

    Raises
    ------
    PromptError
        Names the utterances, the longest first, with their tokens and the context.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import Utterance
    >>> from speechbrain_xser.data.pipeline import dataset
    >>> from speechbrain_xser.stages import ASR_STAGE
    >>> from speechbrain_xser.testing import tiny_model
    >>> model = tiny_model(getfixture("tmp_path"))
    >>> short, long = (Utterance(text[:2], "a.wav", duration=1.0, transcript=text) for text in ("go", "hm " * 9999))
    >>> check_context_limit(dataset([short]), model, [ASR_STAGE])
    >>> check_context_limit(dataset([short, long]), model, [ASR_STAGE])
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.PromptError: 1 of 2 utterances exceed the decoder's context of ... tokens in stage 'asr':
    hm (...). Shorten their texts or clips, remove them, raise the adapter's stack, or lower
    max_new_tokens.
    """
    decoder = model.decoder
    context = decoder.context if isinstance(decoder, PromptedLLM) else None
    if context is None:
        return
    seconds = torch.tensor(seconds_of_clips(clips), dtype=torch.float64)
    audio = most_soft_tokens(model, (seconds * model.encoder.sample_rate).long()).tolist()
    stages = [stage for stage in stages if stage.start is None]
    prompts = [decoder.count_prompt(stage.instruction) for stage in stages]
    more = decoder.max_new_tokens if generated else 0
    beyond: list[dict[str, int]] = [{} for _ in stages]
    for item, tokens in zip(items_of(clips), audio, strict=True):
        for stage, prompt, found in zip(stages, prompts, beyond, strict=True):
            begun = prompt + tokens
            length = max(begun + more, _length(decoder, stage, item["utterance"], begun, context))
            if length > context:
                found[item["utterance"].id] = length
    for stage, found in zip(stages, beyond, strict=True):
        _refuse(found, len(clips), context, stage)


def _length(decoder: PromptedLLM, stage: Stage, utterance: Utterance, begun: int, context: int) -> int:
    """Tokens of an utterance's row, or more than there are if even those fit: no token is less than a byte."""
    text = target_text(stage, utterance)
    if begun + (most := len(text.encode("utf-8", "replace"))) <= context:
        return begun + most
    (answer,) = decoder.answer_tokens([text])
    return begun + len(answer) - 1  # the last one is answered, not read


def _refuse(beyond: dict[str, int], count: int, context: int, stage: Stage) -> None:
    if not beyond:
        return
    longest = sorted(beyond, key=beyond.__getitem__, reverse=True)
    named = ", ".join(f"{name} ({beyond[name]})" for name in longest[:NAMED]) + (", ..." if longest[NAMED:] else "")
    raise PromptError(
        f"{len(beyond)} of {count} utterances exceed the decoder's context of {context} tokens in stage "
        f"{stage.name!r}: {named}. Shorten their texts or clips, remove them, raise the adapter's stack, or lower "
        "max_new_tokens."
    )
