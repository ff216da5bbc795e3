"""The text normaliser of all metrics."""

import pytest

from speechbrain_xser.metrics import normalise


@pytest.mark.parametrize(
    "text, words",
    [
        ("Don’t — ever!", "don't ever"),
        ("'It is a story,' Sara would answer.", "it is a story sara would answer"),
        ("the boys' dog's", "the boys dog's"),
        ("well-known, well–known", "well known well known"),
        ("  A\tB\nC ", "a b c"),
        ("Café № 3", "café no 3"),
        ("你好，世界", "你好 世界"),
        ("...", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_words_are_lower_case_and_bare(text, words):
    assert normalise(text) == words


def test_normalising_twice_changes_nothing():
    for text in ("‘Don’t,’ x''y '' 'z'", "ﬁne ½ ´a´ ''a''", "İstanbul"):
        assert normalise(normalise(text)) == normalise(text)
