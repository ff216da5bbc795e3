"""The decoder of the systems without an LLM: CTC over the content frames, a classifier over attention-pooled frames.

It stands where :class:`LLMDecoder` stands and answers in the same sentences, so that one Brain trains it and one scorer
reads it. Which head an instruction trains is looked up, where an LLM would read it.

Sources: CTC (Graves et al., 2006, ICML); probing heads over frozen layers (Yang et al., 2021, Interspeech); a CTC stage
and an attention-pooled classifier over both bottlenecks (Mohebbi et al., 2024, arXiv:2410.03037).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechbrain_xser.answer.record import EMOTIONS, Record
from speechbrain_xser.answer.render import render
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Decoding
from speechbrain_xser.decoder.generation.sampling import SampledAnswer, Sampler, Sampling, samplers
from speechbrain_xser.errors import PromptError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.ctc import collapsed, ctc_nats
from speechbrain_xser.lobes.pooling import AttentivePooling
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.stages import BRANCHES, CLASSIFY, TRANSCRIBE
from speechbrain_xser.utils.modes import evaluating

CHARACTERS = "abcdefghijklmnopqrstuvwxyz' "


class HeadAnswer(NamedTuple):
    """Losses where :class:`AnswerLogits` has logits."""

    losses: Tensor  # [B] float32, nats of each utterance's answer
    targets: Tensor  # [N] int64, characters or classes, all rows concatenated

    def nats(self) -> Tensor:
        """Nats of all answers, []."""
        return self.losses.sum()


class HeadsDecoder(nn.Module):
    """A CTC head and an emotion classifier.

    Arguments
    ---------
    width : int
        Size Z of a frame, the same in all branches.
    hears : sequence of str
        The branches whose frames the classifier pools.
    transcribes : str
        The branch whose frames the CTC head reads.
    emotions : sequence of str
        Its classes.

    Raises
    ------
    ValueError
        If ``hears`` is empty.

    Example
    -------
    >>> decoder = HeadsDecoder(width=4)
    >>> frames = SoftTokens(torch.randn(2, 9, 4), torch.tensor([9, 6]))
    >>> tokens = {"content": frames, "descriptor": frames}
    >>> decoder(tokens, TRANSCRIBE, ["by the door", "no"]).losses.shape
    torch.Size([2])
    >>> decoder(tokens, CLASSIFY, ["sad", "angry"]).targets.tolist()
    [2, 3]
    >>> [answer.startswith("A person speaks") for answer in decoder.generate(tokens, CLASSIFY)]
    [True, True]
    """

    hears_frames = True  # so it is built behind the branches, whose frames decide its width

    def __init__(
        self,
        width: int,
        hears: Sequence[str] = BRANCHES,
        emotions: Sequence[str] = EMOTIONS,
        transcribes: str = "content",
    ) -> None:
        super().__init__()
        if not hears:
            raise ValueError("hears is empty; expected the names of some branches, e.g. content and descriptor")
        self.width, self.hears, self.emotions = width, tuple(hears), tuple(emotions)
        self.transcribes = transcribes
        self.characters = nn.Linear(width, len(CHARACTERS) + 1)  # class 0 is CTC's blank
        self.pooling = AttentivePooling(width * len(self.hears))
        self.classifier = nn.Linear(width * len(self.hears), len(self.emotions))

    @property
    def vocabulary(self) -> int:
        """Outputs of the CTC head, its blank included."""
        return len(CHARACTERS) + 1

    def count_tokens(self, answers: Sequence[str], instruction: str) -> int:
        """What the losses of a batch are divided by: characters to say, or labels to name."""
        return sum(map(len, self._targets(answers, instruction)))

    def forward(
        self, tokens: Mapping[str, SoftTokens], instruction: str, answers: Sequence[str]
    ) -> HeadAnswer:
        """The losses of the head that an instruction asks for.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: frames [B, T, Z] with counts [B].
        instruction : str
            ``TRANSCRIBE`` or ``CLASSIFY``.
        answers : sequence of str
            B transcripts, or B emotions.

        Returns
        -------
        HeadAnswer

        Raises
        ------
        PromptError
            If there is no head for the instruction, or an answer is no class.
        """
        targets, content = self._targets(answers, instruction), tokens[self.transcribes]
        flat = torch.tensor([token for row in targets for token in row], dtype=torch.long).to(content.embeddings.device)
        if instruction == CLASSIFY:
            return HeadAnswer(F.cross_entropy(self._emotion_logits(tokens), flat, reduction="none"), flat)
        lengths = torch.tensor([len(row) for row in targets]).to(flat.device)
        log_probs = self._character_log_probs(content).transpose(0, 1)
        return HeadAnswer(ctc_nats(log_probs, flat, content.counts, lengths), flat)

    def generate(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        max_new_tokens: int | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[str]:
        """The best path's transcript, and for ``CLASSIFY`` a sentence that also names the most probable emotion.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: frames [B, T, Z] with counts [B].
        instruction : str
            ``TRANSCRIBE`` or ``CLASSIFY``.
        max_new_tokens, close_quotes, decoding
            Not looked at: these heads do not generate token by token.

        Returns
        -------
        list of str
            B answers.
        """
        with evaluating(self), torch.no_grad():
            content = tokens[self.transcribes]
            best = self._character_log_probs(content).argmax(-1).cpu()
            spoken = [_text(collapsed(row[:count])) for row, count in zip(best, content.counts.tolist(), strict=True)]
            if instruction == TRANSCRIBE:
                return spoken
            named = self._emotion_logits(tokens).argmax(-1).tolist()
        return [self._sentence(text, at) for text, at in zip(spoken, named, strict=True)]

    def sample(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        sampling: Sampling,
        max_new_tokens: int | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[list[SampledAnswer]]:
        """Several answers of each row: a character is drawn for every frame, and for ``CLASSIFY`` an emotion too.

        An answer's log-probability is that of its characters over all CTC paths that say them, with the emotion's; a
        transcript's is thus what :meth:`forward` takes for its loss, with the other sign.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: frames [B, T, Z] with counts [B].
        instruction : str
            ``TRANSCRIBE`` or ``CLASSIFY``.
        sampling : Sampling
            Temperature, top-p, answers a row, and the seed.
        max_new_tokens, close_quotes, decoding
            Not looked at.

        Returns
        -------
        list of list of SampledAnswer
            For each of B rows its answers.

        Raises
        ------
        SettingsError
            If a value of ``sampling`` is out of range.

        Example
        -------
        >>> decoder, frames = HeadsDecoder(width=4), SoftTokens(torch.randn(1, 9, 4), torch.tensor([9]))
        >>> tokens = {"content": frames, "descriptor": frames}
        >>> [[one]] = decoder.sample(tokens, CLASSIFY, Sampling(temperature=1e-4))  # close to zero: the likeliest
        >>> [one.text] == decoder.generate(tokens, CLASSIFY), one.log_prob < 0
        (True, True)
        """
        content = tokens[self.transcribes]
        drawing = samplers(sampling, len(content.counts))
        with evaluating(self), torch.no_grad():
            frames = self._character_log_probs(content).cpu()
            named = [None] * len(frames)
            if instruction != TRANSCRIBE:
                named = self._emotion_logits(tokens).log_softmax(-1).cpu()
        rows = zip(frames, content.counts.tolist(), named, drawing, strict=True)
        return [[self._drawn(row[:count], classes, one) for one in many] for row, count, classes, many in rows]

    def generate_live(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> Iterator[str]:
        """The answer of one row, which is whole at once.

        Arguments
        ---------
        tokens, instruction, close_quotes, decoding
            As for :meth:`generate`, of one row.

        Yields
        ------
        str
            The one that :meth:`generate` gives.
        """
        yield from self.generate(tokens, instruction, None, close_quotes, decoding)

    def merge(self) -> None:
        """Nothing: these heads are weights of their own, and have no LoRA beside them."""

    def emotion_probabilities(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        answers: Sequence[str],
        emotions: Sequence[str],
    ) -> Tensor:
        """The classifier's probability of each of some classes.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: frames [B, T, Z] with counts [B].
        instruction, answers
            Not looked at.
        emotions : sequence of str
            C of the classes.

        Returns
        -------
        Tensor
            Probabilities, [B, C], float64 on the CPU.
        """
        with evaluating(self), torch.no_grad():
            logits = self._emotion_logits(tokens).cpu().double()
        return logits[:, [self.emotions.index(emotion) for emotion in emotions]].softmax(-1)

    def _character_log_probs(self, content: SoftTokens) -> Tensor:
        """[B, T, 1 + characters], float32."""
        return self.characters(content.embeddings).float().log_softmax(-1)

    def _emotion_logits(self, tokens: Mapping[str, SoftTokens]) -> Tensor:
        frames = torch.cat([tokens[name].embeddings for name in self.hears], -1)
        counts = tokens[self.hears[0]].counts
        return self.classifier(self.pooling(frames, counts).to(self.classifier.weight.dtype)).float()

    def _drawn(self, frames: Tensor, classes: Tensor | None, sampler: Sampler) -> SampledAnswer:
        """An answer from log-probabilities of characters, [T, 1 + characters], and of emotions, [C], if any."""
        said = collapsed(torch.tensor([sampler.draw(frame) for frame in frames]))
        counts = (torch.tensor([len(part)]) for part in (frames, said))
        text, log_prob = _text(said), -float(ctc_nats(frames[:, None], said, *counts))
        if classes is None:
            return SampledAnswer(text, log_prob)
        at = sampler.draw(classes)
        return SampledAnswer(self._sentence(text, at), log_prob + float(classes[at]))

    def _sentence(self, transcript: str, emotion: int) -> str:
        return render(Record(transcript or None, emotion=self.emotions[emotion]))

    def _targets(self, answers: Sequence[str], instruction: str) -> list[list[int]]:
        if instruction == TRANSCRIBE:
            return [[CHARACTERS.index(c) + 1 for c in normalise(text) if c in CHARACTERS] for text in answers]
        if instruction != CLASSIFY:
            raise PromptError(f"There is no head for {instruction!r}: train stages 'asr' and 'emotion', or use an LLM.")
        unknown = sorted(set(answers) - set(self.emotions))
        if unknown:
            raise PromptError(f"{unknown} are no classes of this classifier: {', '.join(self.emotions)}.")
        return [[self.emotions.index(emotion)] for emotion in answers]


def _text(classes: Tensor) -> str:
    """What characters say, single spaces between words.

    Example
    -------
    >>> _text(torch.tensor([28, 1, 2, 28, 28, 3]))
    'ab c'
    """
    return " ".join("".join(CHARACTERS[each - 1] for each in classes.tolist()).split())
