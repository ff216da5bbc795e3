"""The results of a system: its answers for all seeds and folds, and every figure with its interval.

A figure is the mean over the seeds. Its interval is a bootstrap over utterances, each with the answers of all seeds, so
it shows how much depends on the test set, not on the seed. The spread over seeds is shown beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.record import Record
from speechbrain_xser.data.ratings import RATINGS, read_votes
from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.metrics.answers import Answered, read_answers, word_errors
from speechbrain_xser.metrics.asr import CharacterErrorRate
from speechbrain_xser.metrics.calibration import expected_calibration_error
from speechbrain_xser.metrics.captions import caption_scores
from speechbrain_xser.metrics.descriptions import description_answer, description_reference
from speechbrain_xser.metrics.raters import rater_accuracy
from speechbrain_xser.metrics.scores import Scores
from speechbrain_xser.metrics.ser import EmotionScore
from speechbrain_xser.metrics.significance import Interval, bootstrap_interval
from speechbrain_xser.metrics.spice import why_no_spice
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.reproduction.plan import Plan, Run
from speechbrain_xser.reproduction.published import SED
from speechbrain_xser.reproduction.result_cache import kept
from speechbrain_xser.reproduction.runner import ANSWERS
from speechbrain_xser.stages import STAGES, Stage
from speechbrain_xser.training.recipe_yaml import read_layer
from speechbrain_xser.training.scoring import paragraph_scores

HAN = re.compile("[\u4e00-\u9fff]")
MEANS = ("ROUGE-L", "CIDEr", "SPICE")  # their corpus value is the mean over utterances


class Figure(NamedTuple):
    """One number of a table."""

    value: float  # mean over the seeds
    interval: Interval | None  # 95 %, over utterances
    seeds: tuple[float, ...]  # the value for each seed


class Outcome:
    """A system's answers and their scores; all its seeds and folds have to be finished."""

    def __init__(self, plan: Plan, system: str) -> None:
        self.plan, self.system = plan, system
        self.stage: Stage = STAGES[read_layer("system", system, plan.recipes)["stages"][-1]]
        self.answers = [self._seed(seed) for seed in plan.seeds]
        self.ids = sorted(self.answers[0])
        for seed, answers in zip(plan.seeds, self.answers, strict=True):
            if lone := sorted(set(self.ids) ^ set(answers)):
                raise ReproductionError(
                    f"{system}: seed {seed} did not answer the same utterances: {', '.join(lone[:5])}"
                )

    def reference(self, id: str) -> Record:
        """The true labels of an utterance."""
        return self.answers[0][id].reference

    @property
    def labelled(self) -> bool:
        """Whether the corpus has emotion labels."""
        return None not in self.truth.tolist()

    @property
    def describes(self) -> bool:
        """Whether the system describes how something is said."""
        return self.stage.target in ("paragraph", "descriptors+emotion")

    @cached_property
    def tokens(self) -> str:
        """How descriptions are tokenised: by characters if the corpus's are Mandarin, otherwise by words."""
        told = (description_reference(one.utterance, self.stage) for one in self._rows[0])
        return "characters" if any(map(HAN.search, told)) else "ptb"

    @property
    def transcribes(self) -> bool:
        """Whether the system transcribes what is said."""
        return self.stage.target != "descriptors+emotion"

    @cached_property
    def scores(self) -> list[Scores]:
        """All scores of the answers, one for each seed."""
        return [
            paragraph_scores([one.utterance for one in rows], [one.answer for one in rows], self.stage.target)
            for rows in self._rows
        ]

    @cached_property
    def emotion(self) -> list[EmotionScore]:
        """Emotion scores, one for each seed: F1 and the confusion matrix."""
        found = []
        for heard in self.heard.T:
            score = EmotionScore()
            score.append(self.ids, list(self.truth), [emotion or None for emotion in heard])
            found.append(score)
        return found

    @cached_property
    def truth(self) -> np.ndarray:
        """The emotion of each utterance, [N]."""
        return np.array([self.answers[0][id].reference.emotion for id in self.ids])

    @cached_property
    def heard(self) -> np.ndarray:
        """The emotion in each answer, "" if none, [N, S]."""
        return np.array([[parse(answers[id].answer).emotion or "" for answers in self.answers] for id in self.ids])

    @cached_property
    def right(self) -> np.ndarray:
        """Share of the seeds that name an utterance's emotion correctly, [N]."""
        return (self.heard == self.truth[:, None]).mean(1)

    @property
    def majority_right(self) -> np.ndarray:
        """Whether the label that most seeds give is correct, [N]; among equals the first seed's counts."""
        return np.array([Counter(row).most_common(1)[0][0] for row in self.heard.tolist()]) == self.truth

    @cached_property
    def ua(self) -> Figure:
        """Unweighted accuracy in percent."""
        return self._figure([scores.ua for scores in self.scores], list(zip(self.truth, self.right, strict=True)), _ua)

    @cached_property
    def wa(self) -> Figure:
        """Accuracy in percent."""
        return self._figure([scores.wa for scores in self.scores], list(100 * self.right))

    @cached_property
    def wer(self) -> Figure | None:
        """Word error rate in percent; None if nothing is transcribed."""
        if not self.transcribes or not any(normalise(self.reference(id).transcript) for id in self.ids):
            return None
        errors = [
            np.mean([word_errors(a[id].reference.transcript, parse(a[id].answer).transcript) for a in self.answers], 0)
            for id in self.ids
            if normalise(self.answers[0][id].reference.transcript)
        ]
        return self._figure([scores.wer for scores in self.scores], errors, _rate)

    def character_error(self) -> float | None:
        """Character error rate in percent, mean over the seeds; None if nothing is transcribed."""
        if self.wer is None:
            return None
        rates = []
        for rows in self._rows:
            errors = CharacterErrorRate()
            told = [(one.utterance.id, one.reference.transcript, parse(one.answer).transcript) for one in rows]
            errors.append(*zip(*told, strict=True))
            rates.append(errors.summarize("CER"))
        return float(np.mean(rates))

    @cached_property
    def descriptions(self) -> list[dict]:
        """Scores of the descriptions, one for each seed: ``corpus``, ``utterances`` by id, and ``not_computed``."""
        return [self._described(seed, rows) for seed, rows in zip(self.plan.seeds, self._rows, strict=True)]

    def sed(self, metric: str) -> Figure | None:
        """A metric of the descriptions, x 100; None if it was not computed."""
        if not self.describes or self.descriptions[0]["corpus"].get(metric) is None:
            return None
        items = list(self.utterance_sed(metric)) if metric in MEANS else None
        return self._figure([found["corpus"][metric] for found in self.descriptions], items)

    def utterance_sed(self, metric: str) -> np.ndarray:
        """A metric for each utterance, mean over the seeds, [N]."""
        values = [[found["utterances"][id][metric] for id in self.ids] for found in self.descriptions]
        return np.array(values, dtype=float).mean(0)

    def calibration_error(self) -> float | None:
        """Expected calibration error of the label's probabilities, in percent; None if no run stored them."""
        rows = [[answers[id].probabilities for id in self.ids] for answers in self.answers]
        if not all(row for seed in rows for row in seed):
            return None
        return float(np.mean([expected_calibration_error(seed, list(self.truth)) for seed in rows]))

    def rater_figures(self) -> tuple[int, float, float] | None:
        """Number of clips with votes, agreement with any rater, and accuracy on them, in percent; or None."""
        votes = corpus_votes(self.plan)
        rows = [place for place, id in enumerate(self.ids) if id in votes]
        if not rows:
            return None
        answers = [{self.ids[place]: seed[place] or None for place in rows} for seed in self.heard.T]
        agreed = float(np.mean([rater_accuracy(heard, votes) for heard in answers]))
        return len(rows), agreed, float(100 * self.right[rows].mean())

    def mean_scores(self) -> dict[str, float]:
        """Parsed answers, descriptors and emphasis in percent, mean over the seeds."""
        flat = [{"parsed": s.parsed, "emphasis F1": s.emphasis_f1, **s.attributes} for s in self.scores]
        return {name: float(np.mean([seed[name] for seed in flat])) for name in flat[0]}

    @property
    def _rows(self) -> list[list[Answered]]:
        return [[answers[id] for id in self.ids] for answers in self.answers]

    def _seed(self, seed: int) -> dict[str, Answered]:
        """The answers of one seed, over all folds."""
        found: dict[str, Answered] = {}
        for fold in self.plan.folds:
            run = Run(self.plan.corpus, self.system, seed, fold)
            more = read_answers(self.plan.out / run.name / ANSWERS)
            if twice := sorted(set(found) & set(more)):
                raise ReproductionError(f"{self.system}: several folds test {', '.join(twice[:5])}.")
            found |= more
        return found

    def _figure(self, seeds: Sequence[float], items: list | None, statistic: Callable | None = None) -> Figure:
        interval = None
        if items is not None:
            interval = bootstrap_interval(items, *([statistic] if statistic else []))
        return Figure(float(np.mean(seeds)), interval, tuple(map(float, seeds)))

    def _described(self, seed: int, rows: list[Answered]) -> dict:
        """Computed once for the same answers, because METEOR and SPICE are slow."""
        references = {one.utterance.id: [description_reference(one.utterance, self.stage)] for one in rows}
        hypotheses = {one.utterance.id: description_answer(one.answer) for one in rows}
        metrics, spice = [metric for metric in SED if metric not in self.plan.without], why_no_spice()
        texts = json.dumps([references, hypotheses, metrics, spice, self.tokens], sort_keys=True)
        return kept(
            self.plan.out / Run(self.plan.corpus, self.system, seed).name / "descriptions.json",
            hashlib.sha256(texts.encode()).hexdigest(),
            lambda: caption_scores(references, hypotheses, self.tokens, metrics)._asdict(),
        )


def corpus_votes(plan: Plan) -> dict[str, list[str]]:
    """The raters' votes for a plan's corpus, by utterance; empty if it has none."""
    path = plan.out / plan.corpus / "manifests" / RATINGS
    return read_votes(path) if path.is_file() else {}


def _ua(items: list[tuple[str, float]]) -> float:
    truth, right = np.array([item[0] for item in items]), np.array([item[1] for item in items])
    return float(100 * np.mean([right[truth == emotion].mean() for emotion in np.unique(truth)]))


def _rate(items: list[np.ndarray]) -> float:
    errors, words = np.sum(items, 0)
    return float(100 * errors / words)
