"""The modules that each command loads: few imports make a quick start."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
UNUSED = (  # by any command that explains; each was loaded by a library, or by us, in passing
    "bitsandbytes",
    "datasets",
    "gradio",
    "ijson",
    "jiwer",
    "librosa",
    "matplotlib",
    "numba",
    "pandas",
    "pycocoevalcap",
    "resemblyzer",
    "rich",  # for a terminal only
    "scipy",
    "sklearn",
    "speechbrain",
    "sphinx",
    "tensorboard",
    "torch._dynamo",
    "torch._inductor",
    "wandb",
)
GRADIO_S = {"gradio", "pandas", "rich"}  # which only the server loads
MODEL_CODE = {"transformers", "peft", "speechbrain", "gradio", "matplotlib", "torch._dynamo"}
MOST_OF_A_SERVER = 4600  # 4390, of which Gradio 6.31 has 1100
MOST_MODULES = 3400  # 3210 of torch 2.15 with transformers 5.24 and PEFT 0.21; it was 3850
OF_TESTS = {"boto3", "botocore", "jmespath", "s3transfer"}  # of the S3 stand-in; accelerate loads them
CLIPS = DATA / "cremad" / "AudioWAV"
needs_real_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"No clips in {CLIPS}: set XSER_DATA")
COMMANDS = """
import json, sys
from speechbrain_xser.cli.main import xser
for words in {commands!r}:
    try:
        xser(words, prog_name="xser")
    except SystemExit as end:
        assert not end.code, (words, end.code)
print(json.dumps(sorted(sys.modules)))
"""


SERVED = "from speechbrain_xser.web.server import Server\nServer.wait = lambda self: None\n"


def ran(*commands: list[str]) -> str:
    """Python that runs one command after the other, and prints the modules that they loaded."""
    return COMMANDS.format(commands=commands)


def modules_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    return {name for name in loaded if name.partition(".")[0] not in OF_TESTS}


@cache
def loaded_for_a_clip(*command: str) -> set[str]:
    return modules_after(ran([*command, str(min(CLIPS.glob("*.opus")))]))


def explaining() -> set[str]:
    return loaded_for_a_clip("explain", "--model", "tiny", "--json")


@needs_real_clips
@pytest.mark.parametrize("name", UNUSED)
@pytest.mark.slow
def test_explaining_a_clip_does_not_load(name):
    assert name not in explaining()


@needs_real_clips
@pytest.mark.parametrize("name", UNUSED)
def test_a_timeline_does_not_load(name):
    assert name not in loaded_for_a_clip("timeline", "--model", "tiny")


@needs_real_clips
def test_explaining_a_clip_loads_no_more_modules_than_the_model_needs():
    assert len(explaining()) < MOST_MODULES


@pytest.mark.slow
def test_a_server_loads_gradio_and_nothing_else_that_explaining_does_not():
    loaded = modules_after(SERVED + ran(["serve", "--model", "tiny", "--port", "0"]))
    assert {*UNUSED} & loaded == GRADIO_S
    assert len(loaded) < MOST_OF_A_SERVER


@pytest.mark.parametrize(("loaded", "frozen"), [("json", True), ("triton", False)])
def test_the_end_of_a_process_scans_what_was_loaded_only_for_triton(loaded, frozen):
    code = (
        "import atexit, gc, sys\nfrom speechbrain_xser.utils.quick_imports import importing\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"
        f"with importing():\n    sys.modules[{loaded!r}] = sys"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{frozen}\n", done.stderr


def test_the_package_alone_loads_nothing_heavy():
    loaded = modules_after("import json, sys, speechbrain_xser\nprint(json.dumps(sorted(sys.modules)))")
    assert not {"torch", "numpy", "transformers", "speechbrain", "click"} & loaded


@pytest.mark.slow
def test_scoring_answers_loads_no_model_code(tmp_path):
    row = {"id": "a", "answer": 'A man says, "Go", sad.', "reference": {"id": "a", "wav": "a.wav", "transcript": "go"}}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    loaded = modules_after(ran(["score", "--json", str(tmp_path / "a.jsonl")]))
    assert not {"transformers", "peft", "speechbrain", "gradio", "matplotlib"} & loaded


@needs_real_clips
def test_data_commands_load_no_model_code(tmp_path):
    """Preparing, checking and annotating need no LLM, no SpeechBrain and no plots."""
    (tmp_path / "clips").mkdir()
    shutil.copy(min(CLIPS.glob("*.opus")), tmp_path / "clips" / "a.opus")
    clips, manifest, out = (str(tmp_path / name) for name in ("clips", "all.jsonl", "out"))
    (tmp_path / "all.jsonl").write_text(json.dumps({"id": "a", "wav": f"{clips}/a.opus", "transcript": "go"}))
    loaded = modules_after(
        ran(
            ["prepare", "generic", "--data-folder", clips, "--save-folder", out],
            ["check", manifest, "--workers", "1"],
            ["annotate", clips, "--out", out, "--workers", "1"],
        )
    )
    assert not MODEL_CODE & loaded


@pytest.mark.parametrize("command", ["explain --model tiny --jobs 2", "annotate"])
def test_the_process_that_starts_workers_loads_neither_model_code_nor_torch(command, tmp_path):
    """Its workers begin to load theirs only when it has loaded its own."""
    (tmp_path / "a.wav").touch()
    words = [*command.split(), str(tmp_path), "--out", str(tmp_path / "a.parquet")]
    code = (
        "import json, sys\nfrom speechbrain_xser.batch import process_pool\n"
        "from speechbrain_xser.cli.main import xser\n"
        "def tell(*_):\n    print(json.dumps(sorted(sys.modules)))\n    sys.exit()\n"
        f"process_pool.work_in_processes = tell\nxser({words})"
    )
    assert not {*MODEL_CODE, "torch"} & modules_after(code)


@pytest.mark.slow
def test_a_worker_of_batch_work_loads_no_more_than_a_command():
    code = (
        "import json, sys\nimport speechbrain_xser\nfrom speechbrain_xser.batch.explain_work import ExplainWork\n"
        "from speechbrain_xser.batch.shard_worker import Job\n"
        "assert Job(ExplainWork(speechbrain_xser.packaged_model()), None).worker(0).fault is None\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert not {*UNUSED} & modules_after(code)
