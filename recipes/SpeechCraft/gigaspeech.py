"""GigaSpeech's passages (Chen et al., 2021, Interspeech), from either of its two releases.

The original has a ``GigaSpeech.json`` of gigabytes, and opus recordings of minutes to hours; a passage is a segment of
one, and nothing is copied. The export on the Hugging Face hub has one clip for each passage in tar archives, with a
table beside each archive; the annotated clips are unpacked once.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from SpeechCraft.passage import Passage

from speechbrain_xser.data.json_stream import stream_items
from speechbrain_xser.data.text_repair import plain_text
from speechbrain_xser.errors import ManifestError

CORPUS = "gigaspeech"
METADATA = "GigaSpeech.json"
SIGNS = {"<COMMA>": ",", "<PERIOD>": ".", "<QUESTIONMARK>": "?", "<EXCLAMATIONPOINT>": "!"}
TAG = re.compile(r"<[A-Z]+>")  # what remains after punctuation: <SIL>, <MUSIC>, <NOISE>, <OTHER>
SENTENCE_START = re.compile(r"(?:^|[.?!]\s+)['\"]?\w")
TABLE = "{archive}_metadata.csv"
COLUMNS = ("sid", "aid", "text_tn")


class Shard(NamedTuple):
    """One archive of the hub's export, and its table."""

    archive: Path  # .tar.gz or .tar, or the folder it was unpacked into
    table: Path


def find_metadata(data_folder: str | Path) -> Path | None:
    """``GigaSpeech.json`` in the data folder or one level below it, if it exists."""
    found = sorted((*Path(data_folder).glob(METADATA), *Path(data_folder).glob(f"*/{METADATA}")))
    return found[0] if found else None


def find_shards(data_folder: str | Path, save_folder: str | Path | None = None) -> list[Shard]:
    """The hub's archives below the data folder, each with its table; unpacked ones are used as they are.

    Arguments
    ---------
    data_folder : str or Path
        Where to look.
    save_folder : str or Path or None
        Not searched if it is in the data folder, because clips unpacked there may be incomplete.

    Returns
    -------
    list of Shard

    Raises
    ------
    ManifestError
        If an archive's table is missing.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("audio/m_chunks_0000.tar.gz", "metadata/m_chunks_0000_metadata.csv"):
    ...     (folder / name).parent.mkdir()
    ...     (folder / name).touch()
    >>> [shard.table.name for shard in find_shards(folder)]
    ['m_chunks_0000_metadata.csv']
    """
    tables = {path.name: path for path in Path(data_folder).rglob(TABLE.format(archive="*_chunks_*"))}
    shards: dict[str, Shard] = {}
    for path in sorted(Path(data_folder).rglob("*_chunks_*")):
        name = path.name.split(".")[0]
        own = save_folder is not None and path.resolve().is_relative_to(Path(save_folder).resolve())
        if own or not (path.is_dir() or path.name.endswith((".tar", ".tar.gz"))):
            continue
        wanted = TABLE.format(archive=name)
        if (table := tables.get(wanted)) is None:
            raise ManifestError(f"{path}: no {wanted} below {data_folder}: fetch the folder metadata as well.")
        if name not in shards or path.is_dir():
            shards[name] = Shard(path, table)
    return list(shards.values())


def recorded_passages(metadata: Path) -> Iterator[Passage]:
    """Yields every segment of the original release, recording by recording.

    Arguments
    ---------
    metadata : Path
        ``GigaSpeech.json``; its folder contains ``audio``.

    Yields
    ------
    Passage
        ``file`` is the recording.

    Raises
    ------
    ManifestError
        If the file is truncated, or an entry lacks a required field.
    """
    for number, recording in enumerate(stream_items(metadata, "audios.item"), start=1):
        try:
            passages = list(_recorded(metadata.parent, recording))
        except (KeyError, TypeError) as error:
            raise ManifestError(
                f"{metadata}, recording {number}: no {error}, expected GigaSpeech's own file."
            ) from error
        yield from passages


def _recorded(folder: Path, recording: dict) -> Iterator[Passage]:
    """The segments of one entry."""
    for segment in recording["segments"]:
        yield _passage(
            segment["sid"],
            folder / recording["path"],
            recording["aid"],
            segment["text_tn"],
            recording.get("category"),
            segment["begin_time"],
            segment["end_time"],
        )


def shard_passages(shard: Shard, folder: Path) -> Iterator[Passage]:
    """Yields every clip of an archive.

    Arguments
    ---------
    shard : Shard
        As :func:`find_shards` gives it.
    folder : Path
        Where the clips of the archive are, or will be.

    Yields
    ------
    Passage
        ``file`` is the clip, a wav.

    Raises
    ------
    ManifestError
        If the table has other columns.
    """
    with open(shard.table, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if missing := set(COLUMNS) - set(rows.fieldnames or ()):
            raise ManifestError(f"{shard.table}: no column {', '.join(sorted(missing))}, expected the hub's own table.")
        for row in rows:
            yield _passage(row["sid"], folder / f"{row['sid']}.wav", row["aid"], row["text_tn"], row.get("category"))


def _passage(sid, file, recording, text, category, start=None, stop=None) -> Passage:
    topic = " ".join((category or "").split())
    topic = None if topic in ("", "N/A") else topic
    return Passage(sid, CORPUS, file, recording, None, spoken_text(text), topic, start, stop)


def spoken_text(text: str) -> str | None:
    """GigaSpeech's text in usual spelling; None if it is only a tag for something other than speech.

    Arguments
    ---------
    text : str
        ``text_tn``: upper case, with tags for punctuation and for anything other than speech.

    Returns
    -------
    str or None
        Names are in lower case, because GigaSpeech does not mark them. A text in mixed case keeps its case.

    Example
    -------
    >>> spoken_text("WELL <COMMA> I'M HERE <PERIOD> ARE YOU <QUESTIONMARK>"), spoken_text("<MUSIC>")
    ("Well, I'm here. Are you?", None)
    """
    for tag, sign in SIGNS.items():
        text = re.sub(rf"\s*{tag}", sign, text)
    text = plain_text(TAG.sub(" ", text))
    if not re.search(r"\w", text):
        return None
    if text.isupper():
        text = re.sub(r"\bi\b(?!\.)", "I", text.lower())
        text = SENTENCE_START.sub(lambda start: start[0].upper(), text)
    return text
