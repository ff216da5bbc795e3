#!/usr/bin/env python3
"""Compares the answers of a model before and after a rewarded stage: what is true, what it cost, and what it hid.

    python recipes/Tiny/rewarded.py before.jsonl results/tiny/rl-1986/test_answers.jsonl results/tiny/rl-1987/... \\
        --manifest=results/tiny/corpus/test-600.jsonl --log=results/tiny/rl-1986/steps.jsonl --out=results/tiny/report

The files are those that a run or ``xser evaluate --answers`` writes. Each further file is a seed; a difference is
paired by clip, the mean over the seeds. Claims are compared with the annotator, as in the reward, and with what the
reward did not see: Praat's pitch, and the labels of the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import click
import torch

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.measures import Measures, measures_of
from speechbrain_xser.answer.claim import Verdict
from speechbrain_xser.answer.mentions import skeleton
from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.record import VOCABULARIES
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import MetricError
from speechbrain_xser.evidence.claims import claims_against
from speechbrain_xser.evidence.faithfulness_scores import FIELDS
from speechbrain_xser.metrics.answers import Answered, read_answers
from speechbrain_xser.metrics.asr import WordErrorRate
from speechbrain_xser.metrics.calibration import expected_calibration_error
from speechbrain_xser.metrics.captions import caption_scores
from speechbrain_xser.metrics.descriptions import description_answer, description_reference
from speechbrain_xser.metrics.significance import bootstrap_interval, paired_t_test
from speechbrain_xser.stages import SER_STAGE
from speechbrain_xser.utils.commandline import one_line_errors

CAPTIONS = ("BLEU-4", "METEOR", "ROUGE-L", "CIDEr")  # SPICE takes a second a clip
PRAATS = ("pitch", "intonation")  # what Praat measures beside us
HEADER = ("of the test clips", "before", "after, mean of the seeds", "by seed", "difference, 95 % interval", "p")


class Sound(NamedTuple):
    """A clip, measured twice."""

    utterance: Utterance
    ours: Measures
    praat: Measures


class Row(NamedTuple):
    """One measure, a value for each clip."""

    name: str
    before: list[float]
    after: list[list[float]]  # of each seed


@click.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False))
@click.argument("after", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--manifest", required=True, help="Of the clips that were answered.")
@click.option("--data", help="What {data_root} stands for in the manifest.")
@click.option("--log", help="steps.jsonl of a run, whose curves are drawn.")
@click.option("--out", required=True, help="Folder for the table and the curves.")
@one_line_errors()
def main(before: str, after: tuple[str, ...], manifest: str, data: str | None, log: str | None, out: str) -> None:
    """Writes rewarded.md, and curves.png where there is a log, into a folder."""
    systems = [read_answers(path) for path in (before, *after)]
    clips = [one for one in read_manifest(manifest) if all(one.id in system for system in systems)]
    if len(clips) < 2:
        raise MetricError(f"{manifest}: {len(clips)} of its clips are in all files of answers; expected at least 2.")
    base = Path(manifest).parent
    sounds = [measured(clip, resolve(clip, data, base)) for clip in clips]
    text = report(sounds, systems)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rewarded.md").write_text(text + "\n", encoding="utf-8")
    if log is not None:
        from speechbrain_xser.reproduction.plots import draw_steps

        draw_steps(log, folder / "curves.png")
    click.echo(text)


def measured(clip: Utterance, path: str) -> Sound:
    """A clip by our tracker of pitch and by Praat's."""
    wav = load_audio(path, clip.start, clip.stop)
    return Sound(clip, *(measures_of(hear(wav, tracker), clip.transcript) for tracker in ("correlation", "praat")))


def report(sounds: Sequence[Sound], systems: Sequence[Mapping[str, Answered]]) -> str:
    """The table as Markdown, and the counts that are not of single clips."""
    told = [[system[sound.utterance.id] for sound in sounds] for system in systems]
    lines = [shown(Row(name, *_split(values))) for name, values in measures(sounds, told).items()]
    for name, before, after in whole(told):
        lines.append((name, before, f"{mean(after):.2f}", " ".join(f"{one:.2f}" for one in after), "", ""))
    rule = tuple("-" * 3 for _ in HEADER)
    table = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (HEADER, rule, *lines))
    return f"{table}\n\n{len(sounds)} clips, {len(systems) - 1} seeds."


def measures(sounds: Sequence[Sound], told: Sequence[Sequence[Answered]]) -> dict[str, list[list[float]]]:
    """Values of each clip, of each system, by the name of the measure."""
    truth = [sound.utterance for sound in sounds]
    found: dict[str, list[list[float]]] = {}
    for answers in told:
        for name, values in _of_system(sounds, truth, answers).items():
            found.setdefault(name, []).append(values)
    return found


def _of_system(sounds: Sequence[Sound], truth: Sequence[Utterance], answers: Sequence[Answered]) -> dict[str, list]:
    texts = [one.answer for one in answers]
    heard = list(zip(texts, sounds, strict=True))
    ours = [claims_against(text, sound.ours, sound.utterance.transcript) for text, sound in heard]
    praat = [claims_against(text, sound.praat, sound.utterance.transcript) for text, sound in heard]
    records = [parse(text) for text in texts]
    pairs = list(zip(truth, records, strict=True))
    of_fields = [[claim for claim in claims if claim.field in FIELDS] for claims in ours]
    found = {
        "claims an answer": [float(len(claims)) for claims in of_fields],
        "supported claims an answer": _count(of_fields, Verdict.SUPPORTED),
        "contradicted claims an answer": _count(of_fields, Verdict.CONTRADICTED),
    }
    for field in FIELDS:
        found[f"contradicted: {field}"] = _count([[c for c in claims if c.field == field] for claims in ours])
    of_praat = [[claim for claim in claims if claim.field in PRAATS] for claims in praat]
    found["contradicted by Praat's pitch"] = _count(of_praat)
    for field in ("gender", "pitch", "volume", "speed", "intonation"):
        if any(getattr(one, field) for one in truth):
            labels = [(getattr(one, field), getattr(record.descriptors, field)) for one, record in pairs]
            found[f"the corpus's {field}, %"] = [100.0 * (wanted == said) for wanted, said in labels]
    emotions = [(one.emotion, record.emotion) for one, record in pairs]
    shares = {label: sum(wanted == label for wanted, _ in emotions) for label, _ in emotions}
    weights = {label: len(emotions) / (len(shares) * count) for label, count in shares.items()}
    found["UA, %"] = [100 * weights[wanted] * (wanted == said) for wanted, said in emotions]
    found["WER, %"] = _word_errors(truth, [record.transcript for record in records])
    references = {one.id: [description_reference(one, SER_STAGE)] for one in truth}
    written = {one.id: description_answer(text) for one, text in zip(truth, texts, strict=True)}
    scored = caption_scores(references, written, metrics=CAPTIONS)
    for name in CAPTIONS:
        found[name] = [scored.utterances[one.id][name] for one in truth]
    return found


def _count(claims: Sequence[Sequence], verdict: Verdict = Verdict.CONTRADICTED) -> list[float]:
    return [float(sum(claim.verdict is verdict for claim in one)) for one in claims]


def _word_errors(truth: Sequence[Utterance], quotes: Sequence[str | None]) -> list[float]:
    """Errors of each clip, by the mean number of words: their mean is the error rate."""
    wrong, words = [], []
    for one, quote in zip(truth, quotes, strict=True):
        errors = WordErrorRate()
        errors.append([one.id], [one.transcript], [quote])
        told = errors.summarize()
        wrong.append(told["substitutions"] + told["deletions"] + told["insertions"])
        words.append(told["words"])
    return [100 * count / mean(words) for count in wrong]


def whole(told: Sequence[Sequence[Answered]]) -> list[tuple[str, str, list[float]]]:
    """What belongs to no single clip: calibration, distinct wordings, and how often the commonest emotion is named."""

    def error(answers: Sequence[Answered]) -> float:
        known = [one for one in answers if one.probabilities and one.reference.emotion]
        rows = [one.probabilities for one in known]
        return expected_calibration_error(rows, [one.reference.emotion for one in known]) if known else float("nan")

    def wordings(answers: Sequence[Answered]) -> float:
        return float(len({skeleton(one.answer) for one in answers}))

    def commonest(answers: Sequence[Answered]) -> float:
        named = [parse(one.answer).emotion for one in answers]
        return 100 * max(named.count(label) for label in set(named)) / len(named)

    def normal(answers: Sequence[Answered]) -> float:
        fields = ("pitch", "volume", "speed", "intonation")
        labels = [getattr(parse(one.answer).descriptors, field) for one in answers for field in fields]
        made = [label for label in labels if label is not None]
        return 100 * sum(label == VOCABULARIES["pitch"][1] for label in made) / max(1, len(made))

    rows = {
        "calibration error, %": error,
        "distinct wordings": wordings,
        "commonest emotion, % of answers": commonest,
        "claims that say normal, %": normal,
    }
    return [
        (name, f"{values[0]:.2f}", values[1:])
        for name, function in rows.items()
        for values in [[function(answers) for answers in told]]
    ]


def shown(row: Row) -> tuple[str, ...]:
    """A line: means, and the paired difference with its interval and the probability that chance gives it."""
    seeds = [mean(values) for values in row.after]
    after = torch.tensor(row.after, dtype=torch.float64).mean(0)
    change = (after - torch.tensor(row.before, dtype=torch.float64)).tolist()
    low, value, high = bootstrap_interval(change)
    chance = min(1.0, 2 * min(paired_t_test(change, [0] * len(change)), paired_t_test([0] * len(change), change)))
    told = f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
    by_seed = " ".join(f"{one:.2f}" for one in seeds)
    return (row.name, f"{mean(row.before):.2f}", f"{mean(seeds):.2f}", by_seed, told, f"{chance:.2g}")


def _split(values: list[list[float]]) -> tuple[list[float], list[list[float]]]:
    return values[0], values[1:]


if __name__ == "__main__":
    main()
