"""Claims against the signal: compares what a paragraph says of a clip with what is measured and heard in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import exp
from statistics import median
from typing import NamedTuple

from torch import Tensor

from speechbrain_xser.annotator.analysis import Heard, hear
from speechbrain_xser.annotator.cutoffs import Bounds, Cutoffs, reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.emphasis import LEAST_PROMINENCE, emphasised
from speechbrain_xser.annotator.gender import MINIMUM_LOG_ODDS
from speechbrain_xser.annotator.intonation import FLAT_SEMITONES, LIVELY_SEMITONES
from speechbrain_xser.annotator.measures import Measures, measures_of
from speechbrain_xser.annotator.percentile import pitch_percentile
from speechbrain_xser.annotator.rate import rate_of
from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.answer.parse import descriptor_spans, emotion_span, parse
from speechbrain_xser.answer.record import VOCABULARIES, Record
from speechbrain_xser.answer.render import DOUBLE_QUOTES
from speechbrain_xser.answer.slots import find_slots
from speechbrain_xser.evidence.measurements import Measured, measured_of
from speechbrain_xser.evidence.quote_check import QuoteCheck, alignment_check, known_words_check
from speechbrain_xser.metrics.text_normalization import normalise

UNITS = {
    "gender": ("gender_log_odds", "% female"),
    "pitch": ("f0_hertz", "Hz"),
    "volume": ("level_decibels", "dB re full scale"),
    "speed": ("syllables_per_second", "syllables a second"),
    "intonation": ("f0_range_semitones", "semitones"),
}
STRESS_UNIT = "standard deviations above the other words"


class Examined(NamedTuple):
    """A paragraph beside its clip."""

    claims: list[Claim]  # in the paragraph's order
    measured: Measured  # of the clip, whatever the paragraph says


def check_claims(
    paragraph: str,
    wav: Tensor,
    transcript: str | None = None,
    cutoffs: Cutoffs | None = None,
    language: str = "en",
    sampling_rate: int | None = None,
) -> list[Claim]:
    """Compares what a paragraph says with the signal.

    Arguments
    ---------
    paragraph : str
        An answer.
    wav : Tensor, array, or a pair of one and its rate
        Its clip, [S] at 16 kHz, full scale 1; or as :func:`~speechbrain_xser.data.arrays.clip_of` takes it.
    transcript : str, optional
        What is actually said; by default what the paragraph quotes, once it fits the sound.
    cutoffs : Cutoffs, optional
        Where low ends and high begins; by default the package's references.
    language : str
        Language of the transcript.
    sampling_rate : int, optional
        Samples per second of the clip; rates other than 16000 are resampled.

    Returns
    -------
    list of Claim
        In the paragraph's order. Pitch is judged for the gender that the paragraph names. Age cannot be measured, nor
        can emphasis without a transcript. Emotion, tone and topic are not checked.

    Raises
    ------
    AudioError
        If the waveform is empty, not finite, or not a waveform.

    Example
    -------
    >>> import torch
    >>> tone = 0.5 * torch.sin(6.2832 * 400 * torch.arange(16000) / 16000)
    >>> claims = check_claims("An old woman with high pitch and low volume speaks, her anger evident.", tone)
    >>> [(claim.field, claim.verdict.value) for claim in claims if claim.field not in ("gender", "age")]
    [('pitch', 'supported'), ('volume', 'contradicted'), ('emotion', 'not checked')]
    >>> pitch = claims[2]
    >>> round(pitch.value), pitch.unit, pitch.expected  # high begins there
    (400, 'Hz', (225.85, None))
    """
    return examined(paragraph, hear(wav, sampling_rate=sampling_rate), transcript, cutoffs, language).claims


def examined(
    paragraph: str,
    heard: Heard,
    transcript: str | None = None,
    cutoffs: Cutoffs | None = None,
    language: str = "en",
    check: QuoteCheck | None = None,
) -> Examined:
    """As :func:`check_claims`, for a clip whose pitch and level are known already.

    ``check`` says whether the clip carries a quote; by default, the quote is compared with the transcript if that is
    given, and aligned with the sound otherwise.
    """
    cutoffs, record, spans = cutoffs or reference_cutoffs(), parse(paragraph), _spans(paragraph)
    by_sound = check or alignment_check(heard, language)
    words = _words(record.transcript, spans, by_sound if transcript is None else known_words_check(transcript))
    said = record.transcript if transcript is None else transcript
    measures = measures_of(heard, said, language)
    if transcript is None and words is not None and words.verdict is not Verdict.SUPPORTED:
        measures = measures._replace(**_counted_in_the_signal(heard))
    claims = [words, *claims_against(paragraph, measures, said, cutoffs)]
    placed = sorted(filter(None, claims), key=lambda claim: claim.span or (len(paragraph), 0))
    return Examined(placed, measured_of(heard, measures, cutoffs))


def claims_against(
    paragraph: str, measures: Measures, said: str | None = None, cutoffs: Cutoffs | None = None
) -> list[Claim]:
    """The same but for the words, for many paragraphs about a clip that is measured once.

    Arguments
    ---------
    paragraph : str
        An answer.
    measures : Measures
        Of its clip.
    said : str, optional
        The words that prominences were measured for.
    cutoffs : Cutoffs, optional
        As for :func:`check_claims`.

    Returns
    -------
    list of Claim
        About the voice, what is not checked, and emphasis.

    Example
    -------
    >>> found = claims_against("A man speaks slowly, sounding sad.", Measures(syllables_per_second=8.0))
    >>> [(claim.field, claim.verdict.value) for claim in found]
    [('gender', 'cannot be measured'), ('speed', 'contradicted'), ('emotion', 'not checked')]
    """
    cutoffs, record, spans = cutoffs or reference_cutoffs(), parse(paragraph), _spans(paragraph)
    claims = [*_voice(record, spans, measures, cutoffs, said), *_unchecked(record, spans)]
    return claims + [_stress(word, paragraph, said, measures) for word in record.descriptors.emphasis or ()]


def _spans(paragraph: str) -> dict[str, tuple[int, int]]:
    """Where the paragraph makes each claim but those of emphasis."""
    spans, emotion = {**descriptor_spans(paragraph), **find_slots(paragraph).spans}, emotion_span(paragraph)
    return spans if emotion is None else spans | {"emotion": emotion[:2]}


def _counted_in_the_signal(heard: Heard) -> dict:
    """The speed of a clip whose words are not known."""
    rate = rate_of(heard)
    return {"syllables_per_second": rate.syllables_per_second, "rate_from": rate.counted_from}


def _words(quote: str | None, spans: dict, check: QuoteCheck) -> Claim | None:
    """Whether the sound carries the quoted words."""
    if quote is None:
        return None
    found = check(quote)
    if found is None:
        return Claim("words", quote, spans.get("transcript"), Verdict.UNMEASURED, None, None, "")
    verdict = Verdict.SUPPORTED if found.fits else Verdict.CONTRADICTED
    expected = None if found.least is None else (found.least, None)
    told = (found.heard, found.value, found.unit, None, expected, found.by)
    return Claim("words", quote, spans.get("transcript"), verdict, *told)


def _voice(record: Record, spans: dict, measures: Measures, cutoffs: Cutoffs, said: str | None) -> list[Claim]:
    """Gender, age, pitch, volume, speed and intonation, as far as the paragraph names them."""
    found = descriptors_of(measures, cutoffs, said, record.descriptors.gender)
    found["gender"] = descriptors_of(measures, cutoffs)["gender"]  # from the signal alone
    gender = record.descriptors.gender or found["gender"]
    bounds = {
        "gender": (_percent(-MINIMUM_LOG_ODDS), _percent(MINIMUM_LOG_ODDS)),
        "pitch": cutoffs.pitch_hertz.get(gender),
        "volume": cutoffs.level_decibels,
        "speed": cutoffs.syllables_per_second,
        "intonation": (FLAT_SEMITONES, LIVELY_SEMITONES),
    }
    claims = []
    for field in ("gender", "age", *list(UNITS)[1:]):
        if (label := getattr(record.descriptors, field)) is not None:
            name, unit = UNITS.get(field, (None, ""))
            value = getattr(measures, name) if name else None
            value = _percent(value) if field == "gender" and value is not None else value
            percentile = pitch_percentile(value, gender) if field == "pitch" else None
            expected = _expected(field, label, bounds.get(field))
            verdict = _verdict(label, found.get(field))
            told = (found.get(field), value, unit, percentile, expected)
            claims.append(Claim(field, label, spans.get(field), verdict, *told))
    return claims


def _percent(log_odds: float) -> float:
    """How sure the signal is of a woman's voice."""
    return 100 / (1 + exp(-log_odds))


def _expected(field: str, label: str, bounds: Bounds | None) -> tuple[float | None, float | None] | None:
    """The values for which a label holds."""
    if bounds is None:
        return None
    low, high = bounds
    ranges = ((None, low), (high, None)) if field == "gender" else ((None, low), (low, high), (high, None))
    return ranges[VOCABULARIES[field].index(label)]


def _verdict(said: str, measured: str | None) -> Verdict:
    if measured is None:
        return Verdict.UNMEASURED
    return Verdict.SUPPORTED if said == measured else Verdict.CONTRADICTED


def _unchecked(record: Record, spans: dict) -> list[Claim]:
    """Emotion, tone and topic, with which nothing in the signal is compared."""
    said = {"emotion": record.emotion, "tone": record.descriptors.tone, "topic": record.descriptors.topic}
    return [
        Claim(field, label, spans.get(field), Verdict.UNCHECKED, None, None, "")
        for field, label in said.items()
        if label is not None
    ]


def _stress(word: str, paragraph: str, transcript: str | None, measures: Measures) -> Claim:
    """Whether a word stands out; if it occurs several times, its most prominent occurrence counts.

    A word that is not in the transcript cannot have been emphasised.
    """
    spoken, wanted = ([normalise(part) for part in text.split()] for text in (transcript or "", word))
    starts = [place for place in range(len(spoken)) if spoken[place : place + len(wanted)] == wanted]
    places = [start + place for start in starts for place in range(len(wanted))]
    span, least = _quoted(word, paragraph), (LEAST_PROMINENCE, None)
    if any(spoken) and not places:
        return Claim("emphasis", word, span, Verdict.CONTRADICTED, "not among the words", None, "")
    if not places or measures.prominences is None:
        return Claim("emphasis", word, span, Verdict.UNMEASURED, None, None, STRESS_UNIT, None, least)
    stressed = emphasised(transcript, measures.prominences)
    verdict = Verdict.SUPPORTED if set(wanted) & set(map(normalise, stressed)) else Verdict.CONTRADICTED
    value = max(measures.prominences[place] for place in places) - _usual(measures.prominences, spoken)
    return Claim("emphasis", word, span, verdict, ", ".join(stressed) or "no word", value, STRESS_UNIT, None, least)


def _usual(prominences: Sequence[float], spoken: Sequence[str]) -> float:
    """The median over all words that are more than punctuation."""
    return median(value for value, word in zip(prominences, spoken, strict=True) if word)


def _quoted(word: str, paragraph: str) -> tuple[int, int] | None:
    """The last quotation of exactly that word; the transcript's own words come before it."""
    places = list(re.finditer(f"[{DOUBLE_QUOTES}]{re.escape(word)}[{DOUBLE_QUOTES}]", paragraph))
    return (places[-1].start() + 1, places[-1].end() - 1) if places else None
