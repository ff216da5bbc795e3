"""Every format says whether an answer is to be trusted."""

import csv
import io
import json
from types import SimpleNamespace

import pytest
import soundfile
import srt
import webvtt

from speechbrain_xser.answer import Descriptors
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.evidence.clip_evidence import Evidence, gather_evidence
from speechbrain_xser.explaining.clips import SourceClip, Told
from speechbrain_xser.explaining.report import Report
from speechbrain_xser.explaining.rows import plain_row
from speechbrain_xser.explaining.terminal_table import TerminalTable
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.page.timeline_view import timeline_sections
from speechbrain_xser.timeline.cutting import Cutting
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.outputs import WRITERS
from speechbrain_xser.timeline.source import Source
from speechbrain_xser.web.clip import Upload
from speechbrain_xser.web.explaining import Explainer
from speechbrain_xser.web.long_recording import _bar
from tests.inference.test_domain import reference, wave
from tests.trained import recognizer, trained  # noqa: F401

SAID = Explanation("He is sad.", "so be it", Descriptors(), "sad", {"sad": 0.75, "angry": 0.25})
SHOWN = {"doubtful": "doubtful", "out": "out of domain"}
DOMAINS = ["in", *SHOWN]


def explained(domain):
    return SAID._replace(domain=domain, emotion="unknown" if domain == "out" else "sad")


def text(name, domain):
    recording = SimpleNamespace(path="talk.opus", read_seconds=2.0, fault=None)
    source = Source(recording, "a/model", ("sad", "angry"), Cutting())
    return "".join(WRITERS[name]([Moment(0.0, 1.0, explained(domain))], source))


@pytest.mark.parametrize("domain", [*DOMAINS, None])
def test_programs_get_the_domain_itself(domain):
    assert plain_row(Told(SourceClip("a", "a"), explained(domain)))["domain"] == domain
    assert (
        json.loads(text("json", domain))["moments"][0]["domain"]
        == json.loads(text("jsonl", domain))["domain"]
        == domain
    )
    [row] = csv.DictReader(io.StringIO(text("csv", domain)))
    assert row["domain"] == (domain or "")


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_moment_is_restored_with_its_domain(domain):
    moment = Moment(0.0, 1.0, explained(domain))
    assert Moment.from_dict(json.loads(json.dumps(moment.as_dict()))) == moment


@pytest.mark.parametrize(
    "domain, emotion", [("in", "sad 75 %"), ("doubtful", "sad 75 %, doubtful"), ("out", "unknown, out of domain")]
)
def test_subtitles_say_so_beside_the_emotion(domain, emotion):
    [cue] = srt.parse(text("srt", domain))
    assert cue.content == f"[{emotion}] so be it" == webvtt.from_string(text("vtt", domain))[0].text


@pytest.mark.parametrize(
    "domain, emotion", [("in", "sad 0.7500"), ("doubtful", "sad 0.7500"), ("out", "unknown <NA>"), (None, "sad 0.7500")]
)
def test_rttm_has_it_as_the_subtype(domain, emotion):
    assert text("rttm", domain) == f"SPEAKER talk 1 0.000 1.000 <NA> {domain or '<NA>'} {emotion} <NA>\n"


@pytest.mark.parametrize("domain", DOMAINS)
def test_tables_and_pages_say_so_in_words(domain, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("speechbrain_xser.explaining.report.evidence_sections", lambda *_: "")
    file, told = io.StringIO(), Told(SourceClip("a.wav", "a.wav"), explained(domain))
    TerminalTable(["a.wav"], file).add(told)
    nothing = Evidence(told.explanation, [], None, None, None, None, None, None)
    with Report() as report:
        report.add(told, nothing)
        report.add(told, nothing)
        report.write(tmp_path / "a.html")
    bar = _bar("a.wav", Moment(0.0, 1.0, told.explanation), SimpleNamespace(read_seconds=1.0, seconds=2.0))
    timeline = timeline_sections([Moment(0.0, 1.0, told.explanation)])
    table = " ".join(file.getvalue().split())  # the emotion may take two lines
    for shown in (table, text("table", domain), timeline, (tmp_path / "a.html").read_text(), bar):
        found = {name for name, words in SHOWN.items() if all(word in shown for word in words.split())}
        assert found == ({domain} & set(SHOWN)), shown
        assert ("unknown" in shown) == (domain == "out")


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_page_of_a_clip_and_the_web_page_have_a_sentence(recognizer, monkeypatch, tmp_path, domain):  # noqa: F811
    monkeypatch.setattr(recognizer, "domain", reference(domain))
    sentence = {"in": "is like those", "doubtful": "Doubtful: the clip", "out": "Out of domain: the clip"}[domain]
    assert sentence in evidence_sections(gather_evidence(recognizer, wave()))
    explainer, clip = Explainer(recognizer), Upload("a.wav", wave(), 16000)
    soundfile.write(tmp_path / "a.wav", clip.wav.numpy(), 16000)
    *_, last = explainer.pieces(clip)
    answer = json.loads(json.dumps(explainer.answer(tmp_path / "a.wav", None, max_seconds=30)))
    assert sentence in last and answer["domain"] == domain and (answer["emotion"] == "unknown") == (domain == "out")


def test_without_a_domain_nothing_is_shown():
    assert text("srt", None) == text("srt", "in") and text("table", None) == text("table", "in")
