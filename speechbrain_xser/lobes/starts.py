"""Starts: what branches learn before the LLM hears them, scored against the LLM's own token embeddings.

A start does not run the LLM, so a step costs a hundredth as much. It also moves soft tokens to where the LLM's word
embeddings lie, before the LLM receives the first one. ``stages.py`` says which stages are starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from speechbrain_xser.answer.label_words import LABEL_WORDS, label_places
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.adapter import EmbedText, SoftTokens
from speechbrain_xser.lobes.states import LayerStates
from speechbrain_xser.lobes.token_scores import CtcScores, directions

SMOOTHING = 0.1
UNKNOWN = -100  # a target that the loss ignores


class LabelScores(NamedTuple):
    """Scores of each attribute's words.

    Example
    -------
    >>> scores = LabelScores({"gender": torch.tensor([[9.0, 0.0]])}, {"gender": torch.tensor([0])})
    >>> scores.targets, scores.guesses()
    (tensor([0]), {'gender': [(0, 0)]})
    """

    logits: dict[str, Tensor]  # [B, C] of each attribute
    labels: dict[str, Tensor]  # [B] int64, UNKNOWN where there is none

    @property
    def targets(self) -> Tensor:
        """All known labels, one after another, [N]."""
        labels = torch.cat(list(self.labels.values()))
        return labels[labels != UNKNOWN]

    def nats(self) -> Tensor:
        """Summed cross-entropy of all known labels, with label smoothing, [], float32."""
        options = {"ignore_index": UNKNOWN, "label_smoothing": SMOOTHING, "reduction": "sum"}
        return sum(cross_entropy(self.logits[name].float(), self.labels[name], **options) for name in self.logits)

    def texts(self) -> list[str]:
        """No words."""
        return []

    def guesses(self) -> dict[str, list[tuple[int, int]]]:
        """Indices of the right and of the best-scored value, for the labelled clips of each attribute."""
        best = {name: logits.argmax(1).tolist() for name, logits in self.logits.items()}
        pairs = {name: zip(self.labels[name].tolist(), best[name], strict=True) for name in best}
        return {name: [pair for pair in found if pair[0] != UNKNOWN] for name, found in pairs.items()}


def label_scores(tokens: SoftTokens, embed_text: EmbedText, answers: Sequence[str]) -> LabelScores:
    """Scores the mean of each clip's soft tokens against the rows of the words that name its labels.

    Rows are centred and scaled within an attribute, as :func:`~speechbrain_xser.lobes.token_scores.directions` does.

    Arguments
    ---------
    tokens : SoftTokens
        Of the branch, [B, K, e] with counts [B].
    embed_text : callable
        Maps a text to the embedding rows of its tokens, [K, e].
    answers : sequence of str
        B texts as :func:`~speechbrain_xser.answer.label_words.label_text` gives them.

    Returns
    -------
    LabelScores

    Example
    -------
    >>> rows = dict(zip("abcdefghijklmnopqrstuvwxyz ", torch.eye(27)))
    >>> embed_text = lambda text: torch.stack([rows[letter] for letter in text])
    >>> mean = embed_text(" woman").mean(0)
    >>> scores = label_scores(SoftTokens(mean.expand(1, 3, 27), torch.tensor([3])), embed_text, ["angry, woman"])
    >>> scores.guesses()["gender"], scores.labels["pitch"]
    ([(1, 1)], tensor([-100]))
    """
    means = tokens.embeddings.float().sum(1) / tokens.counts.to(tokens.embeddings.device)[:, None]
    logits, labels = {}, {}
    for attribute, words in LABEL_WORDS.items():
        rows = torch.stack([embed_text(f" {word}").float().mean(0) for word in words.values()])
        with torch.autocast(means.device.type, enabled=False):
            logits[attribute] = means @ directions(rows).T
        places = [label_places(answer, attribute) for answer in answers]
        found = torch.tensor([UNKNOWN if place is None else place for place in places])
        labels[attribute] = found.to(means.device, non_blocking=True)
    return LabelScores(logits, labels)


class Start(NamedTuple):
    """How a start scores the branches, and what its loss is divided by."""

    score: Callable[[Mapping[str, SoftTokens], WordEmbeddings, Sequence[str]], LabelScores | CtcScores]
    count: Callable[[WordEmbeddings, Sequence[str]], int]
    shortest: float  # share of a clip that is heard in training, at least; a transcript needs all of it


class WordEmbeddings(Protocol):
    """What a start asks of a decoder: an LLM's tokens and their rows."""

    def embed_text(self, text: str) -> Tensor:
        """The rows of a text's tokens, [K, e]."""

    def count_tokens(self, answers: Sequence[str], instruction: str) -> int:
        """Tokens of all answers."""


def _labels(tokens: Mapping[str, SoftTokens], decoder: WordEmbeddings, answers: Sequence[str]) -> LabelScores:
    return label_scores(tokens["descriptor"], decoder.embed_text, answers)


def _count_labels(decoder: WordEmbeddings, answers: Sequence[str]) -> int:
    return sum(label_places(answer, attribute) is not None for answer in answers for attribute in LABEL_WORDS)


def _ctc(tokens: Mapping[str, SoftTokens], decoder: WordEmbeddings, answers: Sequence[str]) -> CtcScores:
    if (scores := tokens["content"].scores) is None:
        raise SettingsError("The start 'ctc' needs a content branch that scores tokens: give content: rows.")
    return scores.answered(answers)


def _count_tokens(decoder: WordEmbeddings, answers: Sequence[str]) -> int:
    return decoder.count_tokens(answers, "")


STARTS = {"labels": Start(_labels, _count_labels, shortest=0.6), "ctc": Start(_ctc, _count_tokens, shortest=1.0)}


def augmented(states: LayerStates, shortest: float = 0.6) -> LayerStates:
    """Augments encoder states for the training of a start: crops them, drops some dimensions and rescales the rest.

    A start sees each clip many times; without this, a classifier would memorise a few thousand clips.

    Arguments
    ---------
    states : LayerStates
        Layers [n, B, T, d], frames [B].
    shortest : float
        Share of a clip that is kept, at least; with 1 all of it.

    Returns
    -------
    LayerStates
        One span of each clip, the same in all layers; one in ten of the d dimensions is zero.

    Example
    -------
    >>> states = LayerStates(torch.ones(1, 2, 10, 8), torch.tensor([10, 5]), torch.zeros(2))
    >>> cropped = augmented(states)
    >>> bool((cropped.frames >= torch.tensor([6, 3])).all()), cropped.layers.shape[2] == int(cropped.frames.max())
    (True, True)
    """
    clips, device = len(states.frames), states.layers.device
    frames = states.frames.cpu()
    kept = (frames * (shortest + (1 - shortest) * torch.rand(clips))).ceil().long().clamp(min=1).minimum(frames)
    begins = (torch.rand(clips) * (frames - kept + 1)).long()
    places = (begins[:, None] + torch.arange(int(kept.max()))).clamp(max=states.layers.shape[2] - 1).to(device)
    layers = states.layers[:, torch.arange(clips, device=device)[:, None], places]
    weights = (torch.rand(clips, 1, layers.shape[3]) > 0.1) * (0.9 + 0.2 * torch.rand(clips, 1, 1))
    return states._replace(layers=layers * weights.to(device), frames=kept.to(states.frames.device))
