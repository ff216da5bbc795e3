"""A content branch of recognised words, as the LLM's own token embeddings.

It learns nothing and has no bottleneck: only the words pass through it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.adapter import EmbedText, FrameTokens, SoftTokens, estimated_tokens, silent_row
from speechbrain_xser.lobes.bottleneck import Latent
from speechbrain_xser.lobes.branch import Branch
from speechbrain_xser.lobes.states import LayerStates, SpeechEncoder
from speechbrain_xser.lobes.word_recognizer import Recognizer, WhisperRecognizer, Word, spoken

LEAST_LOG_PROBABILITY = -5.0  # nats, of a word; a clip in which no word was recognised has it too


class RecognizedWords(nn.Module):
    """The words of each clip as embedding rows, each weighted by the probability of its word if that is wanted.

    It takes the place of a bottleneck. A clip without words gives one row of zeros.

    Source: the posterior-weighted embedding rows of LegoSLM (arXiv 2505.11352), here of words that are already decoded.

    Arguments
    ---------
    recognizer : Recognizer
        Frozen.
    embed_text : callable
        Maps a text to the embedding rows of its tokens, [K, e]; an ``LLMDecoder`` has such a method.
    width : int
        Embedding width e.
    weighted : bool
        Whether a word that the recogniser is unsure of has shorter rows. An LLM that only met known words in training
        cannot read shorter rows: it makes up words for them.

    Example
    -------
    >>> from speechbrain_xser.lobes.states import Speech
    >>> def embed_text(text):
    ...     return torch.ones(len(text), 4)  # a row a character
    >>> def recognizer(wavs, samples):
    ...     return [[Word("a", 0.5)]] * len(samples)
    >>> words = RecognizedWords(recognizer, embed_text, width=4)
    >>> speech = Speech(torch.zeros(2, 800), torch.tensor([800, 800]), ["by me", None])  # one is known, one is not
    >>> latent = words(LayerStates(torch.zeros(1, 2, 5, 8), torch.tensor([5, 5]), torch.zeros(2), speech))
    >>> latent.frames, latent.z[:, 0, 0]  # " by" and " me" are six rows, " a" two
    (tensor([6, 2]), tensor([1.0000, 0.5000]))
    >>> latent.log_probability
    tensor([ 0.0000, -0.6931])
    """

    def __init__(self, recognizer: Recognizer, embed_text: EmbedText, width: int, weighted: bool = True) -> None:
        super().__init__()
        self.recognizer, self.embed_text, self.size, self.weighted = recognizer, embed_text, width, weighted

    def forward(self, states: LayerStates) -> Latent:
        """Recognises the clips of a batch, except those whose words are known.

        Arguments
        ---------
        states : LayerStates
            Only its ``speech`` is used.

        Returns
        -------
        Latent
            Rows [B, K, e] with counts [B]; no posterior, a divergence of zero, and the words' log-probability.
        """
        found = self._recognized(states)
        rows = [self._rows(words) for words in found]
        z, counts = pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])
        kl, logs = torch.zeros(z.shape[:2], device=z.device), torch.tensor([mean_log_probability(one) for one in found])
        return Latent(z, counts.to(states.frames.device), None, kl, logs)

    def _recognized(self, states: LayerStates) -> list[Sequence[Word]]:
        wavs, samples, known = states.speech
        words = [None if text is None else spoken(text) for text in known or [None] * len(samples)]
        asked = [row for row, found in enumerate(words) if found is None]
        if asked:
            counts = samples[asked]
            for row, found in zip(asked, self.recognizer(wavs[asked, : int(counts.max())], counts), strict=True):
                words[row] = found
        return words

    @torch.no_grad()
    def _rows(self, words: Sequence[Word]) -> Tensor:
        """Rows of one clip, [K, e], at least one."""
        rows = [(word.probability if self.weighted else 1.0) * self.embed_text(f" {word.text}") for word in words]
        return torch.cat(rows) if rows else 0 * self.embed_text(" a")[:1]


def mean_log_probability(words: Sequence[Word]) -> float:
    """How sure the recogniser was of a clip's words, in nats a word.

    Arguments
    ---------
    words : sequence of Word
        Of one clip.

    Returns
    -------
    float
        Mean over the words, none of them below -5; of no words, -5.

    Example
    -------
    >>> mean_log_probability([Word("by", 1.0), Word("me", 0.0)]), mean_log_probability([])
    (-2.5, -5.0)
    """
    least = math.exp(LEAST_LOG_PROBABILITY)
    logs = [math.log(max(word.probability, least)) for word in words]
    return sum(logs) / len(logs) if logs else LEAST_LOG_PROBABILITY


class WordTokens(FrameTokens):
    """The adapter of :class:`RecognizedWords`: rows already are soft tokens, and a branch that is off is one zero row.

    Arguments
    ---------
    width : int
        Embedding width e.

    Example
    -------
    >>> WordTokens(4).off(torch.tensor([50, 20]), longest=50).embeddings.shape
    torch.Size([2, 1, 4])
    """

    def token_counts(self, frames: Tensor) -> Tensor:
        """Approximate tokens of clips with that many encoder frames, [B]; the number of words is known only later."""
        return estimated_tokens(frames)

    def off(self, frames: Tensor, longest: int) -> SoftTokens:
        """One zero vector for each clip, [B, 1, e]."""
        return silent_row(frames, self.width)


def build_recognized(
    encoder: SpeechEncoder,
    width: int,
    embed_text: EmbedText,
    recognizer: Recognizer | Callable[[], Recognizer] = WhisperRecognizer,
    weighted: bool = True,
) -> Branch:
    """Builds a content branch of recognised words.

    Arguments
    ---------
    encoder : SpeechEncoder
        Must have the recogniser's sample rate; the recogniser takes the waveform, not the states.
    width : int
        Embedding width of the decoder.
    embed_text : callable
        Maps a text to the embedding rows of its tokens, [K, e].
    recognizer : Recognizer or callable
        A recogniser, or a function that builds one.
    weighted : bool
        As for :class:`RecognizedWords`.

    Returns
    -------
    Branch

    Raises
    ------
    BackboneError
        If the encoder has another sample rate.

    Example
    -------
    >>> import tempfile
    >>> from functools import partial
    >>> from speechbrain_xser.testing import tiny_recognizer_folder
    >>> recognizer = partial(WhisperRecognizer, tiny_recognizer_folder(tempfile.mkdtemp()))
    >>> build_recognized(None, 4, lambda text: torch.zeros(1, 4), recognizer).adapter.width
    4
    """
    heard = recognizer if isinstance(recognizer, nn.Module) else recognizer()
    rates = [getattr(part, "sample_rate", None) for part in (encoder, heard)]
    if None not in rates and rates[0] != rates[1]:
        raise BackboneError(f"The encoder hears {rates[0]} Hz and the recogniser {rates[1]}: give two of one rate.")
    return Branch(RecognizedWords(heard, embed_text, width, weighted), WordTokens(width))
