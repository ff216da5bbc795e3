"""The page of clips in a real browser: a player, and curves in time with it."""


import pytest
import torch

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.measures import measures_of
from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.answer.reliability import Reliability, SureBin
from speechbrain_xser.evidence.attribution import Attribution
from speechbrain_xser.evidence.clip_evidence import Evidence
from speechbrain_xser.evidence.curves import curves_of
from speechbrain_xser.evidence.localization import BranchTrace, Where
from speechbrain_xser.evidence.measurements import measured_of
from speechbrain_xser.explaining.clips import SourceClip, Told
from speechbrain_xser.explaining.report import Report
from tests.page.reading import Reader

SECONDS = 4
WAV = 0.2 * torch.sin(6.2832 * 200 * torch.arange(SECONDS * 16000) / 16000)
PARAGRAPH = 'A man with high pitch says, "by the door", his disgust evident.'
SHARES = {"disgusted": 0.8, "angry": 0.2}
NAMES = ("a" * 60 + ".wav", "recordings/interviews/2026/a rather long name of a recording, part 2.flac", "c.wav")


def evidence() -> Evidence:
    """Of a tone, with every part that a page can show."""
    heard = hear(WAV)
    told = Explanation(PARAGRAPH, "by the door", Descriptors("male", pitch="high"), "disgusted", SHARES)
    claims = [
        Claim("pitch", "high", (11, 21), Verdict.CONTRADICTED, "normal", 200.0, "Hz", 89.0, (214.5, None)),
        Claim("words", "by the door", (29, 40), Verdict.SUPPORTED, None, 0.1, "agreement", None, (0.02, None), "sound"),
        Claim("emotion", "disgusted", (47, 54), Verdict.UNCHECKED, None, None, ""),
    ]
    traces = {
        name: BranchTrace(torch.rand(200), torch.randn(40), torch.full((4,), 0.25), 0.1)
        for name in ("content", "descriptor")
    }
    attribution = Attribution("disgusted", {"content": -0.5, "descriptor": 3.1}, {"all": SHARES, "none": SHARES})
    reliability = Reliability("clips of other speakers", (SureBin(0.0, 1.0, 43, 31),))
    told_by = (attribution, None, SHARES, Where("disgusted", traces, 0.02), curves_of(WAV, heard), reliability, WAV)
    return Evidence(told, claims, measured_of(heard, measures_of(heard)), *told_by)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    with Report("A tiny model.") as made:
        for name in NAMES:
            made.add(Told(SourceClip(name, name), evidence().explanation), evidence())
        made.write(path)
    return path


def test_every_clip_has_a_player_with_a_name_and_its_sound_inside(report):
    page = report.read_text(encoding="utf-8")
    players = Reader(page).of("audio")
    assert [one["aria-label"] for one in players] == [f"The sound of {name}" for name in NAMES]
    assert all(one["src"].startswith("data:audio/flac;base64,") for one in players)
    assert all(one["aria-label"].startswith("waveform, pitch, level") for one in Reader(page).of("svg", role="img"))


def test_the_page_says_what_was_measured_and_how_often_such_answers_were_right(report):
    text = Reader(report.read_text(encoding="utf-8")).text
    assert "200 Hz" in text and "none of 0.25 s or more" in text
    assert "Of answers this sure (0 to 100 %), 31 of 43 were right, counted on clips of other speakers." in text
    assert "high begins at 214 Hz" in text and "○ not checked" in text


def test_a_unit_that_few_know_is_explained_where_it_stands(report):
    text = Reader(report.read_text(encoding="utf-8")).text
    for unit in ("in nats: +0.7 nats double its odds", "shared out evenly (Shapley values)", "(in nats; 0 is nothing)"):
        assert unit in text


@pytest.fixture
def opened(chromium, report):
    """No error may reach the console."""
    errors, tab = [], chromium.new_page(viewport={"width": 1000, "height": 800})
    tab.set_default_timeout(90_000)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(report.as_uri())
    yield tab
    tab.close()
    assert errors == []


def state(tab, number=0):
    """Time of a player in seconds, and place of its cursor as a share of the curves."""
    found = tab.locator(".xser-evidence").nth(number)
    seconds = found.locator("audio").evaluate("one => one.currentTime")
    place = found.locator(".xser-cursor").get_attribute("x1")
    return seconds, float(place.rstrip("%")) / 100


def test_a_click_on_the_curves_plays_from_there_and_the_cursor_follows(opened):
    plot = opened.locator("svg.xser-plot").first
    plot.scroll_into_view_if_needed()
    plot.click(position={"x": plot.bounding_box()["width"] * 0.5, "y": 200})
    opened.wait_for_function("document.querySelector('audio').currentTime > 2.2")
    opened.evaluate("document.querySelector('audio').pause()")
    opened.wait_for_function("document.querySelector('audio').paused")
    seconds, place = state(opened)
    assert 2.2 < seconds <= SECONDS and place == pytest.approx(seconds / SECONDS, abs=0.02)


def test_seeking_in_the_player_moves_the_cursor(opened):
    assert opened.locator(".xser-cursor").first.get_attribute("visibility") == "hidden"
    opened.evaluate("document.querySelector('audio').currentTime = 3")
    opened.wait_for_function("document.querySelector('.xser-cursor').getAttribute('x1') === '75.00%'")


def test_one_clip_plays_at_a_time(opened):
    opened.evaluate("document.querySelectorAll('audio')[0].play()")
    opened.wait_for_function("document.querySelectorAll('audio')[0].currentTime > 0")
    opened.evaluate("document.querySelectorAll('audio')[1].play()")
    opened.wait_for_function("document.querySelectorAll('audio')[1].currentTime > 0")
    assert opened.evaluate("document.querySelectorAll('audio')[0].paused")


# pairs of texts that lie over each other in one plot, and entries of the contents that lie over another's number
OVERLAPS = """() => {
  const boxes = (root, names, room) => [...root.querySelectorAll(names)].map((one) => {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    return { text: one.textContent.trim(), left: left - room, right, top, bottom };
  }).filter((box) => box.text);
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  const plots = [...document.querySelectorAll("svg.xser-plot")].map((one) => boxes(one, "text", 0));
  const found = [];
  for (const all of [...plots, boxes(document, "nav li", 32)])
    all.forEach((box, place) => all.slice(place + 1).forEach((other) => {
      if (over(box, other)) found.push([box.text, other.text]);
    }));
  return found;
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_texts_lie_over_each_other_and_the_page_fits(chromium, report, width):
    tab = chromium.new_page(viewport={"width": width, "height": 900})
    tab.goto(report.as_uri())
    assert tab.evaluate(OVERLAPS) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()
