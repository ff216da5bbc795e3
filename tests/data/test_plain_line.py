"""Plain lines of a manifest: what the pattern accepts, the checks accept too, and it is read as they read it."""

import json
from random import Random

import pytest

from speechbrain_xser.answer.record import VOCABULARIES
from speechbrain_xser.data import mapped_rows
from speechbrain_xser.data.manifest import Utterance, parse_line, read_manifest, write_manifest
from speechbrain_xser.data.plain_line import LABELS, plain_row
from speechbrain_xser.data.row_text import row_of, utterance_of

FULL = Utterance(
    "a",
    "{data_root}/a.wav",
    *(0.5, 2.25, 9, "s", "One, two.", "happy"),
    *(sorted(words)[0] for words in VOCABULARIES.values()),
    ("One", "", ", ", "ä"),
    *("calm", "talk", "Says so.", 'Says: "No"\n\\', "train", "ä\u3000"),
)
SIGNS = [*'ab", \\/=[]{}:', *"\t\n\r\b\x00\x1c\x1e\x1f\x7f\x85é🙂\u3000\u2028\ud83d٣", "null", "\\u0041", "\\", '", "']
NUMBERS = (0, 1, 2.5, 2.25, -0.0, -1, 1e-7, 1e22, 1 << 62, 10**30, True, float("nan"), float("inf"))
WORDS = [word for words in LABELS.values() for word in words]
LINES = 3000


def line_of(utterance: Utterance, ascii: bool = False) -> str:
    return json.dumps(utterance._asdict(), ensure_ascii=ascii)


def odd_text(random: Random) -> str:
    return "".join(random.choices(SIGNS, k=random.randrange(6)))


def odd_value(random: Random) -> object:
    """What may stand in the place of a field's value."""
    texts = [odd_text(random) for _ in range(random.randrange(4))]
    return random.choice((None, odd_text(random), texts, random.choice(NUMBERS), random.choice(WORDS)))


def check(line: str) -> bool:
    """Whether a line is plain: then the checks accept it, too, and find the same, to the type of each number."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False  # no line of a file
    if (row := plain_row(line)) is None:
        return False
    told, found = parse_line(line, "line 1"), utterance_of(row.text)
    assert found == told and json.dumps(found) == json.dumps(told)
    assert row[1:] == row_of(told)[1:]
    return True


def test_lines_of_odd_fields_are_plain_only_if_the_checks_accept_them():
    random, plain = Random(1), 0
    for _ in range(LINES):
        changes = {field: odd_value(random) for field in random.choices(Utterance._fields, k=random.randrange(4))}
        plain += check(line_of(FULL._replace(**changes), random.random() < 0.3))
    assert LINES / 10 < plain < LINES * 0.9


def test_lines_with_odd_signs_are_plain_only_if_the_checks_accept_them():
    random, whole, plain = Random(2), line_of(FULL), 0
    for _ in range(LINES):
        place, dropped = random.randrange(len(whole)), random.randrange(3)
        line = whole[:place] + random.choice(("", *SIGNS, "1", "٣", ".", "-", "e", "0")) + whole[place + dropped :]
        plain += check(line)
    assert LINES / 10 < plain < LINES * 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict.fromkeys(Utterance._fields[2:]),
        {"emphasis": ()},
        {"start": None, "stop": 1},
        {"stop": None, "transcript": "é🙂 \u2028", "caption": "ends with a space "},
    ],
)
def test_lines_as_they_are_written_are_plain(changes):
    line = line_of(FULL._replace(**changes)) + "\n"
    assert check(line)


@pytest.mark.parametrize(
    "changes",
    [
        *({field: "other"} for field in LABELS),
        *({field: blank} for field in ("id", "speaker", "caption") for blank in ("", " ", "\u3000", "\n", "\x85")),
        {"id": None},
        {"wav": None},
        {"start": 2.25},
        {"start": None, "stop": 0},
        *({"duration": number} for number in (-0.5, True, "1", 1e400, float("nan"), [1])),
        {"emphasis": "One"},
        {"emphasis": ["a", 1]},
        {"emphasis": ['a"', "b"]},
    ],
)
def test_lines_that_need_a_closer_look_are_not_plain(changes):
    assert plain_row(line_of(FULL._replace(**changes))) is None


def test_half_a_character_is_not_plain():
    line = line_of(FULL)
    assert plain_row(line.replace("One, two.", "One, two, é")) is not None
    assert plain_row(line.replace("One, two.", "One, two, \\ud83d")) is None


def test_a_large_manifest_as_it_is_written_is_read_by_the_pattern_alone(tmp_path, monkeypatch):
    path = tmp_path / "train.jsonl"
    write_manifest(path, [FULL._replace(id=f"{number}") for number in range(20)])
    listed = read_manifest(path)
    monkeypatch.setattr(mapped_rows, "LEAST_BYTES", 0)
    monkeypatch.setattr(mapped_rows, "parse_line", lambda line, where: pytest.fail(f"{where}: {line}"))
    assert list(mapped_rows.rows_of(path)) == listed
