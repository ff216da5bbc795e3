"""A paragraph with claims as a reader sees it: words unchanged, each claim marked by its verdict."""

import re

import pytest

from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.page.paragraph import legend, marked_paragraph
from tests.page.reading import Reader

TEXT = "A young man with low pitch speaks."
YES, NO, OPEN = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNMEASURED


def claim(verdict=YES, span=(17, 26), said="low", measured="low", value=98.0):
    return Claim("pitch", said, span, verdict, measured, value, "Hz")


def marks(page: str) -> list[tuple[str, str]]:
    """Verdict class and words of each marked piece."""
    found = re.findall(r'<mark class="xser-claim xser-(\w+)"[^>]*>(.*?)</mark>', page, re.S)
    return [(kind, re.sub("<span.*?</span>", "", words)) for kind, words in found]


@pytest.mark.parametrize(
    ("verdict", "kind", "sign"),
    [
        (YES, "supported", "✓"),
        (NO, "contradicted", "✗"),
        (OPEN, "unmeasured", "?"),
        (Verdict.UNCHECKED, "unchecked", "○"),
    ],
)
def test_a_claim_has_the_line_and_the_sign_of_its_verdict(verdict, kind, sign):
    page = marked_paragraph(TEXT, [claim(verdict)])
    assert marks(page) == [(kind, "low pitch")] and Reader(page).text == f"A young man with low pitch{sign} speaks."


def test_the_tooltip_shows_the_measurement():
    [mark] = Reader(marked_paragraph(TEXT, [claim(NO, measured="high", value=231.4)])).of("mark")
    assert mark["title"] == "pitch: said low, measured high (231 Hz); contradicted"


def test_a_claim_inside_another_keeps_its_own_verdict_and_both_have_a_sign():
    page = marked_paragraph(TEXT, [claim(OPEN, (2, 11)), claim(NO, (8, 11))])
    assert marks(page) == [("unmeasured", "young "), ("contradicted", "man")]
    assert Reader(page).text == "A young man?✗ with low pitch speaks."


def test_claims_that_cross_each_other_leave_no_tag_open():
    page = marked_paragraph(TEXT, [claim(YES, (2, 16)), claim(NO, (8, 26))])
    assert not Reader(page).faults
    assert marks(page) == [("supported", "young "), ("contradicted", "man with"), ("contradicted", " low pitch")]
    assert Reader(page).text.replace("✓", "").replace("✗", "") == TEXT


@pytest.mark.parametrize("span", [None, (5, 5), (90, 99), (-9, 0)])
def test_a_claim_without_a_place_in_the_text_marks_nothing(span):
    assert marked_paragraph(TEXT, [claim(span=span)]) == f'<p class="xser-paragraph">{TEXT}</p>'


def test_a_span_beyond_the_end_is_marked_to_the_end():
    page = marked_paragraph(TEXT, [claim(span=(27, 99))])
    assert marks(page) == [("supported", "speaks.")] and Reader(page).text.endswith("speaks.✓")


def test_text_of_the_model_is_text_and_never_a_tag():
    text = "<img src=x onerror=\"alert(1)\"> & 'quotes' </p><script>alert(2)</script>"
    page = marked_paragraph(text, [claim(span=(0, 8), said='"><script>', measured="<b>")])
    reader = Reader(page)
    assert not reader.faults and reader.text.replace("✓", "") == text
    assert {tag for tag, _ in reader.elements} == {"p", "mark", "span"}
    assert '"><script>' in reader.of("mark")[0]["title"]


def test_an_empty_paragraph_is_empty():
    assert Reader(marked_paragraph("", [claim(span=(0, 3))])).text == ""


def test_the_legend_explains_every_sign():
    assert [sign in Reader(legend()).text for sign in "✓✗?○"] == [True] * 4
