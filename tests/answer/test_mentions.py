"""All labels that a paragraph names: just the record's own in every wording, and both of an answer that hedges."""

import random

import pytest

from speechbrain_xser.answer.mentions import labels_named, skeleton
from speechbrain_xser.answer.record import Descriptors, Record
from speechbrain_xser.answer.render import VARIANTS, render
from speechbrain_xser.answer.wellformed import is_malformed, repeated_share
from speechbrain_xser.answer.wording import write
from tests.answer.test_round_trip import random_record

FIELDS = ("gender", "pitch", "volume", "speed", "intonation")


def own(record):
    labels = {field: getattr(record.descriptors, field) for field in FIELDS} | {"emotion": record.emotion}
    return {field: (label,) for field, label in labels.items() if label is not None}


def plain(record):
    """Without the free texts of tests of hostility, which no model writes."""
    return record._replace(transcript="go on", descriptors=record.descriptors._replace(tone=None, topic="sports"))


def test_a_paragraph_of_any_wording_names_each_label_of_its_record_and_no_other():
    numbers = random.Random(1)
    for number in range(300):
        record = plain(random_record(numbers))
        for paragraph in (*(render(record, variant) for variant in range(len(VARIANTS))), write(record, str(number))):
            assert labels_named(paragraph) == own(record), paragraph


@pytest.mark.parametrize(
    ("paragraph", "field", "labels"),
    [
        ("A man or a woman speaks.", "gender", ("male", "female")),
        ("A man with low or high pitch.", "pitch", ("low", "high")),
        ("Low, normal and high pitch is heard.", "pitch", ("low", "normal", "high")),
        ("A man with low pitch, with high pitch.", "pitch", ("low", "high")),
        ("A man with low to moderate volume.", "volume", ("low", "normal")),
        ("Their pitch is low, normal or high.", "pitch", ("low", "normal", "high")),
        ("The volume was soft or loud, at a fast pace.", "volume", ("low", "high")),
        ("A pace either slow or rapid.", "speed", ("slow", "fast")),
        ("Intonation flat to lively is heard.", "intonation", ("flat", "lively")),
        ("The pitch is low. It is a high-pitched voice.", "pitch", ("high", "low")),
        ("A woman speaks slowly, at a fast pace.", "speed", ("fast", "slow")),
        ("Sounding sad, or angry, or happy.", "emotion", ("sad", "angry", "happy")),
    ],
)
def test_an_answer_that_has_not_decided_names_all_that_it_says(paragraph, field, labels):
    assert sorted(labels_named(paragraph)[field]) == sorted(labels)


def test_labels_of_other_fields_after_a_head_are_no_hedge():
    found = labels_named("Their pitch is low, a normal volume, slow pace; their loudness is high, a lively melody.")
    assert found == {"pitch": ("low",), "volume": ("normal", "high"), "speed": ("slow",), "intonation": ("lively",)}
    assert labels_named("The pitch is low and soft.")["pitch"] == ("low",)


def test_what_is_quoted_is_no_label_and_what_is_denied_is_no_emotion():
    assert labels_named('He says, "a sad old woman with low pitch", not happy, his anger evident.') == {
        "gender": ("male",),
        "emotion": ("angry",),
    }


@pytest.mark.parametrize(
    ("paragraph", "field", "labels"),
    [
        ("A man whose pitch is high or maybe low speaks.", "pitch", ("high", "low")),
        ("The pitch is high or very low.", "pitch", ("high", "low")),
        ("The pitch is low or even high.", "pitch", ("low", "high")),
        ("The pitch is first low, then high.", "pitch", ("low", "high")),
        ("A man with low or even high pitch.", "pitch", ("low", "high")),
        ("The volume is low/high.", "volume", ("low", "high")),
        ("The pitch is low, normal speaking rate.", "pitch", ("low",)),
        ("The pitch is low, normal speaking rate.", "speed", ("normal",)),
        ("The volume is low, regular breathing.", "volume", ("low",)),
        ("The volume is low and regular breathing is heard.", "volume", ("low",)),
        ("The pitch is high, low breathing.", "pitch", ("high",)),
    ],
)
def test_hedges_are_read_through_adverbs_and_a_word_for_something_else_is_none(paragraph, field, labels):
    assert labels_named(paragraph)[field] == labels


def test_two_paragraphs_of_one_template_have_one_skeleton_whatever_they_claim():
    first = Record("go on", Descriptors("male", None, "low", "high", "slow", emphasis=("on",)), "angry")
    other = Record("it is eleven", Descriptors("female", None, "high", "low", "fast", emphasis=("it",)), "sad")
    texts = [render(record, variant) for record in (first, other) for variant in (0, 1)]
    found = [skeleton(text.replace(" his ", " - ").replace(" her ", " - ")) for text in texts]
    assert found[0] == found[2] and found[1] == found[3] and found[0] != found[1]


@pytest.mark.parametrize(
    ("paragraph", "quotes", "malformed"),
    [
        ('A man says, "Go on".', True, False),
        ('A man says, "Go on", stressing the words "go" and "on".', True, False),
        ("A man speaks.", False, False),
        ("A man speaks.", True, True),
        ('A man says, "Go on".', False, True),
        ('A man says, "Go on', True, True),
        ('A man says, "Go on", or "Go".', True, True),
        ("", False, True),
        ("  ", True, True),
    ],
)
def test_an_answer_is_one_paragraph_with_one_closed_transcript(paragraph, quotes, malformed):
    assert is_malformed(paragraph, quotes) == malformed


@pytest.mark.parametrize(
    ("paragraph", "share"),
    [
        ("a man speaks slowly, and slowly, and slowly", 0),  # "and slowly" is said twice
        ("a man speaks slowly, and slowly, and slowly, and slowly", 5 / 10),  # all but "a man speaks" and the first two
        ("go go go go", 3 / 4),
        ("on and on, again and again", 0),
        ("low pitch, low pitch, low pitch, a man", 4 / 8),
        ("", 0),
    ],
)
def test_the_words_that_repeat_a_phrase_said_three_times_in_a_row_are_counted(paragraph, share):
    assert repeated_share(paragraph) == share
