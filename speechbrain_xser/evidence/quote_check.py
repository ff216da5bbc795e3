"""Whether the sound of a clip carries the words that a paragraph quotes.

Whisper's own decoder is asked where the model has it: a word fits if the decoder hears it, or finds it likely in its
place. What follows heard words that the quote leaves out has to be likely there. Without Whisper, the quote is aligned
with the sound, as eSpeak NG would read it; that finds a wrong sentence, but hardly ever a wrong word. How often each of
them is wrong is in docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.annotator.alignment import agreement
from speechbrain_xser.annotator.analysis import Heard
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.utils.stopping import may_stop

if TYPE_CHECKING:
    from speechbrain_xser.lobes.word_recognizer import Likely, WhisperRecognizer

LEAST_LIKELIHOOD = 0.005  # of a word that Whisper does not hear, beside the likeliest one in its place
LEAST_AGREEMENT = 0.02  # of a quote with the sound, above that of its words in reverse order
FEWEST_WORDS = 2  # of a quote that can be reversed


class Quoted(NamedTuple):
    """What was found about a quote."""

    fits: bool  # whether the sound carries it
    heard: str | None  # what is heard in its place; None where nothing recognises words
    value: float  # what decided it
    unit: str
    least: float | None  # of the value, for a quote that fits; None where only the same words do
    by: str  # what heard it, with its verb


QuoteCheck = Callable[[str], Quoted | None]  # None where nothing can be said of a quote


def whisper_check(recognizer: WhisperRecognizer, wav: Tensor) -> QuoteCheck:
    """Asks Whisper's decoder whether a clip carries a quote.

    Arguments
    ---------
    recognizer : WhisperRecognizer
        With its weights.
    wav : Tensor
        The clip, [S], at the recogniser's rate and on its device.

    Returns
    -------
    QuoteCheck

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.lobes.word_recognizer import WhisperRecognizer
    >>> from speechbrain_xser.testing import tiny_recognizer_folder
    >>> recognizer = WhisperRecognizer(tiny_recognizer_folder(tempfile.mkdtemp()))
    >>> check = whisper_check(recognizer, torch.randn(16000))
    >>> found = check("by the door")
    >>> found.fits == (found.value >= found.least), check("...") is None
    (True, True)
    """

    def check(quote: str) -> Quoted | None:
        if not (asked := as_sentence(quote)):
            return None
        may_stop()
        samples = torch.tensor([len(wav)], device=wav.device)
        encoded = recognizer.encode(wav[None], samples)
        [heard] = recognizer.recognize(encoded, samples)
        may_stop()
        return judged(asked, " ".join(word.text for word in heard), *recognizer.likelihoods(encoded, [asked]))

    return check


def as_sentence(quote: str) -> str:
    """A quote as Whisper would begin to write it: a capital letter, and no signs.

    Example
    -------
    >>> as_sentence("“BY, the door!”")
    'By the door'
    """
    return normalise(quote).capitalize()


def judged(asked: str, heard: str, likely: Likely) -> Quoted:
    """Whether each word of a quote, and its end, is heard in its place, or likely there.

    Example
    -------
    >>> from speechbrain_xser.lobes.word_recognizer import Likely
    >>> judged("Kids are talking", "Kids are walking.", Likely([1.0, 1.0, 0.02], 1.0)).fits
    True
    >>> judged("Kids are talking", "Kids are walking.", Likely([1.0, 1.0, 0.00002], 1.0)).fits
    False
    >>> judged("Kids", "Kids are walking.", Likely([1.0], 0.00002)).fits
    False
    """
    found = in_place(normalise(asked).split(), normalise(heard).split())
    least = 100 * min(1.0 if same else one for same, one in zip(found, [*likely.words, likely.end], strict=True))
    needed = 100 * LEAST_LIKELIHOOD
    return Quoted(least >= needed, heard or "nothing", least, "% likely", needed, "Whisper's decoder hears")


def in_place(words: Sequence[str], heard: Sequence[str]) -> list[bool]:
    """Which words of a quote are heard, and at last whether its end is; not if heard words are left out before them.

    Example
    -------
    >>> in_place("i am happy".split(), "i am not happy".split())
    [True, True, False, True]
    >>> in_place("kids are walking".split(), "kids are talking by the door".split())
    [True, True, False, False]
    """
    found = [*same_words(words, heard), True]
    for _, start, end, heard_start, heard_end in SequenceMatcher(None, words, heard, autojunk=False).get_opcodes():
        found[end] &= heard_end - heard_start <= end - start
    return found


def same_words(words: Sequence[str], others: Sequence[str]) -> list[bool]:
    """Which words occur among others, in the same order.

    Example
    -------
    >>> same_words("we go on and on".split(), "we go and on".split())
    [True, True, False, True, True]
    """
    found = [False] * len(words)
    for block in SequenceMatcher(None, words, others, autojunk=False).get_matching_blocks():
        found[block.a : block.a + block.size] = [True] * block.size
    return found


def alignment_check(heard: Heard, language: str = "en") -> QuoteCheck:
    """Aligns a quote with a clip; nothing is said of a clip without speech, or of a quote of one word.

    Example
    -------
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> from speechbrain_xser.annotator.pronunciation import read
    >>> reading = read("the garden behind the house was quiet")
    >>> heard = hear(torch.from_numpy(reading.wave), sampling_rate=reading.sample_rate)
    >>> check = alignment_check(heard)
    >>> [check(quote).fits for quote in ("The garden behind the house was quiet.", "Maybe tomorrow it will be cold.")]
    [True, False]
    """

    def check(quote: str) -> Quoted | None:
        words = normalise(quote).split()
        found = agreement(heard, quote, language) if len(words) >= FEWEST_WORDS else None
        if found is None:
            return None
        told = (None, found, "agreement", LEAST_AGREEMENT, "aligned with the sound")
        return Quoted(found >= LEAST_AGREEMENT, *told)

    return check


def known_words_check(transcript: str) -> QuoteCheck:
    """Compares a quote with what is known to be said.

    Example
    -------
    >>> check = known_words_check("Go on!")
    >>> check("go on").fits, check("go away").fits, round(check("go away").value)
    (True, False, 50)
    """

    def check(quote: str) -> Quoted | None:
        words = normalise(quote).split()
        if not words:
            return None
        known = normalise(transcript).split()
        share = 100 * sum(same_words(words, known)) / max(len(words), len(known))
        return Quoted(words == known, transcript, share, "% the same", None, "the transcript says")

    return check
