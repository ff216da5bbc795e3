"""The pictures of these pages, taken anew in a real browser: ``python docs/pictures.py`` (needs Chromium).

``python docs/pictures.py report`` takes those of one part alone: report, timeline or server.

All of them show the packaged tiny model on speech of the embedded corpus, so nothing else is needed. The report's clip
is the first of the test voices whose every claim the signal supports, as far as it can be compared. eSpeak NG does not
speak a sentence twice alike to the last sample, so a word of an answer may differ from one time to the next.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

import speechbrain_xser
from speechbrain_xser.answer.claim import Verdict
from speechbrain_xser.cli.model_options import explained_by, load_recognizer, model_name
from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.evidence.claims import check_claims
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.web.server import serving
from speechbrain_xser.web.server_settings import WebSettings

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
WIDE, PHONE = {"width": 1100, "height": 900}, {"width": 390, "height": 844}
VIEWS = {"light": ("light", WIDE), "dark": ("dark", WIDE), "phone": ("light", PHONE)}
EXAMPLE = "A sad woman"  # of the web page
FEWEST_CLAIMS = 6  # that are supported, of the report's clip
MOST_TRIED = 100  # clips
MODEL = ("--model", speechbrain_xser.TINY)
CLAIMS = "section.xser-part:has(h3:text('Claims against'))"
SENTENCES, PAUSE_SECONDS = 60, 1.5  # of the long recording
COLOURS = 64  # of a picture
PATIENCE = 300_000.0  # milliseconds


@contextmanager
def opened(browser: Browser, view: str, address: str) -> Iterator[Page]:
    """A page in one of the views."""
    scheme, size = VIEWS[view]
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    yield page
    page.close()


def sentences(count: int) -> Iterator[np.ndarray]:
    """Speech of the embedded corpus's test voices."""
    return (speak(plan("test", number, seed=1)) for number in range(count))


def fitting(folder: Path) -> Path:
    """A clip whose paragraph fits it, as its file has it."""
    recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model(), pretrained=False)
    path = folder / "clip.wav"
    for samples in sentences(MOST_TRIED):
        soundfile.write(path, samples, SAMPLE_RATE)
        wav = recognizer.load_audio(path)
        verdicts = [claim.verdict for claim in check_claims(recognizer.explain_batch([wav])[0].paragraph, wav)]
        if verdicts.count(Verdict.SUPPORTED) >= FEWEST_CLAIMS and Verdict.CONTRADICTED not in verdicts:
            return path
    sys.exit(f"error: none of {MOST_TRIED} clips fits its paragraph")


def long_recording(folder: Path) -> Path:
    """Many sentences with pauses."""
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    long = np.concatenate([part for sentence in sentences(SENTENCES) for part in (sentence, pause)])
    soundfile.write(folder / "interview.wav", long, SAMPLE_RATE)
    return folder / "interview.wav"


def take_report(browser: Browser, folder: Path) -> None:
    """The page of one clip."""
    report, clip = folder / "report.html", fitting(folder)
    run(folder, "explain", clip.name, *MODEL, "--html", report.name)
    for view in VIEWS:
        with opened(browser, view, report.as_uri()) as page:
            page.screenshot(path=IMAGES / f"explain-{view}.png", full_page=True)
    with opened(browser, "light", report.as_uri()) as page:
        top, claims = (page.locator(part).bounding_box() for part in ("h1", CLAIMS))
        height = claims["y"] + claims["height"] - top["y"]
        page.screenshot(
            path=IMAGES / "explanation-light.png",
            full_page=True,
            clip={"x": top["x"] - 20, "y": top["y"] - 20, "width": claims["width"] + 40, "height": height + 40},
        )


def take_timeline(browser: Browser, folder: Path) -> None:
    """The page of a long recording, with a moment chosen."""
    timeline, recording = folder / "interview.html", long_recording(folder)
    run(folder, "timeline", recording.name, *MODEL, "--out", timeline.name)
    for view in VIEWS:
        with opened(browser, view, timeline.as_uri()) as page:
            page.locator(".xser-detail").click(position={"x": 150, "y": 60})
            page.locator(".xser-detail").hover(position={"x": 150, "y": 60})
            page.screenshot(path=IMAGES / f"timeline-{view}.png")


def take_server(browser: Browser, folder: Path) -> None:
    """The web page: a clip in all views, and a long recording."""
    recording, tiny = long_recording(folder), speechbrain_xser.TINY
    settings = WebSettings(explained_by(tiny), packaged=True, model_name=model_name(tiny))
    with serving(load_recognizer(tiny), settings) as server:
        for view in VIEWS:
            with opened(browser, view, server.address) as page:
                page.get_by_role("button", name=EXAMPLE).click()
                expect(page.locator("svg.xser-plot")).to_be_visible(timeout=PATIENCE)
                shoot_all(page, IMAGES / f"serve-{view}.png")
        with opened(browser, "light", server.address) as page:
            page.get_by_role("tab", name="Long recording").click()
            page.locator("#xser-web-recording input[type=file]").set_input_files(recording)
            page.get_by_role("button", name="Read the recording").click()
            expect(page.get_by_role("list", name="Moments")).to_be_visible(timeout=PATIENCE)
            page.screenshot(path=IMAGES / "serve-timeline.png")


def shoot_all(page: Page, path: Path) -> None:
    """The whole page, in a window of its height: Gradio draws what is in sight."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.screenshot(path=path, full_page=True)


def run(folder: Path, *words: str) -> None:
    """An ``xser`` command, in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "speechbrain_xser.cli", *words], cwd=folder, env=environment, check=True)


PARTS = {"report": take_report, "timeline": take_timeline, "server": take_server}


def main() -> None:
    """Takes all of them, or those of the parts that are named."""
    wanted, begun = [PARTS[name] for name in sys.argv[1:]] or PARTS.values(), time.time()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        chromium = shutil.which("chromium") or sys.exit("error: Chromium is missing: apt-get install chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for take in wanted:
            take(browser, Path(place))
        browser.close()
    for path in [path for path in IMAGES.glob("*.png") if path.stat().st_mtime >= begun]:
        Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)  # a third of the size


if __name__ == "__main__":
    main()
