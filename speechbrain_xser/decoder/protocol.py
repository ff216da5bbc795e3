"""What the model, the recogniser and training ask of a decoder, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Decoding
from speechbrain_xser.decoder.generation.sampling import SampledAnswer, Sampling
from speechbrain_xser.lobes.adapter import SoftTokens

if TYPE_CHECKING:
    from speechbrain_xser.decoder.answer_logits import AnswerLogits
    from speechbrain_xser.decoder.heads import HeadAnswer


@runtime_checkable
class Decoder(Protocol):
    """A decoder between the soft tokens of all branches and one answer.

    :class:`~speechbrain_xser.decoder.decoder.LLMDecoder` and :class:`~speechbrain_xser.decoder.heads.HeadsDecoder` keep
    it, and any ``nn.Module`` that does can stand in their place. What only an LLM has (its tokenizer, LoRA as a
    folder) is asked of an ``LLMDecoder`` by name.

    Example
    -------
    >>> from speechbrain_xser.decoder.heads import HeadsDecoder
    >>> isinstance(HeadsDecoder(width=4), Decoder)
    True
    """

    @property
    def width(self) -> int:
        """Width of the soft tokens that it takes."""
        ...

    @property
    def vocabulary(self) -> int:
        """Tokens or characters that it knows."""
        ...

    def count_tokens(self, answers: Sequence[str], instruction: str) -> int:
        """What the losses of a batch of answers are divided by."""
        ...

    def forward(
        self, tokens: Mapping[str, SoftTokens], instruction: str, answers: list[str]
    ) -> AnswerLogits | HeadAnswer:
        """What a training step needs of the answers."""
        ...

    def generate(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        max_new_tokens: int | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[str]:
        """Answers of a batch; what does not concern the decoder is not looked at."""
        ...

    def sample(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        sampling: Sampling,
        max_new_tokens: int | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[list[SampledAnswer]]:
        """Drawn answers of each row of a batch, with their log-probabilities; the rest as for :meth:`generate`."""
        ...

    def generate_live(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> Iterator[str]:
        """The answer of one row while it grows; the last text is what :meth:`generate` gives."""
        ...

    def emotion_probabilities(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        answers: Sequence[str],
        emotions: Sequence[str],
    ) -> Tensor:
        """Probabilities of some emotions, [B, C], float64."""
        ...

    def merge(self) -> None:
        """Makes what was trained beside the weights a part of them, for deployment; nothing where nothing is beside."""
        ...
