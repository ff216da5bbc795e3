"""Scores descriptions as the paper does: BLEU, METEOR, ROUGE-L, CIDEr and SPICE, all x 100.

They all come from pycocoevalcap, after its PTB tokenizer. Its "CIDEr" is CIDEr-D (Vedantam et al., 2015, CVPR), which
takes document frequencies from the given references, so the same descriptions score differently in another set.
Mandarin is scored on characters; then SPICE, which parses English, is not computed, and METEOR matches characters only.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple, TextIO

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from speechbrain_xser.errors import MetricError
from speechbrain_xser.metrics.java import java_path
from speechbrain_xser.metrics.meteor import meteor_scores
from speechbrain_xser.metrics.spice import spice_scores, why_no_spice

Tokens = Literal["ptb", "characters", "spaces"]
METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE")
PIECE = re.compile(r"[A-Za-z0-9']+|\S")

Texts = dict[str, list[str]]  # space-separated tokens, by utterance


class CaptionScores(NamedTuple):
    """Scores of descriptions."""

    corpus: dict[str, float | None]  # x 100, by metric; None if not computed
    utterances: dict[str, dict[str, float | None]]  # the same by id
    not_computed: dict[str, str]  # the reason, by metric


class CaptionScore:
    """Collects descriptions and scores them.

    The interface is that of SpeechBrain's ``MetricStats``; the scores are computed on first use.

    Arguments
    ---------
    tokens : str
        "ptb" for English, "characters" for Mandarin, "spaces" for tokenised texts.
    metrics : collection of str
        Which of ``METRICS`` to compute; METEOR and SPICE take seconds to start.

    Example
    -------
    >>> scores = CaptionScore("spaces", metrics=["ROUGE-L"])
    >>> scores.append(["a", "b"], [["a man speaks"], ["rain falls on a roof"]], ["a man speaks", "rain falls"])
    >>> round(scores.summarize("ROUGE-L"), 1), scores.scores.utterances["a"]["ROUGE-L"]
    (76.5, 100.0)
    """

    def __init__(self, tokens: Tokens = "ptb", metrics: Collection[str] = METRICS):
        self.tokens, self.metrics = tokens, metrics
        self.clear()

    def clear(self) -> None:
        """Removes everything."""
        self.references: dict[str, list[str]] = {}
        self.hypotheses: dict[str, str] = {}
        self.__dict__.pop("scores", None)

    def append(self, ids: Sequence[str], references: Sequence[Sequence[str] | str], hypotheses: Sequence[str]) -> None:
        """Adds utterances.

        Arguments
        ---------
        ids : sequence of str
            Unique utterance ids.
        references : sequence of (str or sequence of str)
            One or more descriptions of each.
        hypotheses : sequence of str
            The description to score; an empty one scores 0.

        Raises
        ------
        MetricError
            For a repeated id, or one without a reference; it names the id.
        ValueError
            If the sequences differ in length.
        """
        for id, reference, hypothesis in zip(ids, references, hypotheses, strict=True):
            texts = [
                text for text in ([reference] if isinstance(reference, str) else reference) if text and text.strip()
            ]
            if id in self.references:
                raise MetricError(f"utterance {id!r} occurs twice; expected unique ids.")
            if not texts:
                raise MetricError(f"utterance {id!r} has no reference, expected at least one description.")
            self.references[id], self.hypotheses[id] = texts, hypothesis or ""
        self.__dict__.pop("scores", None)

    @cached_property
    def scores(self) -> CaptionScores:
        """All scores of the added descriptions.

        Raises
        ------
        MetricError
            If nothing was added, or Java is needed and missing.
        """
        if not self.references:
            raise MetricError("No description was added, expected at least one.")
        return caption_scores(self.references, self.hypotheses, self.tokens, self.metrics)

    def summarize(self, field: str | None = None):
        """The corpus's scores.

        Arguments
        ---------
        field : str, optional
            One of ``METRICS``; all by default.

        Returns
        -------
        dict of str to (float or None), or one of its values
            x 100; None if not computed.
        """
        return self.scores.corpus if field is None else self.scores.corpus[field]

    def write_stats(self, filestream: TextIO) -> None:
        """Writes the corpus's scores, why any were not computed, and each utterance.

        Arguments
        ---------
        filestream : TextIO
            An open text file.
        """
        for name, value in self.scores.corpus.items():
            why = self.scores.not_computed.get(name)
            filestream.write(f"{name} {value:.2f}\n" if why is None else f"{name} not computed: {why}\n")
        for id, found in self.scores.utterances.items():
            told = " ".join(f"{name} {value:.2f}" for name, value in found.items() if value is not None)
            filestream.write(f"{id} {told} ref: {' | '.join(self.references[id])} hyp: {self.hypotheses[id]}\n")


def caption_scores(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    tokens: Tokens = "ptb",
    metrics: Collection[str] = METRICS,
) -> CaptionScores:
    """Scores descriptions.

    Arguments
    ---------
    references : mapping of str to sequence of str
        One or more descriptions by utterance.
    hypotheses : mapping of str to str
        The description to score, by utterance.
    tokens, metrics
        As for :class:`CaptionScore`.

    Returns
    -------
    CaptionScores

    Raises
    ------
    MetricError
        If the ids differ (it names them), a metric is unknown, or Java is needed and missing.
    """
    if unknown := set(metrics) - set(METRICS):
        raise MetricError(f"No metric {', '.join(sorted(unknown))}, expected some of {', '.join(METRICS)}.")
    if set(references) != set(hypotheses):
        lone = sorted(set(references) ^ set(hypotheses))
        raise MetricError(f"{len(lone)} ids have only a reference or only a hypothesis: {', '.join(lone[:5])}.")
    tokenise = {"ptb": ptb_tokens, "characters": character_tokens, "spaces": dict}[tokens]
    tokenised = tokenise({id: [hypotheses[id], *texts] for id, texts in references.items()})  # one start of Java
    given = {id: texts[1:] for id, texts in tokenised.items()}
    told = {id: texts[:1] for id, texts in tokenised.items()}
    found, why = _scored(given, told, metrics), {}
    if "SPICE" in metrics and (reason := _why_no_spice(tokens)) is None:
        values = spice_scores(references, hypotheses)
        found["SPICE"] = (_mean(values), values)
    elif "SPICE" in metrics:
        why["SPICE"] = reason
    wanted = [name for name in METRICS if name in metrics]
    corpus = {name: 100 * found[name][0] if name in found else None for name in wanted}
    utterances = {
        id: {name: 100 * found[name][1][place] if name in found else None for name in wanted}
        for place, id in enumerate(given)
    }
    return CaptionScores(corpus, utterances, why)


def _why_no_spice(tokens: Tokens) -> str | None:
    return "it parses English sentences only" if tokens == "characters" else why_no_spice()


def _scored(references: Texts, hypotheses: Texts, metrics: Collection[str]) -> dict[str, tuple[float, list[float]]]:
    """Scores of corpus and utterances by metric, 0 to 1."""
    bleu, bleus = Bleu(4).compute_score(references, hypotheses, verbose=0)
    found = {f"BLEU-{n + 1}": (bleu[n], list(map(float, bleus[n]))) for n in range(4)}
    scorers = {"METEOR": meteor_scores, "ROUGE-L": Rouge().compute_score, "CIDEr": Cider().compute_score}
    for name, scored in scorers.items():
        if name in metrics:
            corpus, values = scored(references, hypotheses)
            found[name] = (float(corpus), list(map(float, values)))
    return found


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def ptb_tokens(texts: Texts) -> Texts:
    """Lower-case Penn Treebank tokens without punctuation, by Stanford's tokenizer, which needs Java."""
    java_path()
    plain = {id: [text.encode("utf-8", "replace").decode("utf-8") for text in several] for id, several in texts.items()}
    lines = {id: [{"caption": " ".join(text.split())} for text in several] for id, several in plain.items()}
    return PTBTokenizer().tokenize(lines)


def character_tokens(texts: Texts) -> Texts:
    """Makes every character a token; words in Latin letters and numbers stay whole, punctuation is dropped.

    Example
    -------
    >>> character_tokens({"a": ["他很开心，说 OK。"]})
    {'a': ['他 很 开 心 说 ok']}
    """
    return {id: [" ".join(_pieces(text)) for text in several] for id, several in texts.items()}


def _pieces(text: str) -> list[str]:
    found = PIECE.findall(unicodedata.normalize("NFKC", text).lower())
    return [piece for piece in found if unicodedata.category(piece[0])[0] in "LMN"]
