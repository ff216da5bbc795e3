"""What words of a quote cost, against counting by hand and SpeechBrain's own edit distance."""

import random

import pytest
from speechbrain.utils.edit_distance import accumulatable_wer_stats

from speechbrain_xser.training.quote_dues import quote_dues

TOLD = 'A man says, "{}", softly.'
SAID = "kids are talking by the door"


def costs(quote: str, transcript: str = SAID) -> list[float]:
    """Of each word and of what follows, times the number of words."""
    words = len(transcript.split())
    return [words * due.first["words"] for due in quote_dues(TOLD.format(quote), transcript).values()]


def ends(quote: str, transcript: str = SAID) -> list[str]:
    answer = TOLD.format(quote)
    return [answer[: due.end].split()[-1].strip('"') for due in quote_dues(answer, transcript).values()]


def test_a_wrong_word_costs_where_it_stands():
    assert costs("Kids are walking, by the door") == pytest.approx([0, 0, 1, 0, 0, 0, 0])
    assert ends("Kids are walking, by the door") == ["Kids", "are", "walking,", "by", "the", "door", "door"]


def test_a_word_that_is_left_out_is_settled_by_the_one_that_is_said_instead():
    assert costs("kids are by the door") == pytest.approx([0, 0, 1, 0, 0, 0, 0])
    assert ends("kids are by the door")[2] == "by"
    assert ends("kids by the door")[1:3] == ["by", "by"]
    assert ends("kids are talking by the")[5] == "the"  # with the quotation mark that comes instead


def test_a_word_too_many_costs_the_one_after_it_and_at_the_end_what_follows():
    assert costs("kids are talking so by the door") == pytest.approx([0, 0, 0, 1, 0, 0, 0])
    assert costs("kids are talking by the door now then") == pytest.approx([0, 0, 0, 0, 0, 0, 2])


def test_more_errors_than_words_cost_one_in_all():
    assert sum(costs("x " * 30)) == pytest.approx(6)
    assert sum(costs("x " * 30 + SAID)) == pytest.approx(6)


@pytest.mark.parametrize("answer", ["A man.", "", 'A man says, "", softly.'])
def test_no_quote_costs_all_words_and_is_settled_by_the_whole_answer(answer):
    found = quote_dues(answer, SAID)
    assert [due.end for due in found.values()] == [None] * 6
    assert sum(due.first["words"] for due in found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("quote", "transcript"),
    [
        ("rock ' n'roll (it's)", "rock n'roll it's"),
        ("so A\u0308 there", "so \u00e4 there"),
        ("go\u00a0on \u2013 now", "go on now"),
    ],
)
def test_a_quote_read_piece_by_piece_has_the_words_of_the_whole(quote, transcript):
    assert sum(costs(quote, transcript)) == 0


def test_the_sum_is_the_word_error_rate():
    generator = random.Random(5)
    for _ in range(200):
        transcript, quote = (" ".join(generator.choices("abcd", k=generator.randint(1, 8))) for _ in range(2))
        found = quote_dues(TOLD.format(quote), transcript)
        known = accumulatable_wer_stats([transcript.split()], [quote.split()])
        assert sum(due.first["words"] for due in found.values()) == pytest.approx(min(1, known["WER"] / 100))
        assert all(TOLD.index("{") < due.end <= len(TOLD.format(quote)) for due in found.values())
