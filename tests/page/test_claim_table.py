"""The table of claims, and the numbers in it."""

from typing import NamedTuple

import pytest
import torch

from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.evidence.claims import check_claims
from speechbrain_xser.page.claim_table import claim_text, claims_table
from speechbrain_xser.page.numbers import ordinal, percent, plain, signed
from tests.page.reading import Reader


class Ranked(NamedTuple):
    """A claim with its percentile among other clips."""

    field: str = "pitch"
    said: str = "low"
    span: tuple | None = (0, 3)
    verdict: Verdict = Verdict.SUPPORTED
    measured: str | None = "low"
    value: float | None = 98.04
    unit: str = "Hz"
    percentile: float | None = 12.3
    expected: tuple | None = (None, 124.7)
    by: str = ""


def test_a_row_has_claim_measure_and_verdict():
    page = Reader(claims_table([Claim("pitch", "low", None, Verdict.CONTRADICTED, "high", 231.4, "Hz")]))
    assert [told in page.text for told in ("pitch", "low", "high", "231 Hz", "✗ contradicted")] == [True] * 5
    assert len(page.of("th", scope="col")) == 5 and len(page.of("th", scope="row")) == 1 and not page.faults


def test_a_percentile_is_shown_if_there_is_one():
    assert "98 Hz, 12th percentile; low ends at 125 Hz" in Reader(claims_table([Ranked()])).text
    assert "12th percentile" in claim_text(Ranked()) and "percentile" not in claim_text(Ranked(percentile=None))


def test_what_cannot_be_measured_has_no_number():
    page = Reader(claims_table([Claim("age", "elderly", (0, 2), Verdict.UNMEASURED, None, None, "")]))
    assert "–" in page.text and "None" not in page.text and "? cannot be measured" in page.text


def test_the_emphasised_word_is_text_and_never_a_tag():
    page = Reader(claims_table([Claim("emphasis", "<b>", None, Verdict.UNMEASURED, "<u>", 1.0, "standard <i>")]))
    assert not {"b", "u", "i"} & {tag for tag, _ in page.elements} and "standard <i>" in page.text


def test_the_words_are_shown_beside_those_that_are_heard():
    heard = ("by the floor", 0.02, "% likely", None, (0.1, None), "Whisper's decoder hears")
    claim = Claim("words", "by the door", None, Verdict.CONTRADICTED, *heard)
    page = Reader(claims_table([claim])).text
    assert "Whisper's decoder hears by the floor" in page and "0.02 % likely; what fits begins at 0.1 % likely" in page
    assert "said by the door, Whisper's decoder hears by the floor (0.02 % likely; what" in claim_text(claim)


def test_words_compared_with_a_transcript_are_told_in_english_and_without_a_bound():
    [claim] = check_claims('A man says, "go away".', torch.zeros(16000), transcript="Go on!")[1:]
    told = "words: said go away, the transcript says Go on! (50 % the same); contradicted"
    assert claim_text(claim) == told and "the transcript says Go on!" in Reader(claims_table([claim])).text


def test_words_that_are_aligned_with_the_sound_have_no_others_beside_them():
    aligned = (None, 0.31, "agreement", None, (0.02, None), "aligned with the sound")
    told = claim_text(Claim("words", "by the door", None, Verdict.SUPPORTED, *aligned))
    assert told.startswith("words: said by the door, aligned with the sound (0.31 agreement; what fits begins")


def test_what_is_not_checked_says_so():
    page = Reader(claims_table([Claim("emotion", "angry", (0, 2), Verdict.UNCHECKED, None, None, "")]))
    assert "○ not checked" in page.text and page.of("td", class_="xser-unchecked")


def test_no_claim_is_a_sentence():
    assert Reader(claims_table([])).text == "The paragraph says nothing of the voice."


@pytest.mark.parametrize(("value", "told"), [(0, "0.0 %"), (0.5, "50.0 %"), (0.0004, "<0.1 %"), (1, "100.0 %")])
def test_shares_are_percents(value, told):
    assert percent(value) == told


def test_numbers_have_the_digits_that_count():
    assert [plain(1234.5), plain(-0.01234), plain(-2e-5)] == ["1234", "−0.0123", "0"]
    assert [signed(0.004), signed(-12.346), signed(0.5)] == ["0.00", "−12.35", "+0.50"]
    assert [ordinal(value) for value in (0, 22, 111, 99.6)] == ["0th", "22nd", "111th", "100th"]
