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


@cache
def rows(table: int) -> tuple[Row, ...]:
    """The rows of table 1, 2 or 3, in the paper's order.

    Example
    -------
    >>> [(row.id, row.system) for row in rows(1)][-2:]
    [('2', 'fd_ser_sed'), ('3', 'fd_ser_sed_asr')]
    >>> rows(2)[-1].figures["IEMOCAP"]
    {'UA': 77.6, 'WER': 11.1}
    """
    if table not in TITLES:
        raise ReproductionError(f"There is no table {table}; expected {', '.join(map(str, TITLES))}.")
    found: dict[str, Row] = {}
    text = files("speechbrain_xser.reproduction").joinpath("published.csv").read_text(encoding="utf-8")
    for line in csv.DictReader(text.splitlines()):
        if int(line["table"]) == table:
            row = found.setdefault(line["id"], Row(line["id"], line["label"], line["system"] or None, {}))
            row.figures.setdefault(line["corpus"], {})[line["metric"]] = float(line["value"])
    return tuple(found.values())


def systems(tables: tuple[int, ...]) -> list[str]:
    """The systems of some tables, without repetition.

    Example
    -------
    >>> systems((1,))
    ['llm_ser_sed_asr', 'fd_ser_sed', 'fd_ser_sed_asr']
    >>> len(systems((2, 3)))
    13
    """
    return list(dict.fromkeys(row.system for table in tables for row in rows(table) if row.system))
