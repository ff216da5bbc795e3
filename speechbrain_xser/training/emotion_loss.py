"""More weight for the words that name the emotion: they are one or two tokens among the fifty of a paragraph."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from speechbrain_xser.answer.phrases import emotion_phrase
from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.decoder.llm import load_tokenizer
from speechbrain_xser.decoder.prompt import PlainTokens

if TYPE_CHECKING:
    from speechbrain_xser.model import Forward
    from speechbrain_xser.stages import Stage


class EmotionLoss:
    """Sums the cross-entropy of the tokens that name an emotion; a function for an objective per "tokens".

    An objective of the weight w makes these tokens count 1 + w times. Answers of heads have no tokens: their sum is 0.

    Arguments
    ---------
    llm_source : str
        Folder, hub id or "packaged:NAME" of the LLM, for its tokenizer.
    emotions : iterable of str
        The corpus's classes.
    revision : str, optional
        Commit, tag or branch of a hub id.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> from speechbrain_xser.stages import SER_STAGE
    >>> loss = EmotionLoss("packaged:llama-tiny", ["angry", "sad"])
    >>> targets = torch.tensor(loss.plain_tokens("A man talks, sounding sad."))
    >>> answer = AnswerLogits(torch.zeros(len(targets), 5000), targets, rows=torch.zeros(len(targets)))
    >>> named = int(loss.named(targets).sum())  # tokens of " sad"; each has log(5000) nats
    >>> torch.allclose(loss(SimpleNamespace(answer=answer), SER_STAGE), named * torch.tensor(5000.0).log())
    True
    """

    def __init__(self, llm_source: str, emotions: Iterable[str], revision: str | None = None) -> None:
        self.llm_source, self.emotions, self.revision = llm_source, tuple(emotions), revision

    @cached_property
    def plain_tokens(self) -> PlainTokens:
        """The LLM's tokenizer, loaded when it is first asked for: a YAML loads nothing."""
        return PlainTokens(load_tokenizer(self.llm_source, self.revision))

    @cached_property
    def phrases(self) -> list[Tensor]:
        """Tokens of each word of an emotion, [K]."""
        words = {emotion_phrase(emotion, form) for emotion in self.emotions for form in ("noun", "adjective")}
        return [torch.tensor(self.plain_tokens(f" {word}")) for word in sorted(words)]

    def __call__(self, output: Forward, stage: Stage) -> Tensor:
        """Nats of a micro-batch, [], float32.

        Raises
        ------
        BackboneError
            If the tokenizer cannot be loaded.
        """
        answer = output.answer
        if not isinstance(answer, AnswerLogits) or (stage.rewarded and torch.is_grad_enabled()):
            return torch.zeros((), device=answer.targets.device)
        named = self.named(answer.targets)
        return answer._replace(states=answer.states[named], targets=answer.targets[named]).nats()

    def named(self, targets: Tensor) -> Tensor:
        """Which of some tokens [N] belong to a word of an emotion, [N] bool; the word is there as a whole."""
        named = torch.zeros_like(targets, dtype=torch.bool)
        for phrase in self.phrases:
            begins = _begins(targets, phrase.to(targets.device))
            for place in range(len(phrase)):
                named[begins + place] = True
        return named


def _begins(targets: Tensor, phrase: Tensor) -> Tensor:
    """Places in targets [N] at which a phrase [K] begins, [n]."""
    if len(phrase) > len(targets):
        return targets.new_zeros(0)
    return (targets.unfold(0, len(phrase), 1) == phrase).all(1).nonzero()[:, 0]
