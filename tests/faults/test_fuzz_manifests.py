"""Odd manifests, tables, votes and labels: what a person or a program may have written in place of them."""

import csv
import io
import json
from functools import partial
from pathlib import Path
from random import Random

from speechbrain_xser.data.columns import choose_columns
from speechbrain_xser.data.emotioncot import match, read_labels
from speechbrain_xser.data.importing import Importer, fitted
from speechbrain_xser.data.json_stream import stream_entries
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.ratings import read_votes
from speechbrain_xser.data.tables import read_table
from tests.faults.fuzzing import Case, outcomes
from tests.faults.spoiling import TEXTS, chance, odd_bytes, odd_fields, odd_lines, odd_value

SPOKEN = Utterance("a", "{data_root}/a.wav", 0.0, 1.5, 1.5, "p", "so it is", "sad", "male", emphasis=("so",))
ROW = {"label": "sad", "start": "0", "age": "31", "split": "dev"}
ROWS = [{"path": f"{name}.wav", "id": name, **ROW} for name in "abc"]
NAMES = ("a.jsonl", "a\0b.jsonl", "a\ud800.jsonl", "n" * 300, "missing.jsonl")


def imported(path: Path, folder: Path) -> None:
    """A table becomes a manifest."""
    rows = read_table(path)
    importer = Importer(choose_columns(dict.fromkeys(column for row in rows for column in row)), "odd", folder, folder)
    found = [clip._replace(duration=2.0) if isinstance(clip, Utterance) else clip for clip in importer.utterances(rows)]
    write_manifest(folder / "out.jsonl", [clip for clip in map(fitted, found) if isinstance(clip, Utterance)])


def separated(random: Random) -> bytes:
    """A table of cells."""
    rows = [odd_fields(row, random) for row in ROWS]
    stream, columns = io.StringIO(), list(rows[0]) * random.choice((1, 1, 1, 2000))
    ended = random.choice(("\n", "\r\n", "\r"))
    write = csv.writer(stream, delimiter=random.choice(",;\t|"), lineterminator=ended).writerow
    for row in ([column or random.choice(TEXTS) for column in columns], *(row.values() for row in rows)):
        write([str(cell)[:2000] for cell in row])
    return odd_bytes(stream.getvalue(), random)


def cases(random: Random, folder: Path) -> Case:
    """An odd file and its reader."""
    choice, path = random.randrange(7), folder / "a.jsonl"
    if choice == 0:
        lines = odd_lines([SPOKEN._replace(id=name)._asdict() for name in "abb"], random)
        reader = partial(read_manifest, path)
    elif choice == 1:
        path = folder / random.choice(("a.csv", "a.tsv", "a.txt"))
        lines, reader = separated(random), partial(imported, path, folder)
    elif choice == 2:
        lines, reader = odd_lines(ROWS, random), partial(imported, path, folder)
    elif choice == 3:
        path = folder / "a.json"
        rows = [odd_fields(row, random) for row in ROWS]
        content = random.choice((rows, {"clips": rows}, {row["path"]: row for row in ROWS}, odd_value(random)))
        lines, reader = odd_bytes(json.dumps(content), random), partial(imported, path, folder)
    elif choice == 4:
        lines = odd_lines([{"id": "a", "votes": {"r1": ["anger"], "r2": ["x", "sadness"]}}] * 2, random)
        reader = partial(read_votes, path)
    elif choice == 5:
        rows = [{"audio_path": "/x/a.wav", "energy_level": "high", "age_level": "Adult", "stressed_words": ["so"]}] * 2
        lines, reader = odd_lines(rows, random), lambda: match(list(read_labels(path)), ["a.wav", "b/a.wav"])
    else:
        lines = odd_bytes(json.dumps(odd_fields(dict.fromkeys("abc", 1), random)), random)
        reader = lambda: list(stream_entries(path))  # noqa: E731
    path.write_bytes(lines)
    if chance(random, 0.03):
        return partial(random.choice((read_manifest, read_votes, read_table)), folder / random.choice(NAMES))
    return reader


def test_an_odd_manifest_or_table_is_read_or_gives_one_of_our_errors():
    found = outcomes("manifests")
    assert found["result"] and found["ManifestError"]
