"""Counts the syllables of a transcript in eSpeak NG's phonemes, and those of a signal as peaks of its level.

eSpeak reads numbers and abbreviations and knows about a hundred languages, which no dictionary does. Without a
transcript, a syllable is a voiced peak of the level between two dips (N. de Jong and T. Wempe, "Praat script to detect
syllable nuclei and measure speech rate automatically", Behavior Research Methods 41(2), 2009).
"""

from __future__ import annotations

import re
import unicodedata

import torch

from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard
from speechbrain_xser.annotator.language import voice_of
from speechbrain_xser.annotator.peaks import find_peaks
from speechbrain_xser.data.synthetic.espeak import Espeak
from speechbrain_xser.errors import SettingsError

CHINESE_VOICES = ("cmn", "yue", "hak")
CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")  # one syllable each in these voices; others cannot read them
VOWELS = frozenset("aeiouyæøœɐɑɒɔəɘɚɛɜɝɞɤɨɪɯɵɶʉʊʌʏᵻᵊ\u0329")  # plus the mark of a syllabic consonant
DIP_DECIBELS = 1.0  # between two nuclei; the 2 dB of de Jong and Wempe missed more of them
FAINT_DECIBELS = 25.0  # a peak further below the loudest is not a nucleus
SMOOTHED_SECONDS = 0.050  # shorter than a syllable, longer than a pitch period


def count_syllables(transcript: str, language: str = "en") -> int | None:
    """Counts the syllables of a text as it is read aloud; None for Chinese characters in another language.

    Example
    -------
    >>> count_syllables("Kids are talking by the door"), count_syllables("It is 42, Dr. No!")
    (7, 8)
    """
    voice = voice_of(language)
    rest, characters = CHINESE.subn(" ", transcript)
    if characters and voice not in CHINESE_VOICES:
        return None
    words = rest.lower() if rest.isupper() and " " in rest.strip() else rest  # a text all in capitals is not an acronym
    phonemes = unicodedata.normalize("NFD", _phonemes(words, voice)).replace(" ", "_").split("_")
    return characters + sum(not VOWELS.isdisjoint(phoneme) for phoneme in phonemes)


def count_nuclei(heard: Heard) -> int:
    """Counts voiced peaks of the level; weak syllables are missed, so it is mostly below the transcript's count."""
    frames = round(SMOOTHED_SECONDS / HOP_SECONDS)
    window = torch.hann_window(frames + 2)[1:-1]
    power = torch.nn.functional.pad(10 ** (heard.decibels / 10), (frames // 2, frames // 2))
    level = 10 * ((power.unfold(0, frames, 1) * window).sum(1) / window.sum()).log10()
    inside = torch.nn.functional.pad(level, (1, 1), value=-200.0).numpy()  # a peak may lie at either end
    peaks = find_peaks(inside, height=inside.max() - FAINT_DECIBELS, prominence=DIP_DECIBELS)
    return int((heard.speech & (heard.hertz > 0))[torch.from_numpy(peaks) - 1].sum())


def _phonemes(text: str, voice: str) -> str:
    """IPA of a text, phonemes separated by underscores and words by spaces."""
    try:
        return Espeak().phonemes(text, voice)
    except ValueError as error:
        raise SettingsError(
            f"language {voice!r}: eSpeak NG has no such voice, expected en, de, zh or another it knows."
        ) from error
