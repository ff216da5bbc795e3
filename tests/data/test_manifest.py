"""Manifests are read back as written; errors name file, line and utterance."""

import json

import pytest

from speechbrain_xser.answer import Descriptors, Record, parse, render
from speechbrain_xser.data import manifest as module
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.pipeline import ClipItems
from speechbrain_xser.errors import ManifestError

FULL = Utterance(
    "a",
    "{data_root}/a.wav",
    start=0.5,
    stop=1.5,
    duration=1.0,
    speaker="s1",
    transcript='Well, he said "no"\nand left <Content>',
    emotion="angry",
    gender="male",
    age="elderly",
    pitch="low",
    volume="normal",
    speed="slow",
    intonation="flat",
    emphasis=("no", "left, then"),
    tone="calm",
    topic="news, politics",
    description="An old man speaks.",
    caption='An old man speaks, stating, "x".',
    split="train",
)


def written(folder, *lines):
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def refused(path, message):
    with pytest.raises(ManifestError, match=message) as error:
        read_manifest(path)
    assert str(path) in str(error.value)


def test_every_field_comes_back(tmp_path):
    path = tmp_path / "m.jsonl"
    write_manifest(path, [FULL, Utterance("b", "b.wav")])
    assert read_manifest(path) == [FULL, Utterance("b", "b.wav")]


def test_a_manifest_is_one_json_object_a_line_with_null_where_unknown(tmp_path):
    path = tmp_path / "m.jsonl"
    write_manifest(path, [FULL, Utterance("b", "b.wav")])
    first, second = map(json.loads, path.read_text().splitlines())
    assert list(first) == list(Utterance._fields)
    assert {name for name, found in second.items() if found is not None} == {"id", "wav"}


def test_writing_leaves_nothing_beside_and_replaces_what_was_there(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [FULL])
    write_manifest(tmp_path / "m.jsonl", [Utterance("b", "b.wav")])
    assert [path.name for path in tmp_path.iterdir()] == ["m.jsonl"]
    assert read_manifest(tmp_path / "m.jsonl")[0].id == "b"


def test_a_wrong_utterance_is_not_written(tmp_path):
    with pytest.raises(ManifestError, match="emotion is 'bored'"):
        write_manifest(tmp_path / "m.jsonl", [Utterance("b", "b.wav", emotion="bored")])
    assert not list(tmp_path.iterdir())


def test_text_that_looks_like_structure_is_only_text(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [FULL])
    record = parse(render(read_manifest(tmp_path / "m.jsonl")[0].record()))
    assert record.transcript == "Well, he said 'no' and left <Content>"
    assert record.descriptors.topic == "news and politics"
    assert record.descriptors.emphasis == ("no", "left, then")


def test_an_utterance_gives_its_record():
    assert Utterance("a", "a.wav", transcript="x", emotion="sad", topic="t").record() == (
        Record("x", Descriptors(topic="t"), "sad")
    )


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_transcript_is_unknown(tmp_path, text):
    assert read_manifest(written(tmp_path, {"id": "a", "wav": "a.wav", "transcript": text}))[0].transcript is None


def test_an_unknown_emotion_is_refused(tmp_path):
    path = written(tmp_path, {"id": "a", "wav": "a.wav"}, "", {"id": "b", "wav": "b.wav", "emotion": "bored"})
    refused(path, "line 3, utterance 'b': emotion is 'bored', expected one of neutral, happy")


@pytest.mark.parametrize("field", ["gender", "age", "pitch", "volume", "speed", "intonation"])
def test_an_unknown_descriptor_is_refused(tmp_path, field):
    refused(written(tmp_path, {"id": "a", "wav": "a.wav", field: "odd"}), f"utterance 'a': {field} is 'odd'")


def test_a_repeated_id_is_refused(tmp_path):
    refused(written(tmp_path, {"id": "a", "wav": "a.wav"}, {"id": "a", "wav": "b.wav"}), "id 'a' occurs twice")
    with pytest.raises(ManifestError, match="id 'b' occurs twice"):
        write_manifest(tmp_path / "m.jsonl", [Utterance("b", "x.wav"), Utterance("b", "y.wav")])


def test_a_byte_order_mark_is_refused(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a", "wav": "a.wav"}\n')
    refused(path, "byte order mark")


def test_another_encoding_is_refused(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes('{"id": "é", "wav": "a.wav"}'.encode("latin-1"))
    refused(path, "byte 8 is not UTF-8")


def test_a_missing_manifest_is_refused(tmp_path):
    refused(tmp_path / "gone.jsonl", "No such file.*prepare script")


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", "line 1: not JSON"),
        ("[1]", "line 1: list, expected a JSON object"),
        ({"id": "a"}, "missing fields \\['wav'\\]"),
        ({"id": "", "wav": "a.wav"}, "missing fields \\['id'\\]"),
        ({"id": " ", "wav": "a.wav"}, "id is empty"),
        ({"id": "a", "wav": "a.wav", "energy": "low"}, "unknown fields \\['energy'\\]"),
        ({"id": 3, "wav": "a.wav"}, "id is 3, expected a text"),
        ({"id": "a", "wav": "a.wav", "start": "0"}, "start is '0', expected seconds"),
        ({"id": "a", "wav": "a.wav", "duration": True}, "duration is True, expected seconds"),
        ({"id": "a", "wav": "a.wav", "duration": -1}, "duration is -1, expected seconds"),
        ('{"id": "a", "wav": "a.wav", "duration": NaN}', "duration is nan, expected seconds"),
        ({"id": "a", "wav": "a.wav", "emphasis": "go"}, "emphasis is 'go', expected a list of words"),
        ({"id": "a", "wav": "a.wav", "emphasis": [1]}, "expected a list of words"),
        ({"id": "a", "wav": "a.wav", "start": 2.0, "stop": 1.0}, "stop 1 s is not after start 2 s"),
    ],
)
def test_a_wrong_line_is_refused(tmp_path, line, message):
    refused(written(tmp_path, line), message)


def test_line_separators_inside_texts_do_not_end_a_line(tmp_path):
    utterance = Utterance("a", "a.wav", transcript="one\u2028two\x0bthree")
    write_manifest(tmp_path / "m.jsonl", [utterance])
    assert read_manifest(tmp_path / "m.jsonl") == [utterance]


@pytest.mark.parametrize(
    ("field", "found", "message"),
    [
        ("transcript", "so \ud83d", "half of a surrogate pair"),
        ("emphasis", ["so", "\ud83d"], "half of a surrogate pair"),
        ("emphasis", ["so", 3], "expected a list of words"),
        ("duration", float("nan"), "expected seconds, at least 0"),
        ("duration", float("inf"), "expected seconds, at least 0"),
        ("duration", True, "expected seconds, at least 0"),
        ("start", -1.0, "expected seconds, at least 0"),
        ("stop", 0.25, "is not after start"),
        ("emotion", "bored", "emotion is 'bored'"),
        ("pitch", ["low"], "expected a text"),
        ("id", " ", "id is empty"),
    ],
)
def test_a_wrong_row_is_refused_behind_sound_rows_of_its_kind(tmp_path, field, found, message):
    good = [{**FULL._asdict(), "id": name} for name in "bcd"]
    refused(written(tmp_path, *good, {**FULL._asdict(), field: found}), rf"line 4, utterance .*{message}")


def test_a_blank_text_is_unknown_behind_sound_rows_of_its_kind(tmp_path):
    rows = read_manifest(written(tmp_path, FULL._asdict(), {**FULL._asdict(), "id": "b", "topic": "\u2003"}))
    assert [row.topic for row in rows] == ["news, politics", None]


def test_rows_alike_are_checked_by_looking_up_and_share_their_labels(tmp_path, monkeypatch):
    slowly, calls = module._checked_slowly, []
    monkeypatch.setattr(module, "_checked_slowly", lambda *row: calls.append(row) or slowly(*row))
    kinds = [FULL._asdict(), {"wav": "b.wav", "transcript": "na\u00efve", "duration": 1}]
    rows = read_manifest(written(tmp_path, *({**kinds[n % 2], "id": f"{n}"} for n in range(1000))))
    assert len(calls) <= 2 and [row.id for row in rows] == [f"{n}" for n in range(1000)]
    assert len({id(row.age) for row in rows if row.age}) == 1


def test_items_of_clips_are_made_when_they_are_asked_for():
    clips = [Utterance(f"{n}", f"{n}.wav", duration=float(n)) for n in range(1000)]
    items = ClipItems(clips, "/clips")
    assert items["7"] == {"utterance": clips[7], "path": "/clips/7.wav", "duration": 7.0}
    assert items["7"] is not items["7"]
    assert list(items) == [clip.id for clip in clips] and len(items) == 1000
