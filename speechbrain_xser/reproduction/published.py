"""The paper's tables as data: rows, published figures, and which rows are compared."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from speechbrain_xser.errors import ReproductionError

SED = ("BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE")  # metrics of descriptions
TITLES = {
    1: "Table 1: descriptions of speech emotion (SED)",
    2: "Table 2: speech emotion recognition (SER) and ASR",
    3: "Table 3: beta, training strategy and targets",
}
# The comparisons that the paper marks: a row, and one that it should beat significantly
PAIRS: dict[int, tuple[tuple[str, str], ...]] = {
    1: (("2", "1"), ("3", "1")),
    2: (("7", "4"), ("7", "5"), ("7", "6")),
    3: tuple(("4", row) for row in ("1", "2", "3", "5", "6", "7", "8")),
}


class Row(NamedTuple):
    """One row of a table."""

    id: str  # P1, P2, ..., 1, 2, ...
    label: str
    system: str | None  # a file of hparams/systems; None for systems of others, which are only quoted
    figures: dict[str, dict[str, float]]  # published, by corpus and metric


# By scale: a row of ours that stands in the place of some of the paper's, which then are only quoted
STAND_INS = {"ears": (Row("1-3", "Whisper tiny.en", "ssl_whisper", {}), ("ssl_hubert", "ssl_wavlm", "ssl_wav2vec2"))}


def rows(table: int, scale: str = "paper") -> tuple[Row, ...]:
    """The rows of table 1, 2 or 3, in the paper's order; a row that a scale has instead of others follows them.

    Example
    -------
    >>> [(row.id, row.system) for row in rows(1)][-2:]
    [('2', 'fd_ser_sed'), ('3', 'fd_ser_sed_asr')]
    >>> rows(2)[-1].figures["IEMOCAP"]
    {'UA': 77.6, 'WER': 11.1}
    >>> [(row.id, row.system) for row in rows(2, "ears")][8:13]
    [('1', None), ('2', None), ('3', None), ('1-3', 'ssl_whisper'), ('4', 'llm_ser_sed_asr')]
    """
    found = _printed(table)
    if scale not in STAND_INS:
        return found
    ours, others = STAND_INS[scale]
    last = max((place for place, row in enumerate(found, start=1) if row.system in others), default=None)
    quoted = tuple(row._replace(system=None) if row.system in others else row for row in found)
    return quoted if last is None else (*quoted[:last], ours, *quoted[last:])


@cache
def _printed(table: int) -> tuple[Row, ...]:
    """The rows as the paper has them."""
    if table not in TITLES:
        raise ReproductionError(f"There is no table {table}; expected {', '.join(map(str, TITLES))}.")
    found: dict[str, Row] = {}
    text = files("speechbrain_xser.reproduction").joinpath("published.csv").read_text(encoding="utf-8")
    for line in csv.DictReader(text.splitlines()):
        if int(line["table"]) == table:
            row = found.setdefault(line["id"], Row(line["id"], line["label"], line["system"] or None, {}))
            row.figures.setdefault(line["corpus"], {})[line["metric"]] = float(line["value"])
    return tuple(found.values())


def systems(tables: tuple[int, ...], scale: str = "paper") -> list[str]:
    """The systems of some tables at a scale, without repetition.

    Example
    -------
    >>> systems((1,))
    ['llm_ser_sed_asr', 'fd_ser_sed', 'fd_ser_sed_asr']
    >>> len(systems((2, 3))), len(systems((2, 3), "ears"))
    (13, 11)
    """
    return list(dict.fromkeys(row.system for table in tables for row in rows(table, scale) if row.system))
