"""The result for a clip as a row for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from speechbrain_xser.answer.claim import Verdict
from speechbrain_xser.evidence.clip_evidence import Evidence
from speechbrain_xser.explaining.clips import Told
from speechbrain_xser.page.branches import shown
from speechbrain_xser.page.brief import descriptor_text, emotion_text, reliability_text
from speechbrain_xser.page.claim_table import SIGNS, claim_text
from speechbrain_xser.page.measured_values import measured_text
from speechbrain_xser.page.numbers import percent, signed

EMOTION_WIDTH = len("disgusted 100 %")
GREY = "bright_black"
COLOURS = {Verdict.SUPPORTED: "green", Verdict.CONTRADICTED: "red", Verdict.UNMEASURED: GREY, Verdict.UNCHECKED: GREY}
HEADER = ("file", "emotion", "transcript", "descriptors")


class TerminalTable:
    """A table that grows row by row; its columns fit the width of the terminal.

    Arguments
    ---------
    names : sequence of str
        Names of all clips, for the width of the first column.
    file : text file
        The terminal.

    Example
    -------
    >>> import io
    >>> from speechbrain_xser.answer.record import Descriptors
    >>> from speechbrain_xser.explaining.clips import SourceClip
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> file = io.StringIO()
    >>> said = Explanation("He is sad.", "so be it", Descriptors(gender="male"), "sad", {"sad": 0.75, "angry": 0.25})
    >>> TerminalTable(["a.wav"], file).add(Told(SourceClip("a.wav", "a.wav"), said))
    >>> print(*(line.rstrip() for line in file.getvalue().splitlines()), sep="\\n")
    file   emotion          transcript                  descriptors
    a.wav  sad 75 %         so be it                    male
    """

    def __init__(self, names: Sequence[str], file: TextIO) -> None:
        self.console = Console(file=file, highlight=False)
        room = self.console.width - EMOTION_WIDTH - 2 * len(HEADER)
        name = min(max(map(len, names), default=4), room // 3)
        self.widths = (max(name, 4), EMOTION_WIDTH, (room - name) // 2, room - name - (room - name) // 2)
        self.begun = False

    def add(self, told: Told, evidence: Evidence | None = None) -> None:
        """Prints an explained clip, and below it what was measured and any evidence."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=not self.begun, header_style="dim")
        for title, width in zip(HEADER, self.widths, strict=True):
            table.add_column(title, width=width, overflow="fold")
        said = told.explanation
        cells = (told.clip.name, emotion_text(said), said.transcript or "–", descriptor_text(said.descriptors) or "–")
        table.add_row(*(Text(cell, style) for cell, style in zip(cells, ("", "bold", "", ""), strict=True)))
        self.begun = True
        self.console.print(table)
        if told.measured is not None:
            self._line(f"measured: {measured_text(told.measured)}", "dim")
        if evidence is not None:
            self._evidence(evidence)

    def _evidence(self, evidence: Evidence) -> None:
        if not evidence.explanation.speech:
            return
        for claim in evidence.claims:
            self._line(f"{SIGNS[claim.verdict]} {claim_text(claim)}", COLOURS[claim.verdict])
        shares = evidence.attribution
        told = ", ".join(f"{shown(name).name} {signed(nats)} nats" for name, nats in reversed(shares.shares.items()))
        self._line(f"{shares.emotion}: {told} (+0.7 nats double the odds)")
        if evidence.as_sure is not None:
            self._line(reliability_text(evidence.as_sure, evidence.reliability.source))
        for name, found in (("the mean voice", evidence.average), ("the other clip's voice", evidence.swapped)):
            if found is not None:
                ordered = sorted(found.items(), key=lambda pair: -pair[1])
                told = ", ".join(f"{label} {percent(share)}" for label, share in ordered)
                self._line(f"with {name}: {told}")

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(Padding(Text(text, style), (0, 0, 0, 2)))
