"""The table on a terminal, and the report's page."""

import io
import re
from types import SimpleNamespace

import pytest

from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.evidence.measurements import Measured
from speechbrain_xser.explaining.clips import SourceClip, Told
from speechbrain_xser.explaining.report import Report
from speechbrain_xser.explaining.rows import plain_row
from speechbrain_xser.explaining.terminal_table import TerminalTable
from speechbrain_xser.page.brief import descriptor_text, emotion_text
from tests.page.reading import Reader

WORDS = Descriptors("male", "elderly", "low", "high", "slow", "flat", ("never", "again"), "calm", "news")
SAID = Explanation("He is [bold]sad[/bold].", "so be it " * 12, WORDS, "sad", {"sad": 0.996, "angry": 0.004})


def told(name="a.wav", explanation=SAID) -> Told:
    return Told(SourceClip(name, name), explanation)


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_line_is_longer_than_the_terminal_and_no_word_is_lost(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    file = io.StringIO()
    table = TerminalTable(["a" * 90 + ".wav", "b.wav"], file)
    table.add(told("a" * 90 + ".wav"))
    table.add(told("b.wav"))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert file.getvalue().count("file") == 1 and "".join(line[: table.widths[0]] for line in lines).count("a") == 92


def test_a_name_with_brackets_is_not_markup(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    file = io.StringIO()
    TerminalTable(["[red]x.wav"], file).add(told("[red]x.wav"))
    assert "[red]x.wav" in file.getvalue()


def test_descriptors_are_written_in_words():
    assert descriptor_text(WORDS) == (
        "male, elderly, low pitch, high volume, slow speed, flat intonation, stress on never, again, calm tone, "
        "about news"
    )
    assert descriptor_text(Descriptors()) == ""


def test_an_emotion_has_its_probability_if_the_model_gives_one():
    found = [emotion_text(SAID._replace(emotion=emotion)) for emotion in ("sad", "happy", None)]
    assert found == ["sad 100 %", "happy", "none named"]


def test_a_row_for_a_program_has_every_field():
    row = plain_row(told())
    assert list(row) == [
        "path", "paragraph", "transcript", "descriptors", "emotion", "probabilities", "speech", "domain",
        "measured"]  # fmt: skip
    assert row["descriptors"]["emphasis"] == ("never", "again")


MEASURED = Measured(210.4, "high", -21.3, "high", 4.52, "signal", "normal", 1, 0.42, 9.1, "normal")


def test_what_was_measured_is_told_without_any_evidence(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    file, found = io.StringIO(), told()._replace(measured=MEASURED)
    TerminalTable(["a.wav"], file).add(found)
    line = file.getvalue().splitlines()[-1]
    assert line.strip().startswith("measured: pitch 210 Hz (high), level −21.3 dB re full scale (high), speed 4.52")
    assert "syllables a second (normal, counted in the sound)" in line
    assert "pauses 1 of 0.25 s or more, 0.42 s in all, intonation 9.1 semitones" in line
    assert plain_row(found)["measured"]["f0_hertz"] == 210.4


def test_contents_lead_to_every_section(monkeypatch, tmp_path):
    sections = "speechbrain_xser.explaining.report.evidence_sections"
    monkeypatch.setattr(sections, lambda found, *_: f"<p>{found.told}</p>")
    with Report("A <tiny> model.") as report:
        report.add(told("<b>.wav"), SimpleNamespace(told="first", wav=None))
        report.add(told("b.wav"), SimpleNamespace(told="second", wav=None))
        report.add(Told(SourceClip("c", "c"), None, "c: no <such> file"))
        report.write(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    reader = Reader(page)
    assert re.findall(r'href="#([^"]+)"', page) == re.findall(r'<h2 id="([^"]+)"', page) == ["clip-1", "clip-2"]
    assert not reader.of("b") and "A <tiny> model." in reader.text and "c: no <such> file" in reader.text
    assert page.index("<p>first</p>") < page.index("<p>second</p>") < page.index("Not explained")


def test_one_recording_has_no_contents(monkeypatch, tmp_path):
    monkeypatch.setattr("speechbrain_xser.explaining.report.evidence_sections", lambda *_: "")
    with Report() as report:
        report.add(told(), SimpleNamespace(wav=None))
        report.write(tmp_path / "report.html")
    assert "<nav" not in (tmp_path / "report.html").read_text(encoding="utf-8")
