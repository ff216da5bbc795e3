"""Gathers what an evaluation needs: sums of the loss, answers with their references, and the collapse diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from speechbrain_xser.lobes.starts import LabelScores
from speechbrain_xser.metrics.answers import UtteranceAnswer
from speechbrain_xser.stages import Stage
from speechbrain_xser.training.collapse import Heard, diagnose, warn
from speechbrain_xser.training.criterion import CROSS_ENTROPY, KL, Criterion, LossParts, Totals
from speechbrain_xser.training.distributed import gather_lists, sum_over_ranks
from speechbrain_xser.training.rewards import Reward

if TYPE_CHECKING:
    from speechbrain_xser.data.manifest import Utterance
    from speechbrain_xser.lobes.token_scores import CtcScores


class Evaluation:
    """One pass over a validation or test set.

    Arguments
    ---------
    stage : Stage
        Decides what the answers are compared with.
    search_limit : int, optional
        About how many utterances (on each rank) are answered; 0 for none, ``None`` for all.
    utterances : int
        How many there are; the answered ones are spread over them, since evaluations go from long to short clips.

    Example
    -------
    >>> from speechbrain_xser.stages import ASR_STAGE
    >>> evaluation = Evaluation(ASR_STAGE)
    >>> for loss in (1.0, 3.0):
    ...     evaluation.add({"cross_entropy": torch.tensor(loss)}, Totals(2, 1))
    >>> evaluation.losses(Criterion(), "cpu")["cross_entropy"]  # (1 + 3) / (2 + 2)
    1.0
    """

    def __init__(self, stage: Stage, search_limit: int | None = 0, utterances: int = 0) -> None:
        self.stage = stage
        self.search_limit, self.utterances = search_limit, utterances
        self._seen = 0
        self.answers: list[UtteranceAnswer] = []
        self.heard: list[Heard] | None = None  # of the first batch, for the collapse diagnostics
        self.rewards: list[Reward] = []  # of the answers, in a stage that is rewarded
        self._guesses: dict[str, list[tuple[int, int]]] = {}
        self._parts: list[LossParts] = []
        self._totals: list[Totals] = []

    def wants(self, utterances: int) -> bool:
        """Whether answers should be generated for the next ``utterances`` utterances.

        Example
        -------
        >>> from speechbrain_xser.stages import ASR_STAGE
        >>> evaluation, answered = Evaluation(ASR_STAGE, search_limit=4, utterances=12), []
        >>> for batch in range(6):  # of two utterances
        ...     if evaluation.wants(2):
        ...         answered.append(batch)
        ...         evaluation.answers += [None, None]
        >>> answered
        [0, 3]
        """
        before, self._seen = self._seen, self._seen + utterances
        if self.search_limit is None:
            return True
        behind = len(self.answers) * self.utterances <= self.search_limit * before
        return len(self.answers) < self.search_limit and behind

    def add(self, parts: LossParts, totals: Totals) -> None:
        """Adds a batch's sums; nothing leaves the device yet."""
        self._parts.append(parts)
        self._totals.append(totals)

    def add_start(self, scores: LabelScores | CtcScores, utterances: Sequence[Utterance]) -> None:
        """Adds what a start predicts: words, or labels together with the right ones."""
        self.answers += map(UtteranceAnswer, utterances, scores.texts())
        for attribute, pairs in scores.guesses().items():
            self._guesses.setdefault(attribute, []).extend(pairs)

    def losses(self, criterion: Criterion, device: str) -> dict[str, float]:
        """The loss at full beta and its parts, over all batches and ranks.

        Arguments
        ---------
        criterion : Criterion
            The criterion of the training.
        device : str
            Where ranks exchange numbers.

        Returns
        -------
        dict of str to float
            ``loss`` and ``cross_entropy`` in nats a token, ``kl`` of the branches that train in nats a frame, and what
            each further objective adds to the loss.
        """
        names = criterion.names(self.stage)
        sums = [sum(float(parts.get(name, 0.0)) for parts in self._parts) for name in names]
        counts = torch.tensor(self._totals or [[0, 0]]).sum(0).tolist()
        *sums, tokens, frames = sum_over_ranks([*sums, *counts], device)
        parts, terms = dict(zip(names, sums, strict=True)), criterion.terms(names, Totals(int(tokens), int(frames)))
        kl = sum(part for name, part in parts.items() if name.startswith(KL))
        return {
            "loss": sum(terms[name].of(part) for name, part in parts.items()),
            CROSS_ENTROPY: terms[CROSS_ENTROPY].of(parts[CROSS_ENTROPY]),
            "kl": kl / max(1, frames),
            **{name: terms[name].of(parts[name]) for name in criterion.objectives},
        }

    def metrics(self, criterion: Criterion, score: Callable[..., Mapping[str, float]], device: str) -> dict[str, float]:
        """Losses, scores, a start's recalls and collapse diagnostics in one mapping."""
        scores = {**self.losses(criterion, device), **self.scores(score), **self.recalls()}
        return {**scores, **self.rewarded(), **self.diagnostics()}

    def diagnostics(self) -> dict[str, float]:
        """The collapse diagnostics of all ranks; warns of each branch that has collapsed."""
        found = diagnose(gather_lists(self.heard or []))
        warn(found)
        return {key: value for one in found for key, value in one.stats().items()}

    def rewarded(self) -> dict[str, float]:
        """The mean reward of the answers of all ranks, and of each of its parts.

        Example
        -------
        >>> from speechbrain_xser.stages import STAGES
        >>> evaluation = Evaluation(STAGES["rl"])
        >>> evaluation.rewards = [Reward(1.0, {"words": 0.5}, {}), Reward(0.0, {}, {})]
        >>> evaluation.rewarded()
        {'reward': 0.5, 'reward words': 0.5}
        """
        found = gather_lists([{"reward": one.total} | one.parts for one in self.rewards])
        names = {name: None for one in found for name in one}
        told = {name: [one[name] for one in found if name in one] for name in names}
        title = {name: name if name == "reward" else f"reward {name}" for name in names}
        return {title[name]: sum(values) / len(values) for name, values in told.items()}

    def recalls(self) -> dict[str, float]:
        """Mean recall over the classes of each attribute that a start scores, in per cent; the emotion's is the UA.

        Example
        -------
        >>> from speechbrain_xser.stages import ASR_STAGE
        >>> evaluation = Evaluation(ASR_STAGE)
        >>> scores = LabelScores({"emotion": torch.eye(2)[[0, 0, 1]]}, {"emotion": torch.tensor([0, 1, 1])})
        >>> evaluation.add_start(scores, [])
        >>> evaluation.recalls()  # 1 of 1, and 1 of 2
        {'ua': 75.0}
        """
        gathered = gather_lists(list(self._guesses.items()))
        pairs = {name: sum((found for other, found in gathered if other == name), []) for name, _ in gathered}
        return {"ua" if name == "emotion" else name: 100 * _mean_recall(found) for name, found in pairs.items()}

    def scores(self, score: Callable[..., Mapping[str, float]]) -> dict[str, float]:
        """Scores the answers of all ranks; empty if no answers were generated.

        Arguments
        ---------
        score : callable
            ``score(utterances, answers, target)`` to a mapping of metric to value.

        Returns
        -------
        dict of str to float
        """
        self.answers = gather_lists(self.answers)
        if not self.answers:
            return {}
        return dict(score([a.utterance for a in self.answers], [a.text for a in self.answers], self.stage.target))


def _mean_recall(pairs: list[tuple[int, int]]) -> float:
    """Mean over the classes that occur, of (right, guessed) pairs."""
    classes = {right for right, _ in pairs}
    shares = [[right == guess for right, guess in pairs if right == one] for one in sorted(classes)]
    return sum(sum(share) / len(share) for share in shares) / max(1, len(shares))
