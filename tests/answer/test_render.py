"""Writing paragraphs: the published example's facts, one line, grammatical with anything missing."""

import re

import pytest

from speechbrain_xser.answer import VARIANTS, Descriptors, Record, describe, emotion_phrase, render
from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.errors import ManifestError

OLD_MAN = Descriptors("male", "elderly", "low", "normal", "slow", emphasis=("people",), topic="politics")
FIGURE = Record("The way he talks about people", OLD_MAN, "angry")


def test_the_first_variant_is_the_published_example():
    assert render(FIGURE) == (
        "Within the realm of politics, an old man with low pitch and moderate volume speaks at a slow pace, stating, "
        '"The way he talks about people", his anger evident, accentuating the word "people".'
    )


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
def test_facts_come_in_one_order_in_every_variant(variant):
    text = render(FIGURE._replace(descriptors=OLD_MAN._replace(intonation="lively")), variant)
    facts = 'politics|old man|low pitch|moderate volume|lively intonation|slow|The way|anger|angry|people[."]'
    order = [match[0] for match in re.finditer(facts, text.replace('people",', "", 1))]
    assert [fact[:4] for fact in order[:7]] == ["poli", "old ", "low ", "mode", "live", "slow", "The "]
    assert order[7] in ("anger", "angry") and order[8].startswith("people")


def test_the_variant_is_taken_modulo_the_number_of_variants():
    assert render(FIGURE, len(VARIANTS) + 1) == render(FIGURE, 1) != render(FIGURE, 0)


def test_there_are_at_least_three_variants():
    assert len({render(FIGURE, variant) for variant in range(len(VARIANTS))}) >= 3


def test_an_empty_record_is_still_a_sentence():
    assert [render(Record(), variant) for variant in range(3)] == [
        "A person speaks.",
        "A person talks.",
        "A person speaks.",
    ]


def test_a_description_holds_no_transcript():
    assert describe(FIGURE) == (
        "Within the realm of politics, an old man with low pitch and moderate volume speaks at a slow pace, "
        'his anger evident, accentuating the word "people".'
    )


def test_double_quotes_of_a_transcript_become_single_ones():
    assert render(Record('Say "no", “please”')) == "A person speaks, stating, \"Say 'no', 'please'\"."


def test_newlines_become_spaces():
    assert "\n" not in render(Record("a\nb\r\nc", Descriptors(topic="x\ny", tone="p\nq", emphasis=("u\nv",))))


def test_several_stressed_words_are_listed():
    record = Record(descriptors=Descriptors(emphasis=("a", "b", "c")))
    assert render(record, 1) == 'A person talks, stressing the words "a", "b" and "c".'


def test_the_article_fits_the_person():
    assert render(Record(descriptors=Descriptors(age="elderly"))).startswith("An old person")
    assert render(Record(descriptors=Descriptors(age="teenager"))).startswith("A teenager")


def test_an_unknown_label_is_refused_by_name():
    with pytest.raises(ManifestError, match="pitch is 'deep', expected one of low, normal, high"):
        render(Record(descriptors=Descriptors(pitch="deep")))


def test_the_words_of_different_emotions_differ_in_both_forms():
    for form in ("noun", "adjective"):
        assert len({emotion_phrase(emotion, form) for emotion in EMOTIONS}) == len(EMOTIONS)


def test_swapping_the_emotion_changes_nothing_but_its_word():
    for variant, words in enumerate(VARIANTS):
        swapped = {
            render(FIGURE._replace(emotion=emotion), variant).replace(emotion_phrase(emotion, words.form), "?", 1)
            for emotion in EMOTIONS
        }
        assert len(swapped) == 1
