"""The tables of a report: the paper's table with our figures, and details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.metrics.raters import human_ceiling
from speechbrain_xser.metrics.significance import holm, mcnemar_test, paired_t_test
from speechbrain_xser.reproduction.outcomes import Figure, Outcome, corpus_votes
from speechbrain_xser.reproduction.plan import Plan
from speechbrain_xser.reproduction.published import PAIRS, SED, STAND_INS, TITLES, Row, rows
from speechbrain_xser.utils.sheet import Sheet

LEVEL = 0.05
SHORT = {"BLEU-4": "B@4", "METEOR": "M", "ROUGE-L": "R", "CIDEr": "C", "SPICE": "S"}  # the paper's
INTERVALS = "Ours is the mean over the seeds, with the 95 % interval of a bootstrap over the test utterances."
BY_CHARACTER = "Descriptions are Mandarin and compared by characters."
ONE_ENCODER = (
    "All of our rows hear with the encoder of Whisper tiny.en, also where the paper's label names HuBERT. Rows 1 to 3 "
    "of table 2 differ in their encoder alone, so one row, 1-3, stands in their place: the same heads on Whisper."
)
NO_INTERVALS = "BLEU-4 and METEOR are not means over utterances, so they have no such interval."


class Pair(NamedTuple):
    """A comparison of two systems in a table."""

    better: Row
    worse: Row
    measure: str  # UA, or a metric of the descriptions
    difference: float
    p_value: float  # one-tailed paired t-test over utterances, as in the paper
    corrected: float  # Holm-corrected for the comparisons of the table
    mcnemar: float | None  # exact test on the label of most seeds; only for UA

    @property
    def holds(self) -> bool:
        """Whether the better system is significantly better."""
        return self.corrected < LEVEL


def table_sheet(plan: Plan, table: int, outcomes: Mapping[str, Outcome]) -> Sheet:
    """The paper's table 1, 2 or 3: its rows with our figures and the published ones."""
    metrics = [*(SED if table != 2 else ()), *(("UA", "WER") if table != 1 else ())]
    pairs = compared(table, outcomes)
    corpora = sorted({corpus for row in rows(table) for corpus in row.figures}, key=("EMOSEC", "IEMOCAP", "MELD").index)
    quoted = [(corpus, metric) for corpus in corpora for metric in metrics if _is_published(table, corpus, metric)]
    header = ["ID", "System", *(f"{SHORT.get(metric, metric)} ours" for metric in metrics), "better than"]
    header += [f"{SHORT.get(metric, metric)} {corpus}, paper" for corpus, metric in quoted]
    body = []
    for row in rows(table, plan.scale):
        ours = [_figure_text(_figure(outcomes.get(row.system), metric)) for metric in metrics]
        told = [_number(row.figures.get(corpus, {}).get(metric)) for corpus, metric in quoted]
        body.append((row.id, row.label, *ours, _beaten(row, pairs), *told))
    return Sheet(
        f"table{table}", f"{TITLES[table]}, {plan.corpus}", tuple(header), tuple(body), _notes(plan, metrics, outcomes)
    )


def compared(table: int, outcomes: Mapping[str, Outcome]) -> list[Pair]:
    """The comparisons that the paper marks in a table, for the finished systems."""
    by_id = {row.id: row for row in rows(table)}
    found = [(by_id[better], by_id[worse]) for better, worse in PAIRS[table]]
    found = [pair for pair in found if all(row.system in outcomes for row in pair)]
    labelled = all(outcome.labelled for outcome in outcomes.values())
    measures = (["UA"] if table != 1 and labelled else []) + (list(SED) if table != 2 else [])
    raw = [
        (better, worse, measure, *tested)
        for better, worse in found
        for measure in measures
        if (tested := _tested(outcomes[better.system], outcomes[worse.system], measure)) is not None
    ]
    corrected = holm([one[4] for one in raw])
    return [Pair(*one[:5], value, one[5]) for one, value in zip(raw, corrected, strict=True)]


def significance_sheet(table: int, outcomes: Mapping[str, Outcome]) -> Sheet | None:
    """Every comparison with its p-values; None without any."""
    pairs = compared(table, outcomes)
    if not pairs:
        return None
    header = ("systems", "measure", "difference", "p, t-test", "p, Holm", "significant", "p, McNemar")
    body = tuple(
        (
            f"{pair.better.id} over {pair.worse.id}",
            pair.measure,
            f"{pair.difference:+.1f}",
            f"{pair.p_value:.3g}",
            f"{pair.corrected:.3g}",
            "yes" if pair.holds else "no",
            "-" if pair.mcnemar is None else f"{pair.mcnemar:.3g}",
        )
        for pair in pairs
    )
    notes = (
        "One-tailed paired t-test over utterances, as in the paper, on the share of the seeds that are right (UA) or "
        f"the mean score over the seeds; Holm's correction for the {len(pairs)} comparisons of the table; p < {LEVEL}. "
        "The difference is that of the utterances' means, so of UA it is plain accuracy. McNemar's exact test is "
        "two-sided, not corrected, and on the label that most seeds give.",
    )
    return Sheet(f"significance{table}", f"Significance in table {table}", header, body, notes)


def emotion_sheet(plan: Plan, outcomes: Mapping[str, Outcome]) -> Sheet:
    """Accuracy, F1, calibration and agreement with raters, for every system."""
    votes = corpus_votes(plan)
    rated = any(outcome.rater_figures() for outcome in outcomes.values())
    header = ["System", "UA %", "of each seed", "WA %", "macro F1", "weighted F1", "parsed %", "ECE %"]
    header += ["any rater %", "WA % of these"] if rated else []
    body = []
    for name, outcome in outcomes.items():
        f1 = [_number(fmean(score.summarize(key) for score in outcome.emotion)) for key in ("macro_F1", "weighted_F1")]
        error, raters = outcome.calibration_error(), outcome.rater_figures()
        cells = [name, _figure_text(outcome.ua), " ".join(f"{seed:.1f}" for seed in outcome.ua.seeds)]
        cells += [_figure_text(outcome.wa), *f1, _number(outcome.mean_scores()["parsed"])]
        cells += [_number(error)]
        cells += [_number(raters[1]), _number(raters[2])] if rated and raters else ["-", "-"] if rated else []
        body.append(tuple(cells))
    notes = ["ECE is the expected calibration error of the most probable label (15 bins); an unparsed answer is wrong."]
    if rated:
        own = {id: labels for id, labels in votes.items() if id in set(next(iter(outcomes.values())).ids)}
        notes.append(
            f"{len(own)} of the test clips come with their raters' votes: there, a label counts as right if any "
            f"rater gave it. One rater against the rest agrees in {human_ceiling(own):.1f} % (the human "
            "ceiling). This is agreement with the others' most frequent label, so it does not bound the other "
            "column, where one of about ten raters is enough."
        )
    return Sheet("emotion", "Emotion", tuple(header), tuple(body), tuple(notes))


def transcript_sheet(outcomes: Mapping[str, Outcome]) -> Sheet:
    """Word and character error rate of every system that transcribes."""
    body = tuple(
        (name, _figure_text(outcome.wer), " ".join(f"{seed:.1f}" for seed in outcome.wer.seeds), _number(error))
        for name, outcome in outcomes.items()
        if (error := outcome.character_error()) is not None
    )
    notes = ("Lower case, punctuation and double spaces left out; an answer without a quote has no words.",)
    return Sheet("transcripts", "Transcripts", ("System", "WER %", "of each seed", "CER %"), body, notes)


def descriptor_sheet(outcomes: Mapping[str, Outcome]) -> Sheet | None:
    """How often each descriptor is stated as it was measured; None if no system describes."""
    told = {name: outcome.mean_scores() for name, outcome in outcomes.items() if outcome.describes}
    if not told:
        return None
    fields = [field for field in next(iter(told.values())) if field not in ("parsed", "emphasis F1")]
    header = ("System", *(f"{field} %" for field in fields), "emphasis F1")
    body = tuple(
        (name, *(_number(values[field]) for field in [*fields, "emphasis F1"])) for name, values in told.items()
    )
    notes = (
        "Parsed from the paragraphs and compared with the annotator's measurements; gender and age are the "
        "corpus's own.",
    )
    return Sheet("descriptors", "Descriptors", header, body, notes)


def confusion_sheet(outcome: Outcome) -> Sheet:
    """The confusion matrix of a system, all seeds together."""
    found = sorted(set(outcome.truth.tolist()), key=EMOTIONS.index)
    columns = [*found, *sorted(set(outcome.heard.ravel().tolist()) - set(found) - {""}), ""]
    truth, heard = outcome.truth.repeat(outcome.heard.shape[1]), outcome.heard.ravel()
    body = tuple(
        (emotion, *(str(int(((truth == emotion) & (heard == column)).sum())) for column in columns))
        for emotion in found
    )
    header = ("true", *(column or "unparsed" for column in columns))
    return Sheet(f"confusions_{outcome.system}", f"Confusions of {outcome.system}, all seeds", header, body)


def _beaten(row: Row, pairs: Sequence[Pair]) -> str:
    """The rows that a row beats significantly, and by which metrics, as "5 (UA, B@4), 6 (UA)"."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.better.id == row.id and pair.holds:
            found.setdefault(pair.worse.id, []).append(SHORT.get(pair.measure, pair.measure))
    return ", ".join(f"{id} ({', '.join(measures)})" for id, measures in found.items()) or "-"


def _tested(better: Outcome, worse: Outcome, measure: str) -> tuple[float, float, float | None] | None:
    """Difference of the means, p of the t-test, p of McNemar's test; None if a system lacks the measure."""
    if measure == "UA":
        ours, theirs = better.right, worse.right
        mcnemar = mcnemar_test(better.majority_right.tolist(), worse.majority_right.tolist())
        return float(100 * (ours - theirs).mean()), paired_t_test(ours, theirs), mcnemar
    if better.sed(measure) is None or worse.sed(measure) is None:
        return None
    ours, theirs = better.utterance_sed(measure), worse.utterance_sed(measure)
    return float((ours - theirs).mean()), paired_t_test(ours, theirs), None


def _figure(outcome: Outcome | None, metric: str) -> Figure | None:
    if outcome is None:
        return None
    if metric == "UA" and not outcome.labelled:
        return None
    return {"UA": lambda: outcome.ua, "WER": lambda: outcome.wer}.get(metric, lambda: outcome.sed(metric))()


def _figure_text(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    inside = f" [{figure.interval.low:.1f}, {figure.interval.high:.1f}]" if figure.interval else ""
    return f"{figure.value:.1f}{inside}"


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.1f}"


def _is_published(table: int, corpus: str, metric: str) -> bool:
    return any(metric in row.figures.get(corpus, {}) for row in rows(table))


def _notes(plan: Plan, metrics: Sequence[str], outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    first, seeds = next(iter(outcomes.values())), ", ".join(map(str, plan.seeds))
    notes = [
        f"{len(first.ids)} test utterances of {plan.corpus}, {plan.setting}, scale {plan.scale}, seeds {seeds}.",
        INTERVALS,
        "better than: the rows that this row beats significantly, with the metrics; all comparisons are listed below.",
        "P rows are systems of others, as quoted in the paper; if we have a system of the same type, the row shows "
        "our figure.",
        *([ONE_ENCODER] if plan.scale in STAND_INS else []),
    ]
    if "METEOR" not in metrics:
        return tuple(notes)
    describing = [outcome for outcome in outcomes.values() if outcome.describes]
    notes += [NO_INTERVALS, *([BY_CHARACTER] if any(one.tokens == "characters" for one in describing) else [])]
    missing = {why for one in describing for why in one.descriptions[0]["not_computed"].items()}
    missing |= {(metric, "left out") for metric in plan.without}
    return tuple([*notes, *(f"{metric} is not computed: {why}." for metric, why in sorted(missing))])
