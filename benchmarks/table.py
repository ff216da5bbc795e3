"""What was measured, as rows that go into JSON and into a Markdown table."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
import transformers

from benchmarks.clock import Measured

BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


class Row(NamedTuple):
    """One work of ours beside one peer."""

    work: str
    peer: str  # what it is compared with, "" for none
    ours: float  # in ``unit``
    theirs: float | None
    unit: str  # s, ms, 1/s, x, MB
    target: str = ""  # of the ratio or the value, as text
    memory: float | None = None  # our added memory / theirs
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster (or more, for rates) ours is."""
        if not self.theirs:
            return None
        return self.ours / self.theirs if self.unit == "1/s" else self.theirs / self.ours


def machine(device: str) -> str:
    """The machine in words."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    if device != "cpu":
        return f"{torch.cuda.get_device_name()}, {versions}"
    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {torch.get_num_threads()} threads, {versions}"


def markdown(rows: Iterable[Row]) -> str:
    """A Markdown table."""
    head = "| work | against | ours | theirs | ratio | memory | target |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *map(_line, rows)])


def write(rows: list[Row], facts: dict[str, object], folder: Path, name: str, page: Path | None = None) -> Path:
    """Writes ``NAME.json``, and the table into a page, between its two marks.

    Arguments
    ---------
    rows : list of Row
        What was measured.
    facts : dict
        Machine and ceilings.
    folder : Path
        Where the JSON goes.
    name : str
        Of the JSON and of the marks.
    page : Path, optional
        A Markdown page that has the marks.

    Returns
    -------
    Path
        The JSON.

    Raises
    ------
    ValueError
        If the page has no place for the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = [row._asdict() | {"ratio": row.ratio} for row in rows]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**facts, "rows": found}, indent=1) + "\n", encoding="utf-8")
    if page is not None:
        text, begin, end = place(page, name)
        before, rest = text.split(begin)
        facts_line = "; ".join(f"{key}: {value}" for key, value in facts.items())
        table = f"{begin}\n{facts_line}\n\n{markdown(rows)}\n{end}"
        page.write_text(f"{before}{table}{rest.split(end)[1]}", encoding="utf-8")
    return path


def place(page: Path, name: str) -> tuple[str, str, str]:
    """A page's text and the two marks between which a table goes.

    Raises
    ------
    ValueError
        If the marks are not there once each.
    """
    text, begin, end = page.read_text(encoding="utf-8"), BEGIN.format(name), END.format(name)
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{page} needs the lines {begin} and {end} once each, for the table between them.")
    return text, begin, end


def memory_share(ours: Measured, theirs: Measured) -> float | None:
    """Our added memory as a share of theirs, where both can be told."""
    return None if ours.memory is None or not theirs.memory else ours.memory / theirs.memory


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"**{row.ratio:.2f}×**"
    memory = "" if row.memory is None else f"{row.memory:.2f}"
    theirs = "" if row.theirs is None else f"{row.theirs:.4g} {row.unit}"
    note = f" ({row.note})" if row.note else ""
    cells = f"{row.work}{note}", row.peer, f"{row.ours:.4g} {row.unit}", theirs, ratio, memory, row.target
    return f"| {' | '.join(cells)} |"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
