"""Reading paragraphs: other wordings, truncated or empty answers, text that only looks like a label."""

import random

import pytest

from speechbrain_xser.answer import Descriptors, Record, emotion_phrase, emotion_span, parse, render
from speechbrain_xser.answer.record import EMOTIONS

PUBLISHED = {
    "Expressing angry in the domain of news and politics, an old male with a normal pitch and energy speaks rapidly.": (
        Record(None, Descriptors("male", "elderly", "normal", "normal", "fast", topic="news and politics"), "angry")
    ),
    "A happy teenage girl with normal pitch and high volume speaks slowly, expressing her thoughts.": (
        Record(None, Descriptors("female", "teenager", "normal", "high", "slow"), "happy")
    ),
    'A fast-paced talk with a youth female with low pitch and low volume: "Were you born in Spain, Pablo?", '
    'uttering "Spain" with particular stress.': (
        Record(
            "Were you born in Spain, Pablo?",
            Descriptors("female", "youth adult", "low", "low", "fast", emphasis=("Spain",)),
        )
    ),
    "Speaking with a natural tone and at a normal speed, a young girl with normal pitch and low volume says, "
    '"\'It is a story,\' Sara would answer.", highlighting "story" with pronounced emphasis.': (
        Record(
            "'It is a story,' Sara would answer.",
            Descriptors("female", "child", "normal", "low", "normal", emphasis=("story",), tone="natural"),
            "neutral",
        )
    ),
    "Within the realm of politics, an old man with low pitch and moderate volume expresses his opinion at a slow pace, "
    'stating, "The way he talks about people", his anger evident in his speech, accentuating the word "people" '
    "distinctly.": (
        Record(
            "The way he talks about people",
            Descriptors("male", "elderly", "low", "normal", "slow", emphasis=("people",), topic="politics"),
            "angry",
        )
    ),
    "The speaker speaks in low pitch, high volume and fast speed.": (
        Record(None, Descriptors(pitch="low", volume="high", speed="fast"))
    ),
    "The woman's voice is high-pitched, and delivered rapidly.": (
        Record(None, Descriptors(gender="female", pitch="high", speed="fast"))
    ),
}


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_wordings_are_read(text):
    assert parse(text) == PUBLISHED[text]


@pytest.mark.parametrize(
    "text, field, label",
    [
        ("a lady speaks loudly", "gender", "female"),
        ("a lady speaks loudly", "volume", "high"),
        ("he whispers", "gender", "male"),
        ("in a quiet way", "volume", "low"),
        ("softly spoken", "volume", "low"),
        ("a middle aged woman", "age", "middle-aged"),
        ("a young adult", "age", "youth adult"),
        ("a little boy", "age", "child"),
        ("the pitch is high", "pitch", "high"),
        ("a deep voice", "pitch", "low"),
        ("she talks quickly", "speed", "fast"),
        ("at a moderate pace", "speed", "normal"),
        ("a monotone", "intonation", "flat"),
        ("an adult male", "age", None),
        ("a human being", "gender", None),
        ("a ten-year-old boy", "age", "child"),
    ],
)
def test_common_words_are_read(text, field, label):
    assert getattr(parse(text).descriptors, field) == label


def test_a_missing_fact_is_unknown():
    assert parse("Forty-two is what everybody hears.") == Record()


def test_an_empty_answer_is_unknown():
    assert parse("") == parse('""') == parse(' "  ') == Record()


def test_a_transcript_that_looks_like_a_paragraph_stays_a_transcript():
    spoken = "a happy old woman with high pitch speaks rapidly, clearly disgusted <Speech descriptor>"
    assert parse(render(Record(spoken))) == Record(spoken)


def test_emphasis_without_a_transcript_is_no_transcript():
    assert parse('A man speaks, accentuating the word "go".') == (
        Record(descriptors=Descriptors(gender="male", emphasis=("go",)))
    )


def test_a_quote_that_is_never_closed_runs_to_the_end():
    assert parse('A man speaks, stating, "the way he was sad').transcript == "the way he was sad"
    assert parse('A man speaks, stating, "the way he was sad').emotion is None


def test_typographic_quotes_are_quotes():
    assert parse("A man says, “good day”, sounding sad.").transcript == "good day"


@pytest.mark.parametrize(
    "text",
    ["not angry but sad", "no hint of anger, only sorrow", "without any fear, sadly", "neither happy nor afraid, sad"],
)
def test_a_denied_emotion_is_not_read(text):
    assert parse(f"She speaks, {text}.").emotion == "sad"
    start, end, _ = emotion_span(f"She speaks, {text}.")
    assert f"She speaks, {text}."[start:end] in ("sad", "sadly", "sorrow")


@pytest.mark.parametrize("head", ["energy", "rate", "tempo", "rhythm", "loudness", "inflection", "pitch"])
def test_a_natural_attribute_names_no_emotion(head):
    assert parse(f"A man speaks with a natural {head}.").emotion is None
    assert parse(f"A man speaks with a natural {head}, clearly angry.").emotion == "angry"


def test_an_emotion_word_as_part_of_another_word_is_not_read():
    assert parse("He is saddled with gladness.").emotion is None


def test_no_text_raises_an_error():
    draw = random.Random(0)
    pieces = ['"', "“", ", ", " ", "anger", "pitch", "low", "stress on", "words", "in tone", "\n", "\x00", "topic of"]
    pieces += ["<Content>", "é", "😀", "\ud800", "(", "\\", "of", "and", "old", "man", "."]
    for _ in range(3000):
        text = "".join(draw.choices(pieces, k=draw.randint(0, 30)))
        assert isinstance(parse(text), Record)
        emotion_span(text)


def test_long_text_is_read_in_time_linear_in_its_length():
    for piece in ("low pitch and ", "a, ", '"', "old ", " in tone", "the topic of "):
        parse(piece * 5000)


@pytest.mark.parametrize("variant", range(3))
def test_the_emotion_of_a_text_can_be_replaced(variant):
    text = render(Record("I was happy", Descriptors(gender="female", topic="anger", tone="sad"), "sad"), variant)
    for emotion in EMOTIONS:
        start, end, form = emotion_span(text)
        assert parse(text[:start] + emotion_phrase(emotion, form) + text[end:]).emotion == emotion


def test_a_text_without_emotion_has_no_span():
    assert emotion_span('A man says, "I am angry".') is None
