"""Description metrics against published figures."""

import csv
import io
import json
import re
import shutil

import pytest
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import MetricError
from speechbrain_xser.metrics.captions import METRICS, CaptionScore, caption_scores, character_tokens, ptb_tokens
from speechbrain_xser.metrics.spice import ARTIFACTS, fetch_jars, spice_scores, why_no_spice
from tests.genuine import DATA

FIGURES = DATA / "metrics"
needs_figures = pytest.mark.skipif(not FIGURES.is_dir(), reason="published figures are not here: set XSER_DATA")
needs_jars = pytest.mark.skipif(why_no_spice() is not None, reason=f"SPICE: {why_no_spice()}")
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="METEOR and the PTB tokenizer need Java")
NAMES = {"ROUGE_L": "ROUGE-L", **{f"Bleu_{n}": f"BLEU-{n}" for n in range(1, 5)}}


@pytest.fixture(autouse=True)
def without_jars(request, monkeypatch, tmp_path):
    if "proposition" not in request.node.name:
        monkeypatch.setenv("XSER_CACHE", str(tmp_path / "no jars"))


def published() -> dict:
    return json.loads((FIGURES / "caption_published.json").read_text())


def scored(references, hypotheses, tokens="spaces", metrics=("BLEU-1", "BLEU-4", "ROUGE-L", "CIDEr", "SPICE")):
    ids = [str(n) for n in range(len(hypotheses))]
    return caption_scores(
        dict(zip(ids, references, strict=True)), dict(zip(ids, hypotheses, strict=True)), tokens, metrics
    )


@needs_java
@needs_figures
@pytest.mark.parametrize("case", range(3))
@pytest.mark.slow
def test_nlg_eval_s_figures_to_five_decimals(case):
    case = published()["nlg_eval"][case]
    found = scored(case["refs"], case["hyps"], metrics=METRICS).corpus
    for name, wanted in case["expected"].items():
        assert found[NAMES.get(name, name)] / 100 == pytest.approx(wanted, abs=0.5 * 10 ** -case["places"]), name


@needs_figures
def test_aac_metrics_figures_and_its_cider_d_by_sentence():
    (case,) = published()["aac_metrics"]
    strip = lambda text: text.replace(".", "")  # noqa: E731 (its own tokenizer leaves the full stop out)
    found = scored([[strip(text) for text in refs] for refs in case["refs"]], list(map(strip, case["hyps"])))
    assert found.corpus["BLEU-1"] / 100 == pytest.approx(case["expected"]["Bleu_1"], abs=5e-5)
    assert found.corpus["CIDEr"] / 100 == pytest.approx(case["expected_cider_d"]["corpus"], abs=5e-5)
    each = [row["CIDEr"] / 100 for row in found.utterances.values()]
    assert each == pytest.approx(case["expected_cider_d"]["per_sentence"], abs=5e-5)


@needs_figures
@pytest.mark.parametrize("name", ["aac_example_1.csv", "aac_example_2.csv"])
@pytest.mark.slow
def test_the_reference_implementation_s_figures_on_hundreds_of_items(name):
    wanted = json.loads((FIGURES / "caption_reference_impl.json").read_text())["sets"][name]
    with open(FIGURES / name, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    plain = lambda text: " ".join(re.sub(r'--|\.\.\.|[.,!?;:"()\[\]{}]', " ", text.lower()).split())  # noqa: E731
    references = [[plain(row[f"caption_{n}"]) for n in range(1, 6) if row[f"caption_{n}"]] for row in rows]
    wanted_here = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr")
    found = scored(references, [plain(row["caption_predicted"]) for row in rows], metrics=wanted_here)
    assert len(rows) == wanted["n"]
    for metric, value in wanted["corpus"].items():
        assert found.corpus[NAMES.get(metric, metric)] / 100 == pytest.approx(value, abs=1e-9), metric
    for metric, values in wanted["first10"].items():
        each = [row[NAMES.get(metric, metric)] / 100 for row in list(found.utterances.values())[:10]]
        assert each == pytest.approx(values, abs=1e-9), metric


@needs_java
def test_the_ptb_tokenizer_parts_clitics_and_drops_punctuation():
    # in lower case, as it is asked to write, pycocoevalcap does not know its own names of brackets any more
    found = ptb_tokens({"a": ["She's angry; isn't she?", "Loud,\nand fast (very)."], "b": ["U.S. news"]})
    assert found == {"a": ["she 's angry is n't she", "loud and fast -lrb- very -rrb-"], "b": ["u.s. news"]}


@needs_java
@pytest.mark.slow
def test_punctuation_and_case_do_not_count_after_the_ptb_tokenizer():
    found = scored([["A man speaks, loudly."], ["Rain falls."]], ["a man speaks loudly", "rain falls"], "ptb").corpus
    assert found["BLEU-1"] == pytest.approx(100, abs=1e-6) and found["ROUGE-L"] == pytest.approx(100)


def test_mandarin_is_scored_on_characters():
    assert character_tokens({"a": ["他很开心，说“OK”3次。"]}) == {"a": ["他 很 开 心 说 ok 3 次"]}
    found = scored([["心情很好"]], ["心情不好"], "characters")
    assert found.corpus["BLEU-1"] == pytest.approx(75, abs=1e-6)
    assert "English" in found.not_computed["SPICE"] and found.corpus["SPICE"] is None


def test_rouge_by_hand():
    """Of five words two are said: recall 2/5, precision 1; F with beta 1.2 is 2.44 * 0.4 / (0.4 + 1.44)."""
    found = scored([["rain falls on a roof"]], ["rain falls"])
    assert found.utterances["0"]["ROUGE-L"] == pytest.approx(100 * 2.44 * 0.4 / 1.84)


@needs_java
@pytest.mark.slow
def test_an_empty_description_scores_nothing_and_breaks_nothing():
    found = scored([["a man speaks"], ["rain falls"]], ["", "rain falls"], "ptb", METRICS)
    assert found.utterances["0"]["METEOR"] == 0 and found.utterances["0"]["ROUGE-L"] == 0
    assert found.utterances["1"]["ROUGE-L"] == pytest.approx(100)


@pytest.mark.parametrize(
    "ids, references, told",
    [
        (["a", "a"], ["x", "y"], "'a' occurs twice"),
        (["a", "b"], ["x", " "], "'b' has no reference"),
        (["a", "b"], ["x", []], "'b' has no reference"),
    ],
)
def test_what_cannot_be_scored_is_named(ids, references, told):
    with pytest.raises(MetricError, match=told):
        CaptionScore().append(ids, references, ["p", "q"])


def test_ids_without_a_partner_are_named():
    with pytest.raises(MetricError, match="2 ids have only a reference or only a hypothesis: b, c"):
        caption_scores({"a": ["x"], "b": ["y"]}, {"a": "x", "c": "z"})


@needs_java
def test_without_its_jars_spice_is_not_computed_and_the_rest_is():
    scores = CaptionScore(metrics=["ROUGE-L", "SPICE"])
    scores.append(["a"], ["A man speaks."], ["A man speaks."])
    assert scores.summarize("SPICE") is None and scores.summarize("ROUGE-L") == pytest.approx(100)
    scores.write_stats(written := io.StringIO())
    assert "SPICE not computed: no stanford-corenlp-3.6.0.jar in" in written.getvalue()
    assert "run `xser setup spice`" in written.getvalue()


def test_without_java_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MetricError, match="default-jre-headless"):
        scored([["a"]], ["a"], metrics=["METEOR"])


def test_an_unknown_metric_is_named():
    with pytest.raises(MetricError, match="No metric BLEU, expected some of BLEU-1"):
        scored([["a"]], ["a"], metrics=["BLEU"])


def test_jars_are_taken_from_a_folder_and_a_missing_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "given").mkdir()
    for name in list(ARTIFACTS)[:-1]:
        (tmp_path / "given" / name).write_bytes(b"jar")
    done = CliRunner().invoke(xser, ["setup", "spice", "--from", str(tmp_path / "given")])
    assert done.exit_code == 2 and list(ARTIFACTS)[-1] in done.output
    (tmp_path / "given" / list(ARTIFACTS)[-1]).write_bytes(b"jar")
    done = CliRunner().invoke(xser, ["setup", "spice", "--from", str(tmp_path / "given")])
    assert done.exit_code == 0 and why_no_spice() is None and done.output.strip() == str(tmp_path / "cache" / "spice")


def test_without_maven_the_manual_steps_are_given(monkeypatch, tmp_path):
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MetricError, match=r"apt-get install maven.*https://repo1.maven.org/maven2.*--from"):
        fetch_jars()


@needs_java
@needs_jars
def test_spice_counts_propositions():
    """The same ones give 1, none in common 0; of two (woman, woman speaks) and three (happy too) two are shared."""
    references = {"a": ["A woman speaks."], "b": ["A dog barks."], "c": ["A woman speaks quickly."]}
    told = {"a": "A woman speaks.", "b": "Rain falls.", "c": "A happy woman speaks fast."}
    assert spice_scores(references, told) == pytest.approx([1.0, 0.0, 2 * (2 / 3) * 1 / (2 / 3 + 1)])
