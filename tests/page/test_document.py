"""A whole page: it needs no other file, and follows the reader's light or dark scheme."""

import re

import pytest

from speechbrain_xser.evidence.clip_evidence import gather_evidence
from speechbrain_xser.page.document import STYLE, document
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.testing import tiny_manifest
from tests.page.reading import Reader


@pytest.fixture(scope="module")
def evidence(tmp_path_factory, unchecked):
    place = tmp_path_factory.mktemp("clips")
    tiny_manifest(place, clips=1)
    wav = unchecked.load_audio(place / "train" / "000.wav")
    return gather_evidence(unchecked, wav, voice=wav.flip(0))


def test_a_page_fetches_nothing_and_runs_nothing(evidence):
    page = document("A clip", evidence_sections(evidence))
    assert not re.search(r"(src|href)\s*=\s*['\"]?(?!['\"]?data:)|url\(|@import|<script|https?://", page)


def test_tags_are_closed_in_their_order(evidence):
    assert not Reader(evidence_sections(evidence)).faults


def test_the_page_shows_everything(evidence):
    text = Reader(evidence_sections(evidence)).text
    assert evidence.explanation.transcript in text
    assert all(emotion in text for emotion in evidence.explanation.probabilities)
    assert "the other clip's" in text and "Voice or words" in text and "cannot be measured" in text


def test_without_another_voice_none_is_shown(evidence):
    alone = evidence._replace(swapped=None, average=None)
    assert "Another voice" not in evidence_sections(alone)
    assert "the mean voice" in evidence_sections(alone._replace(average=evidence.swapped))


def test_an_empty_answer_still_makes_a_page(evidence):
    empty = evidence.explanation._replace(paragraph="", transcript=None, emotion=None)
    text = Reader(evidence_sections(evidence._replace(explanation=empty, claims=[]))).text
    assert "names none" in text and "quotes no words" in text and "says nothing of the voice" in text


def test_title_and_script_are_where_they_belong():
    page = document("</title><b>", "<p>body</p>", script="let a = 1;")
    assert "<b>" not in page and page.index("<p>body</p>") < page.index("<script>let a = 1;</script>")


def test_every_css_rule_is_about_a_class_of_the_page():
    bare = re.sub(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", r"\1", STYLE)
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", bare) for part in re.split(r",(?![^(]*\))", rule)]
    assert [each for each in selectors if not each.startswith((".xser-", ":root", ".dark"))] == []


def test_both_schemes_set_the_same_colours_and_every_colour_that_is_used():
    light, in_document, in_dark = (
        set(re.findall(r"(--xser-[a-z]+):", block)) for block in re.findall(r"\{([^{}]*--xser-surface:[^{}]*)\}", STYLE)
    )
    assert light == in_document == in_dark == set(re.findall(r"var\((--xser-[a-z]+)\)", STYLE))
