"""What every folder of tests can use, and which files start first."""

import copy
import os
import shutil
import tempfile

import pytest

import speechbrain_xser
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.sources import resolve_source
from speechbrain_xser.utils.user_cache import RESEMBLYZER_FOLDER, SET_UP, user_cache
from tests.outside import GUARD
from tests.warmed import warmed_python

LONGEST = (
    "reproduction/test_reproduce.py",
    "faults/test_killed_training.py",
    "test_notebooks.py",
    "recipes/test_demo.py",
    "reproduction/test_settings.py",
    "training/test_evaluation.py",
    "training/test_step.py",
    "web/test_browser.py",
    "benchmarks/test_benchmarks.py",
    "training/test_ddp.py",
    "faults/test_killed_ranks.py",
    "consistency/test_recipes.py",
    "timeline/test_memory.py",
    "cli/test_timeline.py",
    "cli/test_annotate.py",
    "test_shown_diffs.py",
)


BRINGS = {  # what a fixture marks
    "chromium": "browser",
    "python": "slow",
    "packaged": "slow",
    "small": "small",
    "genuine_voices": "small",
}


def pytest_configure(config):
    """Files keep the order given below; by itself xdist starts those of many tests first, and a long table last.

    A worker counts one core, which is its share: what asks for a process a core works in the worker itself, instead of
    importing torch in as many new ones. Tests of pools say how many they want.
    """
    GUARD.install()
    os.environ["XSER_MODEL"] = speechbrain_xser.TINY  # the default depends on what this user has set up
    os.environ["XDG_STATE_HOME"] = place = tempfile.mkdtemp(prefix="xser-state-")  # not this user's
    config.add_cleanup(lambda: shutil.rmtree(place, ignore_errors=True))
    if hasattr(config, "workerinput"):
        os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Marks tests by their fixtures; the longest files first, so that the workers end together."""

    def place(item: pytest.Item) -> int:
        here = item.path.as_posix()
        return next((rank for rank, name in enumerate(LONGEST) if here.endswith(f"/tests/{name}")), len(LONGEST))

    for item in items:
        for marker in {BRINGS.get(name) for name in getattr(item, "fixturenames", ())} - {None}:
            item.add_marker(marker)
    items.sort(key=place)


@pytest.fixture(autouse=True)
def nothing_outside():
    """Fails a test that asked for another machine, even if the code under test survived the refusal."""
    before = len(GUARD.attempts)
    yield
    if attempts := GUARD.attempts[before:]:
        pytest.fail(f"The test {' and '.join(attempts)}: expected this machine only.", pytrace=False)


@pytest.fixture(scope="module")
def chromium():
    """A real browser; without one the tests are skipped, but not in CI."""
    path = shutil.which("chromium")
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("needs chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def python():
    """An interpreter that starts at once, for tests of processes; see ``tests/warmed``."""
    with warmed_python() as path:
        yield path


@pytest.fixture(scope="session")
def packaged():
    """The packaged model's recogniser, for tests that do not change it."""
    from speechbrain_xser.inference import ExplainableEmotionRecognizer

    return ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model(), run_opts={"device": "cpu"})


@pytest.fixture(scope="session")
def small(request):
    """The sources of Whisper and SmolLM2; without them a test is left out, unless just such tests were asked for."""
    sources = tuple(f"setup:{name}" for name in SET_UP)
    try:
        for source in sources:
            resolve_source(source)
    except BackboneError as error:
        absent = pytest.fail if request.config.option.markexpr == "small" else pytest.skip
        absent(str(error), **({"pytrace": False} if absent is pytest.fail else {}))
    return sources


@pytest.fixture(scope="session")
def genuine_voices(request):
    """Resemblyzer's speaker encoder, in the same way."""
    folder = user_cache() / RESEMBLYZER_FOLDER
    if not folder.is_dir():
        absent = pytest.fail if request.config.option.markexpr == "small" else pytest.skip
        absent(f"no speaker encoder in {folder}: `xser setup speakers` brings it")
    from speechbrain_xser.lobes.voice_encoder import VoiceEncoder

    return VoiceEncoder.from_folder(folder)


@pytest.fixture(scope="session")
def unchecked(packaged):
    """The same, which takes tones and noise for speech, as tests that need no words hand them in."""
    recognizer = copy.copy(packaged)
    recognizer.speech_check = False
    return recognizer
