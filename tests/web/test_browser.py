"""The page in a real browser, served by ``xser serve`` as a user starts it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import srt

from tests.web.conftest import files_below

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
CHROMIUM = shutil.which("chromium")
PATIENCE = 90_000  # milliseconds; a machine may be busy, and nothing here is timed
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="needs the browser chromium"),
]
# every text that a part of the page ever showed, for a browser may miss what it is only asked about
WATCH = """(selector) => {
  window.seen = [];
  const look = () => { for (const part of document.querySelectorAll(selector)) {
    if (part.textContent !== window.seen.at(-1)) window.seen.push(part.textContent); } };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


class Served(NamedTuple):
    """A server in a separate process."""

    process: subprocess.Popen
    address: str
    place: Path  # its temporary files


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [sys.executable, "-m", "speechbrain_xser.cli", "serve", "--port", "0", "--max-seconds", "20"],
        env=os.environ | {"TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # as in a terminal
    )
    line = process.stdout.readline()
    try:
        yield Served(process, line.split()[2], place)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, served):
    """Opens the page as another user each time; nothing may fail in its console, and all that it asks for is there."""
    contexts, faults = [], []

    def opened(**options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
        page.set_default_timeout(PATIENCE)
        page.goto(served.address)
        expect(page.get_by_role("tab", name="Long recording")).to_be_visible(timeout=PATIENCE)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def upload(page, path):
    """Chooses a file in the open tab."""
    button = page.get_by_role("tabpanel").filter(visible=True).get_by_role("button", name=re.compile("upload", re.I))
    with page.expect_file_chooser() as chooser:
        button.first.click()
    chooser.value.set_files(path)


def ask(page, name="Explain"):
    button = page.get_by_role("button", name=name)
    expect(button).to_be_enabled(timeout=PATIENCE)
    button.click()


def test_the_model_is_announced_with_its_limits(open_page):
    expect(open_page().get_by_role("note")).to_contain_text("Do not trust its words and emotions")


def test_a_clip_is_explained_step_by_step(open_page, recognizer, spoken, served):
    page, hosts = open_page(), set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url)[:2]))
    page.reload()
    upload(page, spoken[0])
    expect(page.get_by_label(f"Clip: {spoken[0].name}")).to_be_visible(timeout=PATIENCE)
    page.evaluate(WATCH, ".xser-web-streaming .xser-paragraph")
    ask(page)
    expect(page.get_by_role("table", name="Probability of each emotion")).to_be_visible(timeout=PATIENCE)
    paragraph = recognizer.explain_file(spoken[0]).paragraph
    texts = [text for text in page.evaluate("window.seen") if text]
    assert len(texts) > 3 and all(paragraph.startswith(text) for text in texts)
    said = page.locator(".xser-evidence .xser-paragraph").inner_text()
    assert re.sub("[✓✗?○]", "", said) == paragraph
    expect(page.get_by_role("table", name="What words and voice carry")).to_be_visible()
    expect(page.get_by_role("heading", name="Claims against the signal")).to_be_visible()
    expect(page.locator("svg.xser-plot")).to_contain_text("F0, Hz")
    assert {host for kind, host in hosts if kind not in ("data", "blob")} == {urlsplit(served.address).netloc}
    assert files_below(next(served.place.glob("xser-serve-*")) / "uploads") == []


def test_an_unreadable_file_has_a_message_and_the_page_stays_usable(open_page, spoken, tmp_path):
    (tmp_path / "notes.wav").write_text("not audio")
    page = open_page()
    upload(page, tmp_path / "notes.wav")
    expect(page.get_by_role("alert")).to_contain_text("notes.wav: cannot be read as audio", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Explain")).to_be_disabled()
    upload(page, spoken[0])
    expect(page.get_by_label(f"Clip: {spoken[0].name}")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("alert").filter(visible=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Explain")).to_be_enabled()


def test_a_long_recording_becomes_a_timeline_with_the_users_own_sound(open_page, recording, served):
    page = open_page()
    page.get_by_role("tab", name="Long recording").click()
    upload(page, recording)
    page.evaluate(WATCH, ".xser-web-progress")
    ask(page, "Read the recording")
    moments = page.get_by_role("list", name="Moments").get_by_role("listitem")
    expect(moments).to_have_count(2, timeout=PATIENCE)
    assert any("read" in text for text in page.evaluate("window.seen"))
    page.wait_for_function("document.querySelector('.xser-timeline audio').duration > 5")
    assert files_below(next(served.place.glob("xser-serve-*")) / "uploads") == []


def test_a_clip_s_files_are_saved_under_its_name(open_page, spoken):
    page = open_page()
    upload(page, spoken[0])
    ask(page)
    for suffix in ("html", "json", "csv", "srt"):
        with page.expect_download() as saved:
            page.get_by_role("link", name=f"Download clip7.{suffix}").click(timeout=PATIENCE)
        assert saved.value.suggested_filename == f"clip7.{suffix}"
        text = saved.value.path().read_text(encoding="utf-8")
        assert (json.loads(text)["path"] == "clip7.wav") if suffix == "json" else text
    expect(page.locator(".xser-web-results .xser-web-head")).to_contain_text("clip7.wav")


def test_a_recording_s_files_are_saved_and_its_name_stays(open_page, recording):
    page = open_page()
    page.get_by_role("tab", name="Long recording").click()
    upload(page, recording)
    ask(page, "Read the recording")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download meeting.srt").click(timeout=PATIENCE)
    assert [cue.index for cue in srt.parse(saved.value.path().read_text(encoding="utf-8"))] == [1, 2]
    expect(page.get_by_text("meeting.wav", exact=True)).to_be_visible()


BUTTONS = """() => {
  window.seen = [];
  const look = () => {
    const shown = [...document.querySelectorAll("button")].filter((one) => one.offsetParent);
    const told = shown.map((one) => one.textContent.trim()).filter((text) => /^(Explain|Stop|Read)/.test(text)).join();
    if (told !== window.seen.at(-1)) window.seen.push(told);
  };
  look();
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true,
    attributes: true });
}"""


def test_a_button_says_what_it_does_and_stop_is_there_while_something_runs(open_page, spoken, recording):
    page = open_page()
    upload(page, spoken[0])
    expect(page.get_by_role("button", name="Explain")).to_be_enabled(timeout=PATIENCE)
    page.evaluate(BUTTONS)
    ask(page)
    expect(page.locator("svg.xser-plot")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Explain")).to_be_enabled()
    seen = page.evaluate("window.seen")
    assert seen[0] == seen[-1] == "Explain" and "Explaining …,Stop" in seen
    page.get_by_role("tab", name="Long recording").click()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    upload(page, recording)
    page.evaluate(BUTTONS)
    ask(page, "Read the recording")
    expect(page.get_by_role("list", name="Moments")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Read the recording")).to_be_disabled()
    seen = page.evaluate("window.seen")
    assert seen[-1] == "Read the recording" and "Reading …,Stop" in seen


def test_a_stopped_explanation_gives_the_model_back(open_page, spoken, served):
    page = open_page()
    upload(page, spoken[0])
    ask(page)
    page.get_by_role("button", name="Stop").click(timeout=PATIENCE)
    expect(page.get_by_text("Stopped.").filter(visible=True).first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Stop")).to_be_hidden(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Explain")).to_be_enabled(timeout=PATIENCE)
    for _ in range(50):
        if page.context.request.get(f"{served.address}health").json()["requests"] == 0:
            break
        time.sleep(0.1)
    assert page.context.request.get(f"{served.address}health").json()["requests"] == 0
    ask(page)
    expect(page.locator("svg.xser-plot")).to_be_visible(timeout=PATIENCE)


def test_a_screen_reader_hears_what_is_going_on_from_a_region_that_stays(open_page, spoken):
    page = open_page()
    live = page.locator("#xser-web-live")
    expect(live).to_have_attribute("role", "status")
    live.evaluate("element => { window.region = element; }")
    upload(page, spoken[0])
    expect(page.get_by_label(f"Clip: {spoken[0].name}")).to_be_visible(timeout=PATIENCE)
    page.evaluate(WATCH, "#xser-web-live")
    ask(page)
    expect(live).to_contain_text("clip7.wav is explained: ", timeout=PATIENCE)
    seen = page.evaluate("window.seen")
    assert "Gathering the evidence …" in seen and len(seen) < 8
    assert page.evaluate("window.region === document.getElementById('xser-web-live')")
    assert page.locator(".xser-web-results [role=status]").count() == 0


def test_there_is_one_page_about_the_api(open_page):
    page = open_page()
    expect(page.get_by_role("tab", name="API")).to_have_count(1)
    expect(page.locator("footer")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("API"))).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_need_not_scroll_sideways_or_in_a_part(open_page, recording, scheme):
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.get_by_role("tab", name="Long recording").click()
    upload(page, recording)
    ask(page, "Read the recording")
    expect(page.get_by_role("list", name="Moments")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    scrolled = page.evaluate("""() => [...document.querySelectorAll("body *")].filter((part) =>
      part.offsetParent && /auto|scroll/.test(getComputedStyle(part).overflowY)
      && part.scrollHeight > part.clientHeight + 1).map((part) => part.className)""")
    assert scrolled == []


def test_two_users_at_once_see_their_own_clips(open_page, recognizer, spoken):
    pages = [open_page(), open_page()]
    for page, path in zip(pages, spoken, strict=True):
        upload(page, path)
    for page in pages:
        ask(page)
    for page, path in zip(pages, spoken, strict=True):
        told = recognizer.explain_file(path)
        facts = page.locator(".xser-facts:not(.xser-measured)")
        expect(facts).to_contain_text(told.transcript, timeout=PATIENCE)
        expect(facts).to_contain_text(told.emotion)


def test_a_script_that_is_no_part_of_the_page_does_not_run(chromium, served):
    page = chromium.new_page()
    page.goto(served.address)
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = true'>");
    }""")
    page.wait_for_timeout(1000)
    assert page.evaluate("window.ran") is None
    page.close()


def test_the_page_cannot_be_framed(chromium, served):
    page, said = chromium.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.set_content(f"<iframe src='{served.address}'></iframe>")
    page.wait_for_timeout(2000)
    assert any("frame-ancestors" in text or "X-Frame-Options" in text for text in said), said
    page.close()


def test_a_closed_page_s_clip_is_forgotten(open_page, spoken, served):
    page = open_page()
    upload(page, spoken[0])
    expect(page.get_by_label(f"Clip: {spoken[0].name}")).to_be_visible(timeout=PATIENCE)
    asked = page.context.request
    kept = asked.get(f"{served.address}health").json()["clips"]
    assert kept >= 1
    page.close()
    for _ in range(100):
        if (left := asked.get(f"{served.address}health").json()["clips"]) < kept:
            break
        time.sleep(0.2)
    assert left < kept


def test_an_example_works_without_an_upload(open_page):
    page = open_page()
    page.get_by_role("button", name="An angry man").click()
    expect(page.locator(".xser-facts:not(.xser-measured)")).to_contain_text("angry", timeout=PATIENCE)


def test_ctrl_c_ends_it_and_leaves_nothing(served):
    served.process.send_signal(signal.SIGINT)
    _, said = served.process.communicate(timeout=PATIENCE / 1000)
    assert served.process.returncode == 130
    assert "Traceback" not in said, said
    assert said.rstrip().endswith("all uploads were deleted.")
    assert list(served.place.iterdir()) == []
