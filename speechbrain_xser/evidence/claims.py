"""Claims against the signal: compares each descriptor of a paragraph with the annotator's measurement of the clip."""

from __future__ import annotations

import re

from torch import Tensor

from speechbrain_xser.annotator.analysis import Heard, hear
from speechbrain_xser.annotator.cutoffs import Cutoffs, reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.emphasis import emphasised
from speechbrain_xser.annotator.measures import Measures, measures_of
from speechbrain_xser.annotator.percentile import pitch_percentile
from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.answer.parse import descriptor_spans, parse
from speechbrain_xser.answer.record import Record
from speechbrain_xser.answer.render import DOUBLE_QUOTES

UNITS = {
    "gender": ("gender_log_odds", "nats, positive is female"),
    "pitch": ("f0_hertz", "Hz"),
    "volume": ("level_decibels", "dB re full scale"),
    "speed": ("syllables_per_second", "syllables a second"),
    "intonation": ("f0_range_semitones", "semitones"),
}


def check_claims(
    paragraph: str,
    wav: Tensor,
    transcript: str | None = None,
    cutoffs: Cutoffs | None = None,
    language: str = "en",
    sampling_rate: int | None = None,
) -> list[Claim]:
    """Compares each descriptor of a paragraph with the signal.

    Arguments
    ---------
    paragraph : str
        An answer.
    wav : Tensor, array, or a pair of one and its rate
        Its clip, [S] at 16 kHz, full scale 1; or as :func:`~speechbrain_xser.data.arrays.clip_of` takes it.
    transcript : str, optional
        What is actually said; by default what the paragraph quotes.
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
        can emphasis of a word that is not in the transcript.

    Raises
    ------
    AudioError
        If the waveform is empty, not finite, or not a waveform.

    Example
    -------
    >>> import torch
    >>> tone = 0.5 * torch.sin(6.2832 * 400 * torch.arange(16000) / 16000)
    >>> claims = check_claims("An old woman with high pitch and low volume speaks.", tone)
    >>> [(claim.field, claim.verdict.value) for claim in claims if claim.field != "gender"]
    [('age', 'cannot be measured'), ('pitch', 'supported'), ('volume', 'contradicted')]
    """
    return claims_of(paragraph, hear(wav, sampling_rate=sampling_rate), transcript, cutoffs, language)


def claims_of(
    paragraph: str,
    heard: Heard,
    transcript: str | None = None,
    cutoffs: Cutoffs | None = None,
    language: str = "en",
) -> list[Claim]:
    """As :func:`check_claims`, for a clip whose pitch and level are known already."""
    record = parse(paragraph)
    said = transcript if transcript is not None else record.transcript
    measures = measures_of(heard, said, language)
    found = descriptors_of(measures, cutoffs or reference_cutoffs(), said, record.descriptors.gender)
    found["gender"] = descriptors_of(measures, cutoffs or reference_cutoffs())["gender"]  # from the signal alone
    spans = descriptor_spans(paragraph)
    claims = [_claim(field, record, spans.get(field), found, measures) for field in ("gender", "age", *list(UNITS)[1:])]
    claims += [_stress(word, paragraph, said, measures) for word in record.descriptors.emphasis or ()]
    return sorted((claim for claim in claims if claim is not None), key=lambda claim: claim.span or (len(paragraph), 0))


def _claim(field: str, record: Record, span: tuple[int, int] | None, found: dict, measures: Measures) -> Claim | None:
    said = getattr(record.descriptors, field)
    if said is None:
        return None
    name, unit = UNITS.get(field, (None, ""))
    measured, value = found.get(field), getattr(measures, name) if name else None
    gender = record.descriptors.gender or found["gender"]
    percentile = pitch_percentile(value, gender) if field == "pitch" else None
    return Claim(field, said, span, _verdict(said, measured), measured, value, unit, percentile)


def _verdict(said: str, measured: str | None) -> Verdict:
    if measured is None:
        return Verdict.UNMEASURED
    return Verdict.SUPPORTED if said == measured else Verdict.CONTRADICTED


def _stress(word: str, paragraph: str, transcript: str | None, measures: Measures) -> Claim:
    """Whether a word stands out; if it occurs several times, its most prominent occurrence counts."""
    spoken = [_bare(part) for part in (transcript or "").split()]
    places = [place for place, part in enumerate(spoken) if part == _bare(word)]
    span, unit = _quoted(word, paragraph), "standard deviations"
    if not places or measures.prominences is None:
        return Claim("emphasis", word, span, Verdict.UNMEASURED, None, None, unit)
    stressed = emphasised(transcript, measures.prominences)
    verdict = Verdict.SUPPORTED if _bare(word) in map(_bare, stressed) else Verdict.CONTRADICTED
    value = max(measures.prominences[place] for place in places)
    return Claim("emphasis", word, span, verdict, ", ".join(stressed) or None, value, unit)


def _quoted(word: str, paragraph: str) -> tuple[int, int] | None:
    """The last quotation of exactly that word; the transcript's own words come before it."""
    places = list(re.finditer(f"[{DOUBLE_QUOTES}]{re.escape(word)}[{DOUBLE_QUOTES}]", paragraph))
    return (places[-1].start() + 1, places[-1].end() - 1) if places else None


def _bare(word: str) -> str:
    return re.sub(r"^\W+|\W+$", "", word).lower()
