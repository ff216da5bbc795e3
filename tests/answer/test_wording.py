"""The varied wording: every paragraph parses back, and no two facts have a fixed order."""

import random
import subprocess
import sys
from itertools import combinations

import pytest

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.record import AGES, EMOTIONS, GENDERS, INTONATIONS, LEVELS, SPEEDS, Descriptors, Record
from speechbrain_xser.answer.render import canonical
from speechbrain_xser.answer.wording import write, write_description
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import has_own_paragraphs, with_paragraphs
from speechbrain_xser.errors import ManifestError
from tests.answer.test_round_trip import random_record

FULL = Record(
    "The way he talks about people",
    Descriptors("male", "elderly", "low", "normal", "slow", "lively", ("people",), "calm", "politics"),
    "angry",
)
# Texts that look like the clauses around them, and like labels.
HOSTILE = (
    "politics", "calm", "as the topic", "in tone", "takes x as the subject", "remaining calm in manner", "slowly",
    "a young woman", "with low pitch", "sad", "he said: no", "news. sports", "x in tone", "with y as the topic",
    "stressing the word", "the realm of", "old man speaks", "U.S.", "in a calm tone", "context of war", "and", "words",
)  # fmt: skip
# Where each fact of FULL is said, whatever the wording: one word that no other fact's phrases have.
MARKS = {
    "pitch": ("pitch",),
    "volume": ("volume", "energy"),
    "intonation": ("intonation", "inflection"),
    "speed": ("slow", "leisurely", "unhurriedly"),
    "emotion": ("angry", "anger"),
    "emphasis": ('"people"',),
    "transcript": ('"The way',),
    "tone": ("calm",),
    "topic": ("politics",),
}


def drawn(numbers: random.Random) -> Record:
    """A record with any fields missing and hostile texts."""

    def maybe(share, value):
        return value() if numbers.random() < share else None

    def text():
        return " ".join(numbers.choice(HOSTILE) for _ in range(numbers.randint(1, 3)))

    vocabularies = (GENDERS, AGES, LEVELS, LEVELS, SPEEDS, INTONATIONS)
    stressed = ("no", '"x"', "well, yes", "calm", "the word")
    return Record(
        maybe(0.6, lambda: text() + numbers.choice((".", "?", ", yes", '"q"', ""))),
        Descriptors(
            *(maybe(0.6, lambda words=words: numbers.choice(words)) for words in vocabularies),
            emphasis=maybe(0.4, lambda: tuple(numbers.choice(stressed) for _ in range(numbers.randint(1, 3)))),
            tone=maybe(0.4, text),
            topic=maybe(0.4, text),
        ),
        maybe(0.6, lambda: numbers.choice(EMOTIONS)),
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_paragraph_in_any_wording_parses_back(seed):
    numbers = random.Random(seed)
    for place in range(1000):
        record = drawn(numbers)
        assert parse(write(record, f"clip {place}")) == canonical(record)


@pytest.mark.slow
def test_the_texts_that_are_hostile_to_the_plain_wording_parse_back_too():
    numbers = random.Random(7)
    for place in range(1500):
        record = random_record(numbers)
        assert parse(write(record, f"clip {place}")) == canonical(record)


def test_a_full_record_has_more_than_two_hundred_surface_forms():
    assert len({write(FULL, f"clip {place}") for place in range(1000)}) == 1000


def test_a_transcript_and_an_emotion_have_more_than_fifty_forms():
    assert len({write(Record("Hello there", emotion="happy"), str(place)) for place in range(1000)}) > 50


@pytest.mark.parametrize("first, second", list(combinations(MARKS, 2)))
def test_two_facts_come_in_both_orders(first, second):
    orders = set()
    for place in range(60):
        text = write(FULL, f"clip {place}")
        at = {name: min(text.lower().find(mark.lower()) % 10**6 for mark in MARKS[name]) for name in (first, second)}
        orders.add(at[first] < at[second])
    assert orders == {True, False}


def test_every_fact_of_a_full_record_is_said_once():
    for place in range(300):
        text = write(FULL, f"clip {place}").replace("The way he talks about people", "")
        said = {name: sum(text.lower().count(mark.lower()) for mark in marks) for name, marks in MARKS.items()}
        assert said | {"transcript": 1} == dict.fromkeys(MARKS, 1), text


def test_the_wording_depends_only_on_the_id_in_any_process():
    script = (
        "from speechbrain_xser.answer.record import Record\n"
        "from speechbrain_xser.answer.wording import write\n"
        "print(write(Record('Hello there', emotion='happy'), 'a clip'))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {write(Record("Hello there", emotion="happy"), "a clip") + "\n"}


def test_a_description_says_no_word_of_the_transcript():
    for place in range(100):
        text = write_description(FULL, str(place))
        assert "The way" not in text and parse(text) == FULL._replace(transcript=None)


def test_a_label_outside_its_vocabulary_is_refused():
    with pytest.raises(ManifestError, match="emotion"):
        write(Record(emotion="bored"), "a")


def test_paragraphs_of_either_wording_are_recognised_as_generated():
    bare = Utterance("a", "a.wav", transcript="Go", gender="male", pitch="low")
    plain, varied = with_paragraphs(bare), with_paragraphs(bare, "varied")
    assert plain.caption != varied.caption and parse(varied.caption) == bare.record()
    assert not has_own_paragraphs(plain) and not has_own_paragraphs(varied)
    assert has_own_paragraphs(varied._replace(caption="A man speaks of himself."))
