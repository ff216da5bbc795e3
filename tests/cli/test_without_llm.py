"""Every command with a trained folder of a system without an LLM: it works, or says in one line why it does not."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.cli.main import xser
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.testing import tiny_lobes, tiny_manifest, tiny_model
from tests.cli.spoken import write_speech

SYSTEMS = {  # of hparams/systems
    "vib_two_stage_sft": {"latent": 8, "hears": ["content", "descriptor"]},
    "ssl_hubert": {"latent": None, "hears": ["descriptor"]},
}
NO_PARAGRAPHS = "error: This model answers with a HeadsDecoder"


@pytest.fixture(scope="module", params=SYSTEMS)
def model(request, tmp_path_factory) -> str:
    """A folder with random weights whose heads give an answer."""
    place = tmp_path_factory.mktemp(request.param)
    values = SYSTEMS[request.param]
    made, lobes = tiny_model(place, **values), tiny_lobes(place, **values)
    return write_model_folder(place / "model", made, {"model": lobes, "stage": "emotion", "max_seconds": 30.0})


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech") / "speech.wav")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> str:
    return tiny_manifest(tmp_path_factory.mktemp("manifest"), clips=8)


def run(*arguments: object):
    done = CliRunner().invoke(xser, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize("options", [(), ("--fast",), ("--structured",), ("--fast", "--structured")])
@pytest.mark.slow
def test_explain_gives_one_answer_with_every_way_of_decoding(model, speech, options):
    recognizer = ExplainableEmotionRecognizer.from_hparams(model, run_opts={"device": "cpu"})
    done = run("explain", speech, "--model", model, "--device", "cpu", *options)
    [row] = map(json.loads, done.stdout.splitlines())
    expected = recognizer.explain_file(speech)
    assert done.exit_code == 0 and row["paragraph"] == expected.paragraph and row["emotion"] == expected.emotion
    assert row["probabilities"] == pytest.approx(expected.probabilities)


def test_the_library_explains_live_and_merged(model, speech):
    recognizer = ExplainableEmotionRecognizer.from_hparams(model, run_opts={"device": "cpu"}, merge=True, speculate=4)
    wav = recognizer.load_audio(speech)
    text, explanation = recognizer.explain_live(wav)
    assert [explanation] == recognizer.explain_batch(wav[None]) and text == explanation.paragraph
    assert sum(explanation.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("options", [("--evidence",), ("--html", "report.html"), ("--swap", "SPEECH")])
def test_options_that_need_an_llm_are_refused_in_one_line(model, speech, tmp_path, options):
    options = [tmp_path / word if word.endswith(".html") else speech if word == "SPEECH" else word for word in options]
    done = run("explain", speech, "--model", model, "--device", "cpu", *options)
    assert done.exit_code == 2 and NO_PARAGRAPHS in done.stderr.splitlines()[-1] and done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_serve_and_faithfulness_refuse_it_in_one_line(model, manifest):
    for command in (["serve", "--port", "0"], ["faithfulness", manifest]):
        done = run(*command, "--model", model, "--device", "cpu")
        assert done.exit_code == 2 and "error: " in done.stderr.splitlines()[-1] and "HeadsDecoder" in done.stderr


def test_timeline_explains_every_moment(model, speech, tmp_path):
    out = ["--out", tmp_path / "a.html", "--format", "jsonl"]
    done = run("timeline", speech, "--model", model, "--device", "cpu", *out)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.exit_code == 0 and rows and all(row["emotion"] for row in rows), done.output
    assert (tmp_path / "a.html").is_file()


def test_evaluate_scores_it(model, manifest):
    done = run("evaluate", manifest, "--model", model, "--device", "cpu", "--json")
    told = json.loads(done.stdout)["train"]
    assert done.exit_code == 0 and told["clips"] == 8 and 0 <= told["ua"] <= 100


@pytest.mark.slow
def test_probe_reads_its_branches(model, manifest):
    done = run("probe", "--model", model, "--train", manifest, "--test", manifest, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout), done.output


def test_export_writes_a_folder_that_answers_the_same(model, speech, tmp_path):
    done = run("export", model, "--out", tmp_path / "out", "--with-encoder")
    assert done.exit_code == 0, done.output
    told = [
        ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"}).explain_file(speech)
        for folder in (model, tmp_path / "out")
    ]
    assert told[0] == told[1] and torch.tensor(list(told[0].probabilities.values())).isfinite().all()
