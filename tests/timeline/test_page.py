"""The page: its text, its colours as numbers, and its behaviour in a real browser."""

import html
import json
import re
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechbrain_xser.answer import Descriptors
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.answer.reliability import Reliability, SureBin
from speechbrain_xser.page.palette import DARK, LIGHT
from speechbrain_xser.page.timeline_view import timeline_sections
from speechbrain_xser.timeline.cutting import Cutting
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.page import page_text
from speechbrain_xser.timeline.source import Source
from tests.timeline.stub import RATE, tones

EVIL = "</script><img src=x onerror=alert(1)> & 'friends' \""


def moment(start, words="hello", emotion="sad", speaker=None):
    probabilities = dict.fromkeys(EMOTIONS, 0.0) | {"sad": 0.75, "angry": 0.25}
    explanation = Explanation("A man.", words, Descriptors(pitch="low"), emotion, probabilities)
    return Moment(start, start + 1.0, explanation, speaker)


def conversation(count=10):
    """Three speakers in turn, two seconds apart."""
    return [moment(2.0 * at + 1.0, f"word {at}", speaker=f"speaker {at % 3 + 1}") for at in range(count)]


def page(folder, moments, recording="talk.flac", reliability=None, **options):
    """A page in a folder, with or without its recording."""
    place = folder / recording
    source = Source(
        SimpleNamespace(path=place, file=str(place), track=None, read_seconds=20.0, fault=None),
        "a/model",
        EMOTIONS,
        Cutting(),
        reliability=reliability,
    )
    (folder / "page.html").write_text("".join(page_text(moments, source, folder=folder, **options)), encoding="utf-8")
    return folder / "page.html"


def test_all_text_is_escaped():
    found = timeline_sections([moment(1.0, EVIL, EVIL, EVIL)], EVIL, name=EVIL, emotions=[*EMOTIONS, EVIL])
    assert "<img" not in found and found.count("</script>") == 1 and html.escape(EVIL, quote=False)[:20] in found


def test_the_plots_data_are_the_moments():
    found = timeline_sections([moment(1.0), moment(3.5)], seconds=20.0)
    data = json.loads(re.search(r'xser-data">(.*?)</script>', found)[1])
    assert data["moments"][1] == [3.5, 4.5, [0, 0, 0.75, 0.25, 0, 0, 0]] and data["seconds"] == 20.0


def test_a_moment_says_how_often_answers_as_sure_were_right(tmp_path):
    counted = Reliability("clips of other speakers", (SureBin(0.0, 0.6, 40, 15), SureBin(0.6, 1.0, 43, 31)))
    moments = [moment(1.0), moment(3.0, emotion="angry"), moment(5.0, emotion="unknown")]  # 75 %, 25 % and none
    found = re.findall(r"<details>.*?</details>", page(tmp_path, moments, reliability=counted).read_text())
    assert ["31 of 43" in one for one in found] == [True, False, False]
    assert ["15 of 40" in one for one in found] == [False, True, False]
    assert "were right" not in page(tmp_path, moments).read_text()


def test_without_a_sound_there_is_nothing_to_play():
    assert "<audio" not in timeline_sections([moment(1.0)]) and "▶" not in timeline_sections([moment(1.0)])


def test_the_recordings_address_is_relative_to_the_page_and_quoted(tmp_path):
    assert 'src="a%20%23%20talk.flac"' in page(tmp_path, [moment(1.0)], "a # talk.flac").read_text()


def test_an_empty_timeline_says_so(tmp_path):
    assert "No speech was found" in page(tmp_path, []).read_text()


def test_nothing_is_fetched_from_elsewhere(tmp_path):
    assert not re.search(r"(?:src|href)=[\"']?https?:|url\(|@import", page(tmp_path, [moment(1.0)]).read_text())


# Machado, Oliveira and Fernandes (2009), IEEE TVCG 15(6), table 1: severity 1.0, linear RGB
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # of linear sRGB
WHITE = XYZ.sum(axis=1)


def lab(colour, deficiency):
    """CIE L*a*b* of a colour as it is seen."""
    code = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1) / WHITE, 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_any_two_colours_are_told_apart(colours, deficiency):
    """A difference of 2.3 is just seen (Mahy et al., 1994); ten is seen in thin columns."""
    pairs = combinations([lab(colour, deficiency) for colour in colours], 2)
    assert min(np.linalg.norm(one - other) for one, other in pairs) > 10


@pytest.fixture
def opened(chromium, tmp_path):
    """A page of ten moments, two seconds apart, with its sound; no error may reach its console."""
    soundfile.write(tmp_path / "talk.flac", tones(*[1.0] * 20), RATE)
    place, errors = page(tmp_path, [moment(2.0 * at + 1.0, f"word {at}") for at in range(10)]), []
    tab = chromium.new_page(viewport={"width": 1000, "height": 700})
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(place.as_uri())
    yield tab
    tab.close()
    assert errors == []


def seconds_played(tab):
    return tab.evaluate("document.querySelector('audio').currentTime")


def selected(tab):
    return tab.eval_on_selector_all(".xser-selected", "rows => rows.map(row => row.dataset.moment)")


def test_a_click_on_a_moment_plays_it_and_stops_at_its_end(opened):
    opened.locator(".xser-times").nth(3).click()
    opened.wait_for_function("document.querySelector('audio').currentTime > 7.1")
    assert selected(opened) == ["3"]
    opened.wait_for_function("document.querySelector('audio').paused")
    assert 8.0 <= seconds_played(opened) < 9.0


def test_a_click_on_the_plot_plays_what_is_there(opened):
    box = opened.locator(".xser-detail").bounding_box()
    opened.mouse.click(box["x"] + box["width"] * 11.5 / 20, box["y"] + 20)
    assert selected(opened) == ["5"] and seconds_played(opened) >= 11.0


def test_a_moment_selected_in_the_plot_is_selected_in_the_list(chromium, tmp_path):
    tab = chromium.new_page(viewport={"width": 1000, "height": 700})
    tab.goto(page(tmp_path, [moment(2.0 * at + 1.0, f"word {at}") for at in range(500)]).as_uri())
    tab.locator(".xser-detail").focus()
    tab.keyboard.press("End")
    tab.wait_for_timeout(200)
    row, box = (tab.locator(name).bounding_box() for name in (".xser-selected", ".xser-moments"))
    assert box["y"] <= row["y"] and row["y"] + row["height"] <= box["y"] + box["height"] + 1
    assert selected(tab) == ["499"]
    tab.close()


def test_hovering_shows_the_moment(opened):
    box = opened.locator(".xser-detail").bounding_box()
    opened.mouse.move(box["x"] + box["width"] * 3.5 / 20, box["y"] + 20)
    assert opened.locator(".xser-tip").text_content() == "0:00:03.0 – 0:00:04.0, sad 75\xa0%: word 1"


def test_the_keyboard_selects_zooms_and_plays(opened):
    plot = opened.locator(".xser-detail")
    plot.focus()
    for key in ("ArrowRight", "ArrowRight", "+", "+", "Enter"):
        opened.keyboard.press(key)
    assert selected(opened) == ["1"] and "word 1" in plot.get_attribute("aria-valuetext")
    left, _, width, _ = map(float, opened.locator(".xser-detail svg").get_attribute("viewBox").split())
    assert width == 5.0 and left <= 3.0 and seconds_played(opened) >= 3.0
    opened.keyboard.press("Escape")
    assert opened.locator(".xser-detail svg").get_attribute("viewBox") == "0 0 20 1"


def test_dragging_over_the_small_plot_zooms_to_the_selection(opened):
    box = opened.locator(".xser-overview").bounding_box()
    opened.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 10)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 10, steps=5)
    opened.mouse.up()
    left, _, width, _ = map(float, opened.locator(".xser-detail svg").get_attribute("viewBox").split())
    assert left == pytest.approx(5.0, abs=0.1) and width == pytest.approx(10.0, abs=0.1)


def test_an_emotion_can_be_hidden_in_the_plot_and_shown_again(opened):
    path, button = opened.locator(".xser-detail path").nth(2), opened.locator(".xser-toggle").nth(2)
    before = path.get_attribute("d")
    button.click()
    assert path.get_attribute("d") == "" and button.get_attribute("aria-pressed") == "false"
    button.click()
    assert path.get_attribute("d").count("M") == before.count("M") == 10


def test_a_missing_sound_is_reported_and_can_be_chosen(chromium, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    soundfile.write(tmp_path / "elsewhere" / "talk.flac", tones(*[1.0] * 20), RATE)
    tab = chromium.new_page()
    tab.goto(page(tmp_path, [moment(1.0), moment(9.0)]).as_uri())
    tab.wait_for_selector(".xser-lost", state="visible")
    assert "cannot find or play talk.flac" in tab.locator(".xser-lost").text_content()
    tab.locator(".xser-lost input").set_input_files(tmp_path / "elsewhere" / "talk.flac")
    tab.wait_for_selector(".xser-lost", state="hidden")
    tab.locator(".xser-times").nth(1).click()
    tab.wait_for_function("document.querySelector('audio').currentTime > 9.1")
    tab.close()


def test_a_page_with_its_sound_needs_no_other_file(chromium, tmp_path):
    soundfile.write(tmp_path / "talk.flac", tones(*[1.0] * 20), RATE)
    place = page(tmp_path, [moment(1.0), moment(9.0)], embed_audio=True)
    (tmp_path / "talk.flac").unlink()
    tab = chromium.new_page()
    tab.goto(place.as_uri())
    tab.locator(".xser-times").nth(1).click()
    tab.wait_for_function("document.querySelector('audio').currentTime > 9.1")
    tab.close()


def test_a_phone_need_not_scroll_sideways(chromium, tmp_path):
    tab = chromium.new_page(viewport={"width": 390, "height": 800})
    tab.goto(page(tmp_path, [moment(1.0, "word" * 60)], "long" * 30 + ".flac").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tab.close()


@pytest.fixture
def phone(chromium, tmp_path):
    """A page of many moments on a phone."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = context.new_page()
    tab.goto(page(tmp_path, [moment(2.0 * at + 1.0, f"word {at}") for at in range(60)]).as_uri())
    yield tab
    context.close()


def test_on_a_phone_the_page_scrolls_and_nothing_in_it(phone):
    scrolled = phone.evaluate("""() => [...document.querySelectorAll("body *")].filter((part) =>
      /auto|scroll/.test(getComputedStyle(part).overflowY) && part.scrollHeight > part.clientHeight + 1
    ).map((part) => part.className)""")
    assert scrolled == [] and phone.evaluate("document.documentElement.scrollHeight") > 3000


def test_on_a_phone_no_number_parts_from_its_percent_sign(phone):
    """As the browser breaks lines, in ever narrower cells."""
    heights = phone.evaluate("""() => {
      const cell = document.querySelector(".xser-emotion"), text = cell.lastChild, found = [];
      const at = text.data.search(/\\d\\s%/), range = document.createRange();
      range.setStart(text, at);
      range.setEnd(text, at + 3);
      for (let width = 20; width < 120; width += 4) {
        cell.style.cssText = `display: block; width: ${width}px`;
        found.push(range.getBoundingClientRect().height);
      }
      return found;
    }""")
    assert len(set(heights)) == 1


def test_a_tap_on_the_plot_shows_the_moment_until_another_place_is_tapped(phone):
    box = phone.locator(".xser-detail").bounding_box()
    phone.touchscreen.tap(box["x"] + box["width"] * 3.5 / 20, box["y"] + 20)
    expected = "sad 75\xa0%: word"
    assert expected in phone.locator(".xser-tip").text_content() and phone.locator(".xser-tip").is_visible()
    phone.locator("h1").tap()
    assert phone.locator(".xser-tip").is_hidden()


def test_each_speaker_has_a_line_with_the_name_the_time_and_the_share():
    found = timeline_sections(conversation(), seconds=20.0)
    lanes = re.findall(r'<li class="xser-lane"><b>(.*?)</b> (.*?)<svg.*?d="(.*?)"', found)
    assert [lane[:2] for lane in lanes] == [
        ("speaker 1", "0:00:04.0, 40 % of the speech"),
        ("speaker 2", "0:00:03.0, 30 % of the speech"),
        ("speaker 3", "0:00:03.0, 30 % of the speech"),
    ]
    assert lanes[1][2] == "M3.00 0h1.00v1h-1.00zM9.00 0h1.00v1h-1.00zM15.00 0h1.00v1h-1.00z"


def test_speakers_lines_are_under_the_plot_and_follow_its_zoom(chromium, tmp_path):
    tab = chromium.new_page(viewport={"width": 1000, "height": 700})
    tab.goto(page(tmp_path, conversation()).as_uri())
    box = tab.locator(".xser-detail").bounding_box()
    lanes = tab.eval_on_selector_all(".xser-lane svg", "all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert [(lane["x"], lane["width"]) for lane in lanes] == [(box["x"], box["width"])] * 3
    tab.mouse.move(box["x"] + box["width"] * 3.5 / 20, box["y"] + 20)
    assert tab.locator(".xser-tip").text_content() == "0:00:03.0 – 0:00:04.0, speaker 2, sad 75\xa0%: word 1"
    tab.locator(".xser-detail").focus()
    for key in ("ArrowRight", "ArrowRight", "+", "+"):
        tab.keyboard.press(key)
    views = tab.eval_on_selector_all(
        ".xser-detail svg, .xser-lane svg", "all => all.map(one => one.getAttribute('viewBox'))"
    )
    assert len(views) == 4 and set(views) == {"1 0 5 1"}
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_speaker_s_line_stands_out_from_what_is_behind_it(chromium, tmp_path, scheme):
    """A contrast of 3 is what WCAG 2.2 asks of graphics (1.4.11)."""
    tab = chromium.new_page(color_scheme=scheme)
    tab.goto(page(tmp_path, conversation()).as_uri())
    style = "one => [getComputedStyle(one).fill, getComputedStyle(one).backgroundColor]"
    colours = [re.findall(r"\d+", found)[:3] for found in tab.eval_on_selector(".xser-lane svg", style)]
    values = [np.array([int(part) / 255 for part in found]) for found in colours]
    linear = [np.where(one <= 0.04045, one / 12.92, ((one + 0.055) / 1.055) ** 2.4) for one in values]
    dark, light = sorted(float(XYZ[1] @ one) for one in linear)
    assert (light + 0.05) / (dark + 0.05) > 3
    tab.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_conversation_need_not_be_scrolled_sideways(chromium, tmp_path, width):
    tab = chromium.new_page(viewport={"width": width, "height": 800})
    tab.goto(page(tmp_path, [moment(1.0, "word" * 60, speaker="speaker 1"), *conversation()]).as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    row = tab.locator(".xser-moment").nth(2)
    times, speaker, mix = (row.locator(name).bounding_box() for name in (".xser-times", ".xser-speaker", ".xser-mix"))
    assert speaker["y"] >= times["y"] + times["height"] - 1 and speaker["x"] + speaker["width"] <= mix["x"]
    tab.close()
