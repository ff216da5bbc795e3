"""Plain transcripts: which characters change, and which stay."""

import csv

import pytest

from speechbrain_xser.data.text_repair import plain_text
from tests.genuine import DATA

REAL = DATA / "annotations" / "meld"
needs_meld = pytest.mark.skipif(
    not REAL.is_dir(), reason="MELD's tables are not here: set XSER_DATA to the folder with annotations/meld"
)
QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00b4\u00ab\u00bb\u2032\u2033\u02bc"
CAPITAL_A, C1_QUOTE = "\u00c2", "\x92"


@pytest.mark.parametrize("quote", QUOTES)
def test_a_typographic_quote_becomes_one_of_the_keyboard(quote):
    assert plain_text(f"a{quote}b") in ("a'b", 'a"b')


@pytest.mark.parametrize(
    "damaged",
    [
        "company\u2019s".encode().decode("cp1252"),  # UTF-8 read as Windows-1252
        "company\u2019s".encode().decode("latin-1"),
        "company\u2019s".encode("cp1252").decode("latin-1"),  # Windows-1252 read as Latin-1
        f"company{CAPITAL_A}{C1_QUOTE}s",  # both, one after the other
    ],
)
def test_mojibake_of_an_apostrophe_is_undone(damaged):
    assert damaged != "company\u2019s"
    assert plain_text(damaged) == "company's"


def test_a_twice_damaged_accent_is_undone():
    assert plain_text("fianc\u00e9e".encode().decode("latin-1").encode().decode("latin-1")) == "fianc\u00e9e"


def test_an_em_dash_does_not_join_the_words_around_it():
    assert plain_text("have to\u2014you-you go") == "have to - you-you go"


def test_an_ellipsis_becomes_three_dots():
    assert plain_text("So\u2026 So\u2026here\u2019s a key") == "So... So...here's a key"


def test_white_space_of_any_kind_becomes_one_space():
    assert plain_text(" Umm.\u00a0\t\r\n Right\u200b. ") == "Umm. Right."


@pytest.mark.parametrize("text", ["Caf\u00e9 Adi\u00f3s", "悲伤，高兴！你好？", "R&D &amp; 5 < 6", 'No-no-no, "Hey!"'])
def test_undamaged_text_is_unchanged(text):
    assert plain_text(text) == text


def transcripts() -> list[str]:
    tables = (open(name, encoding="utf-8", newline="") for name in REAL.glob("*_sent_emo.csv"))
    return [row["Utterance"] for table in tables for row in csv.DictReader(table)]


@needs_meld
@pytest.mark.slow
def test_no_typographic_sign_is_left_in_melds_transcripts():
    raw = transcripts()
    assert (len(raw), "".join(raw).count("\u2019")) == (13708, 4966)
    plain = "".join(map(plain_text, raw))
    assert {sign for sign in plain if not sign.isascii()} == {"\u00e9", "\u00f3"}


@needs_meld
@pytest.mark.slow
def test_a_plain_transcript_stays_plain():
    for text in transcripts():
        assert plain_text(plain_text(text)) == plain_text(text)


@needs_meld
@pytest.mark.slow
def test_nothing_but_typographic_signs_and_spaces_changes_in_melds_transcripts():
    by_hand = {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2014": "-", "\u2013": "-"}
    for text in transcripts():
        expected = "".join(by_hand.get(sign, sign) for sign in text).replace("\u2026", "...")
        assert plain_text(text).replace(" ", "") == expected.replace(" ", "")
