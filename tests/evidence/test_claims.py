"""Claims of paragraphs beside signals whose pitch, level and words are known."""

import pytest
import torch

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.cutoffs import reference_cutoffs
from speechbrain_xser.annotator.gender import MINIMUM_LOG_ODDS, gender_log_odds
from speechbrain_xser.annotator.pronunciation import read
from speechbrain_xser.answer.claim import Verdict
from speechbrain_xser.data.waveform import resampled
from speechbrain_xser.evidence.claims import check_claims, examined

TIME = torch.arange(16000) / 16000


def tone(hertz, level):
    """A second of a steady tone at an RMS level in dB re full scale."""
    return 10 ** (level / 20) * 2**0.5 * torch.sin(2 * torch.pi * hertz * TIME)


def verdicts(paragraph, wav, **options):
    return {claim.field: claim for claim in check_claims(paragraph, wav, **options)}


VERDICTS = {"low": "contradicted", "normal": "contradicted", "high": "supported"}


@pytest.mark.parametrize(("word", "verdict"), VERDICTS.items())
def test_pitch_is_judged_by_the_hertz_for_the_gender_that_is_named(word, verdict):
    _, high = reference_cutoffs().pitch_hertz["male"]
    found = verdicts(f"A man with {word} pitch speaks.", tone(high * 1.3, -20))["pitch"]
    assert found.verdict == verdict and found.measured == "high" and found.unit == "Hz"
    assert found.value == pytest.approx(high * 1.3, rel=0.01)


def test_level_is_judged_by_the_decibels():
    low, high = reference_cutoffs().level_decibels
    found = [verdicts("A man with low volume speaks.", tone(150, level))["volume"] for level in (low - 6, high + 3)]
    assert [claim.verdict for claim in found] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert found[0].value == pytest.approx(low - 6, abs=0.5)


def test_every_claim_says_where_the_paragraph_makes_it():
    text = 'An old man with low pitch and high volume speaks at a slow pace, stating, "so be it", his anger evident.'
    found = check_claims(text, tone(150, -20))
    said = [(claim.field, text[slice(*claim.span)]) for claim in found]
    assert said == [
        ("age", "old man"),
        ("gender", "man"),
        ("pitch", "low pitch"),
        ("volume", "high volume"),
        ("speed", "slow pace"),
        ("words", "so be it"),
        ("emotion", "anger"),
    ]


def test_an_unmeasurable_claim_is_marked_as_such():
    found = verdicts('An old man with low pitch speaks, stressing the word "never".', torch.zeros(16000))
    assert {claim.verdict for claim in found.values()} == {Verdict.UNMEASURED}
    assert [found["pitch"].value, found["emphasis"].measured] == [None, None]


def test_an_emphasised_word_is_judged_by_its_prominence():
    """eSpeak speaks the words; one is 18 dB louder, so that it stands out."""
    text = "the garden behind the house was quiet"
    reading = read(text)
    wave = torch.from_numpy(reading.wave.copy())
    start, seconds = reading.words[1].start_seconds, reading.words[1].seconds
    wave[int(start * reading.sample_rate) : int((start + seconds) * reading.sample_rate)] *= 8
    wav = 0.1 * resampled(wave, reading.sample_rate, 16000, "spoken")
    paragraph = f'A man speaks, stating, "{text}", accentuating the word "{{}}".'
    stressed, other = (verdicts(paragraph.format(word), wav)["emphasis"] for word in ("garden", "was"))
    assert (stressed.verdict, other.verdict) == (Verdict.SUPPORTED, Verdict.CONTRADICTED)
    assert "garden" in other.measured and stressed.value > other.value
    assert paragraph.format("garden")[slice(*stressed.span)] == "garden"


def test_a_word_that_was_not_spoken_cannot_have_been_emphasised():
    found = verdicts('A man speaks, stating, "so be it", accentuating the word "never".', tone(150, -20))
    assert found["emphasis"].verdict == Verdict.CONTRADICTED and found["emphasis"].measured == "not among the words"


def test_an_emphasised_phrase_is_looked_for_as_a_whole():
    text = "we never go to New York in spring"
    wav = torch.from_numpy(read(text).wave), read(text).sample_rate
    paragraph = f'A man speaks, stating, "{text}", accentuating the words "{{}}".'
    told = [verdicts(paragraph.format(words), wav)["emphasis"].value for words in ("New York", "New Spring")]
    assert told[0] is not None and told[1] is None


BOUNDS = {
    "low": lambda low, high: (None, low),
    "normal": lambda low, high: (low, high),
    "high": lambda low, high: (high, None),
}


@pytest.mark.parametrize("word", BOUNDS)
def test_a_claim_says_what_would_fit_it(word):
    paragraph = f"A man with {word} pitch and {word} volume speaks."
    found, cutoffs = verdicts(paragraph, tone(150, -20)), reference_cutoffs()
    assert found["pitch"].expected == BOUNDS[word](*cutoffs.pitch_hertz["male"])
    assert found["volume"].expected == BOUNDS[word](*cutoffs.level_decibels)


def test_the_gender_is_told_as_a_probability():
    """By the logistic function, both what was measured and what would be the least."""
    found = verdicts("A woman speaks.", tone(150, -20))["gender"]
    log_odds = gender_log_odds(hear(tone(150, -20)))
    assert found.value == pytest.approx(100 * torch.sigmoid(torch.tensor(log_odds)).item(), rel=1e-4)
    assert found.expected == (pytest.approx(100 * torch.sigmoid(torch.tensor(MINIMUM_LOG_ODDS)).item()), None)


def test_emotion_tone_and_topic_are_not_checked():
    text = "Talking about sports, a man speaks in a calm tone, his anger evident."
    found = check_claims(text, tone(150, -20))
    told = {claim.field: text[slice(*claim.span)] for claim in found if claim.verdict == Verdict.UNCHECKED}
    assert told == {"topic": "sports", "tone": "calm", "emotion": "anger"}


SPOKEN, OTHER = "the garden behind the house was quiet", "maybe tomorrow it will be cold again"


def test_a_quote_that_the_sound_does_not_carry_is_contradicted_and_counts_no_syllables():
    reading = read(SPOKEN)
    wav = torch.from_numpy(reading.wave), reading.sample_rate
    own, other = (examined(f'A man says, "{quote}".', hear(*wav_at(wav))) for quote in (SPOKEN, OTHER))
    assert [found.claims[-1].verdict for found in (own, other)] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert [found.measured.rate_from for found in (own, other)] == ["transcript", "signal"]


def wav_at(wav):
    """A clip, the usual tracker, and its rate, as ``hear`` takes them."""
    return wav[0], "correlation", wav[1]


def test_a_quote_is_compared_with_a_known_transcript():
    paragraph = f'A man says, "{SPOKEN}".'
    found = [verdicts(paragraph, tone(150, -20), transcript=text)["words"] for text in (SPOKEN.upper(), OTHER)]
    assert [claim.verdict for claim in found] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert found[1].measured == OTHER and found[1].by == "the transcript says"


def test_pitch_stands_at_its_percentile_among_voices_of_the_gender_that_is_named():
    low, high = (reference_cutoffs().pitch_hertz["female"][place] for place in (0, 1))  # the 10th and 60th percentile
    found = [verdicts("A woman with low pitch speaks.", tone(hertz, -20))["pitch"].percentile for hertz in (low, high)]
    assert found == [pytest.approx(10, abs=2), pytest.approx(60, abs=2)]
    assert verdicts("A man with low volume speaks.", tone(150, -20))["volume"].percentile is None
