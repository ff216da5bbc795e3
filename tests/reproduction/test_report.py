"""A report of hand-written answers, with figures computed by hand."""

import json
from pathlib import Path

import pytest

from speechbrain_xser.answer import Record, render
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import MetricError, ReproductionError
from speechbrain_xser.reproduction.outcomes import Outcome
from speechbrain_xser.reproduction.plan import Plan, Run
from speechbrain_xser.reproduction.report_files import finished_systems, write_report
from speechbrain_xser.reproduction.sheets import compared, confusion_sheet, emotion_sheet, table_sheet

RECIPES = Path(__file__).parents[2] / "recipes"
TRUTH = ["sad"] * 4 + ["happy"] * 2
GOOD = ["sad", "sad", "sad", "happy", "happy", "happy"]  # recalls 3/4 and 1: UA 87.5, WA 83.3
BAD = ["happy", "happy", None, "sad", "sad", "happy"]  # recalls 1/4 and 1/2: UA 37.5, WA 33.3


def plan_of(tmp_path: Path, systems: dict[str, list[list]], **values) -> Plan:
    """A folder of finished runs: by system, the answered emotions of each seed."""
    seeds = tuple(range(len(next(iter(systems.values())))))
    plan = Plan("CREMA-D", "tiny", "trained", "data", tmp_path, RECIPES, tuple(systems), seeds)._replace(**values)
    for system, heard in systems.items():
        for seed, emotions in enumerate(heard):
            write_run(plan, system, seed, emotions)
    return plan


def write_run(plan: Plan, system: str, seed: int, emotions: list) -> None:
    folder = plan.out / Run("CREMA-D", system, seed).name
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "metadata.json").write_text("{}")
    with open(folder / "test_answers.jsonl", "w", encoding="utf-8") as file:
        for number, (truth, found) in enumerate(zip(TRUTH, emotions, strict=True)):
            utterance = Utterance(f"u{number}", "a.wav", transcript="so it is", emotion=truth)
            answer = render(Record("so it was" if number == 0 else "so it is", emotion=found))
            row = {"id": utterance.id, "answer": answer, "reference": utterance._asdict()}
            file.write(json.dumps(row | {"probabilities": {"sad": 0.75, "happy": 0.25}}) + "\n")


def test_figures_are_means_over_the_seeds(tmp_path):
    outcome = Outcome(plan_of(tmp_path, {"fd_ser_asr": [GOOD, BAD]}), "fd_ser_asr")
    assert outcome.ua.seeds == pytest.approx((87.5, 37.5)) and outcome.ua.value == pytest.approx(62.5)
    assert outcome.wa.value == pytest.approx((500 / 6 + 200 / 6) / 2)
    assert outcome.wer.value == pytest.approx(100 / 18)  # one word of six times three
    assert outcome.wer.interval.value == pytest.approx(100 / 18) and outcome.ua.interval.value == pytest.approx(62.5)
    assert outcome.ua.interval.low < 62.5 < outcome.ua.interval.high
    assert outcome.calibration_error() == pytest.approx(100 * (0.75 - 4 / 6))


def test_a_system_without_transcripts_has_no_word_error_rate(tmp_path):
    assert Outcome(plan_of(tmp_path, {"fd_ser_sed": [GOOD]}), "fd_ser_sed").wer is None


def test_the_table_has_our_figure_beside_the_papers(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD], "llm_ser_sed_asr": [BAD]}, without=("METEOR", "SPICE"))
    sheet = table_sheet(plan, 2, {name: Outcome(plan, name) for name in plan.systems})
    row = dict(zip(sheet.header, next(row for row in sheet.rows if row[0] == "5"), strict=True))
    assert row["UA ours"].startswith("87.5 [") and row["UA IEMOCAP, paper"] == "70.6"
    quoted = next(row for row in sheet.rows if row[0] == "P4")
    assert quoted[2] == "-" and "14.6" in quoted and "77.2" in quoted


def test_at_ears_scale_the_table_says_which_row_stands_for_which(tmp_path):
    plan = plan_of(tmp_path, {"ssl_whisper": [GOOD]}, scale="ears")
    sheet = table_sheet(plan, 2, {"ssl_whisper": Outcome(plan, "ssl_whisper")})
    told = {row[0]: row[2] for row in sheet.rows}
    assert told["1-3"].startswith("87.5 [") and {told["1"], told["2"], told["3"]} == {"-"}
    assert "one row, 1-3, stands in their place" in sheet.notes[-1] and "Whisper tiny.en" in sheet.notes[-1]


def test_a_pair_is_compared_over_utterances_and_corrected_for_the_table(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_sed_asr": [GOOD], "fd_ser_asr": [BAD], "llm_ser_sed_asr": [BAD]})
    pairs = compared(2, {name: Outcome(plan, name) for name in plan.systems})
    assert [(pair.better.id, pair.worse.id) for pair in pairs] == [("7", "4"), ("7", "5")]
    for pair in pairs:  # differences 1 1 1 0 1 0: mean 2/3, deviation 0.5164, t = 3.162 with 5 degrees of freedom
        assert pair.difference == pytest.approx(100 * 4 / 6 - 100 / 6)
        assert pair.corrected == pytest.approx(2 * pair.p_value)


def test_unparsed_answers_have_a_column_of_their_own(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [BAD, BAD]})
    sheet = confusion_sheet(Outcome(plan, "fd_ser_asr"))
    assert sheet.header == ("true", "happy", "sad", "unparsed")
    assert sheet.rows == (("happy", "2", "2", "0"), ("sad", "4", "2", "2"))


def test_raters_count_if_the_corpus_has_their_votes(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD]})
    folder = plan.out / "CREMA-D" / "manifests"
    folder.mkdir()
    rows = [("u0", ["Sadness", "Sadness"]), ("u3", ["Sadness", "Happiness"]), ("u4", ["Neutral", "Neutral"])]
    (folder / "ratings.jsonl").write_text(
        "".join(
            json.dumps({"id": id, "votes": {str(n): [word] for n, word in enumerate(words)}}) + "\n"
            for id, words in rows
        )
    )
    sheet = emotion_sheet(plan, {"fd_ser_asr": Outcome(plan, "fd_ser_asr")})
    row = dict(zip(sheet.header, sheet.rows[0], strict=True))
    assert (row["any rater %"], row["WA % of these"]) == ("66.7", "66.7")  # u0 and u3; u0 and u4
    assert "3 of the test clips" in sheet.notes[-1] and "agrees in 66.7 %" in sheet.notes[-1]


def test_a_system_with_a_seed_missing_is_not_reported(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD], "llm_ser_sed_asr": [BAD]})
    (plan.out / "CREMA-D" / "fd_ser_asr" / "seed0" / "model" / "metadata.json").unlink()
    assert finished_systems(plan) == ["llm_ser_sed_asr"]


def test_an_unfinished_table_is_reported_as_such(tmp_path):
    plan = Plan("CREMA-D", "tiny", "trained", "data", tmp_path, RECIPES, ("fd_ser_asr",), (0,))
    with pytest.raises(ReproductionError, match="no system has finished"):
        write_report(plan, (2,))


def test_seeds_that_answered_other_utterances_are_named(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD, BAD]})
    path = plan.out / "CREMA-D" / "fd_ser_asr" / "seed1" / "test_answers.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ReproductionError, match="seed 1 did not answer the same utterances: u5"):
        Outcome(plan, "fd_ser_asr")


@pytest.mark.parametrize("change", [{"id": "other"}, {"reference": {"emotion": "angry"}}])
def test_systems_that_answered_other_utterances_are_never_paired(tmp_path, change):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD], "llm_ser_sed_asr": [BAD]})
    path = plan.out / "CREMA-D" / "llm_ser_sed_asr" / "seed0" / "test_answers.jsonl"
    first, *rest = path.read_text().splitlines()
    row = json.loads(first)
    row |= {key: row[key] | value if isinstance(value, dict) else value for key, value in change.items()}
    path.write_text("\n".join([json.dumps(row), *rest]) + "\n")  # as many as before
    with pytest.raises(ReproductionError, match="fd_ser_asr and llm_ser_sed_asr differ in .*u0"):
        write_report(plan, (2,))


def test_a_corpus_without_transcripts_has_no_word_error_rate(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD]})
    path = plan.out / "CREMA-D" / "fd_ser_asr" / "seed0" / "test_answers.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["reference"]["transcript"] = None
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = Outcome(plan, "fd_ser_asr")
    assert outcome.wer is None and outcome.character_error() is None


def test_answers_with_an_id_twice_are_refused(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD]})
    path = plan.out / "CREMA-D" / "fd_ser_asr" / "seed0" / "test_answers.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    with pytest.raises(MetricError, match="'u0' occurs twice"):
        Outcome(plan, "fd_ser_asr")


@pytest.mark.slow
def test_a_report_is_markdown_csv_and_one_page_and_the_same_each_time(tmp_path):
    plan = plan_of(tmp_path, {"fd_ser_asr": [GOOD, BAD], "ssl_hubert": [BAD, BAD]})
    folder = write_report(plan, (2,))
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"report.md", "report.html", "table2.csv", "emotion.csv", "confusions.png"} <= set(first)
    assert {path.name: path.read_bytes() for path in write_report(plan, (2,)).iterdir()} == first
    page = first["report.html"].decode()
    assert page.count("data:image/png;base64,") == 1 and 'src="http' not in page and "HuBERT+FD+LLM-SER+ASR" in page
    assert b"| 5 | HuBERT+FD+LLM-SER+ASR | 62.5 [" in first["report.md"]
