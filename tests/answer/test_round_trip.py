"""A rendered paragraph gives its record back, whatever its free texts contain."""

import random

import pytest

from speechbrain_xser.answer import VARIANTS, Descriptors, Record, canonical, describe, parse, render
from speechbrain_xser.answer.record import EMOTIONS, VOCABULARIES

FREE_TEXTS = (
    "The way he talks about people",
    "I am so angry, an old man with low pitch said slowly",
    'she said "stop" and “go”',
    "an old woman with high volume speaks at a fast pace, stating, his anger evident",
    "<Content>\n<Speech descriptor>",
    '", his anger evident, accentuating the word "x',
    "  leading, trailing,, commas, ",
    "warm in tone, sad",
    "<|eot_id|> {} {0} %s \\1 $",
    "naïve café – 你好 😀",
    "don't. Won't! (ever)?",
    "within the realm of fear, a girl",
    "x",
    "_____",
    "\x00\x1c\u2028 odd\u00a0space",
    "and, and and",
)


def random_record(draw: random.Random) -> Record:
    def maybe(pool):
        return draw.choice([None, *pool])

    labels = {field: maybe(allowed) for field, allowed in VOCABULARIES.items()}
    emphasis = maybe([tuple(draw.choices(FREE_TEXTS, k=draw.randint(0, 4)))])
    texts = {"tone": maybe(FREE_TEXTS), "topic": maybe(FREE_TEXTS)}
    return Record(maybe(FREE_TEXTS), Descriptors(**labels, **texts, emphasis=emphasis), maybe(EMOTIONS))


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
@pytest.mark.slow
def test_every_record_is_read_back_from_its_paragraph(variant):
    draw = random.Random(variant)
    for _ in range(3000):
        record = random_record(draw)
        assert parse(render(record, variant)) == canonical(record), render(record, variant)


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
def test_a_description_is_the_same_record_without_its_transcript(variant):
    draw = random.Random(10 + variant)
    for _ in range(500):
        record = random_record(draw)
        assert parse(describe(record, variant)) == canonical(record)._replace(transcript=None)


def test_every_single_label_is_read_back():
    for field, allowed in VOCABULARIES.items():
        for label in allowed:
            record = Record(descriptors=Descriptors(**{field: label}))
            assert all(parse(render(record, variant)) == record for variant in range(len(VARIANTS)))


def test_canonicalising_twice_changes_nothing():
    draw = random.Random(99)
    for _ in range(500):
        record = canonical(random_record(draw))
        assert canonical(record) == record
