"""The packaged bounds, and what the documentation says about them."""

import re
from pathlib import Path

import pytest

from speechbrain_xser.annotator.cutoffs import reference_cutoffs

PAGE = Path(__file__).parents[2] / "docs" / "annotator.md"


@pytest.fixture(scope="module")
def stated() -> list[float]:
    """Men, women, level and speed: eight numbers."""
    text = PAGE.read_text(encoding="utf-8").replace("\n", " ")
    sentence = re.search(r"single file can be described: (.*? syllables a second)", text).group(1)
    return [float(number) for number in re.findall(r"-?\d+\.\d+", sentence)]


def test_the_documentation_states_the_reference_bounds(stated):
    found = reference_cutoffs()
    pitch = [*found.pitch_hertz["male"], *found.pitch_hertz["female"]]
    assert stated == pytest.approx([*pitch, *found.level_decibels, *found.syllables_per_second], abs=0.06)


def test_the_reference_names_its_speech():
    assert re.search(r"CREMA-D .*LibriSpeech .*6266 clips", reference_cutoffs().source)


def test_men_are_lower_than_women_by_the_reference():
    bounds = reference_cutoffs().pitch_hertz
    assert bounds["male"][0] < bounds["female"][0] and bounds["male"][1] < bounds["female"][1]
