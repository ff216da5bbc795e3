"""One step of a rewarded stage before its gradient: sample answers to every clip, reward them, compare them.

All clips of a step are answered together, G times each; a clip's prompt is processed once. Every answer has a seed of
its own, from the run's seed, the step and the utterance: which rank or micro-batch a clip falls into changes nothing,
and a resumed run draws the same answers without a state that has to be saved. The noise of a clip's soft tokens is
seeded alike, and drawn again in the forward pass that follows; the decoder does not drop out. So the first ratio of a
token is 1 up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from speechbrain_xser.answer.mentions import skeleton
from speechbrain_xser.decoder.generation.loop import Decoding
from speechbrain_xser.decoder.generation.sampling import SampledAnswer, Sampling
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.noise import noise_by_row
from speechbrain_xser.training.credit import constant_parts, token_advantages, written_after
from speechbrain_xser.training.criterion import Totals
from speechbrain_xser.training.distributed import rank, sum_over_ranks
from speechbrain_xser.training.policy import Rollouts
from speechbrain_xser.training.reference_policy import ReferencePolicy
from speechbrain_xser.training.rewards import PARTS, Reward, Rewards
from speechbrain_xser.training.schedule import Turn
from speechbrain_xser.training.seeding import derive_seed, seed_step
from speechbrain_xser.training.window import Window, words_of
from speechbrain_xser.utils.modes import evaluating

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch
    from speechbrain_xser.decoder.decoder import LLMDecoder
    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.stages import Stage

CONSTANT, CONSTANT_PARTS = "constant groups", "constant parts"  # shares of the clips, and of their rewards' parts
TOKENS, WORDINGS = "tokens an answer", "wordings"  # of the log; the last a share
NAMES = ("reward", *(f"reward {part}" for part in PARTS), CONSTANT, CONSTANT_PARTS, TOKENS, WORDINGS)


class Reinforcement:
    """Samples and rewards the answers of a step.

    Arguments
    ---------
    rewards : Rewards
        Of an answer.
    answers : int
        G, to each clip; at least 2.
    updates : int
        Optimiser steps on the same answers; with more than one, the ratio and its clipping matter.
    discount : float
        Of what is settled further on in an answer: see :func:`~speechbrain_xser.training.credit.token_advantages`.

    Raises
    ------
    SettingsError
        If a number is too small, or the discount not in 0..1.

    Example
    -------
    >>> Reinforcement(Rewards(), answers=1)
    Traceback (most recent call last):
    speechbrain_xser.errors.SettingsError: answers_per_clip is 1 and updates_per_sample 1: expected at least 2 ...
    """

    def __init__(self, rewards: Rewards, answers: int = 4, updates: int = 1, discount: float = 0.0) -> None:
        if answers < 2 or updates < 1:
            raise SettingsError(
                f"answers_per_clip is {answers} and updates_per_sample {updates}: expected at least 2 answers, to "
                "compare them, and at least 1 update."
            )
        if not 0 <= discount <= 1:
            raise SettingsError(f"credit_discount is {discount}; expected 0 to 1.")
        self.rewards, self.answers, self.updates, self.discount = rewards, answers, updates, discount
        self.reference: ReferencePolicy | None = None

    def begin(self, parameters: Mapping[str, nn.Parameter]) -> ReferencePolicy:
        """Takes the weights of a stage's first step as the reference; later calls change nothing."""
        self.reference = self.reference or ReferencePolicy(parameters)
        return self.reference

    def describe(self) -> dict[str, Any]:
        """What must be the same for a run to resume."""
        weights = {f"reward {name}": value for name, value in self.rewards.weights._asdict().items()}
        counts = {"answers_per_clip": self.answers, "updates_per_sample": self.updates, "discount": self.discount}
        return {**counts, **weights, **self.rewards.facts.describe()}

    def roll_out(
        self,
        model: ExplainableSER,
        window: Window,
        turn: Turn,
        seed: int,
        computing: AbstractContextManager | None = None,
    ) -> tuple[Window, dict[str, float]]:
        """Answers the clips of a window, and rewards the answers.

        Arguments
        ---------
        model : ExplainableSER
            Not wrapped, in training mode.
        window : Window
            Its answers are replaced by sampled ones, and its tokens by their number over all ranks.
        turn : Turn
            The stage and its own step.
        seed : int
            The run's.
        computing : context manager, optional
            The precision of training; it is entered several times.

        Returns
        -------
        tuple of (Window, dict of str to float)
            The window, and what is logged: means over the answers of all ranks, by name.
        """
        computing = computing or nullcontext()
        with torch.no_grad(), computing:
            answers = self._sampled(model, window, turn, seed)
        rewards = self._rewarded(model, window, turn.stage, answers)
        rollouts = []
        for index, batch in enumerate(window.micro_batches):
            seed_step(seed, turn.stage.name, turn.stage_step, index, rank())
            with self.reference.in_place(), computing, noise_of(batch, turn, seed):
                rollouts.append(self._compared(model, batch, turn.stage, answers[index], rewards[index]))
        told = _summary(model, answers, rewards)
        totals = Totals(int(told.pop("answers")), window.totals.frames)
        ids = [rollout.ids for rollout in rollouts]
        return window._replace(answers=ids, totals=totals, rollouts=rollouts), told

    def judged(self, model: ExplainableSER, batch: Batch, stage: Stage) -> tuple[list[str], list[Reward]]:
        """The likeliest answer to each clip of a batch, and what it earns, as in a validation."""
        with evaluating(model), torch.no_grad():
            tokens = model.encode(batch.wavs, batch.samples, stage, words_of(batch))
            answers = _llm(model).greedy_answers(tokens, stage.instruction, close_quotes=stage.quotes)
        given = [(model, batch, place, [one.text], [one.ended], stage) for place, one in enumerate(answers)]
        return [one.text for one in answers], [self._of_clip(*one)[0] for one in given]

    def _sampled(
        self, model: ExplainableSER, window: Window, turn: Turn, seed: int
    ) -> list[list[list[SampledAnswer]]]:
        """G answers to each clip of each micro-batch; of silence none."""
        stage, parts = turn.stage, []
        for index, batch in enumerate(window.micro_batches):
            if not batch.ids:
                continue
            seed_step(seed, stage.name, turn.stage_step, index, rank())
            with noise_of(batch, turn, seed):
                parts.append(model.encode(batch.wavs, batch.samples, stage, words_of(batch)))
        if not parts:
            return [[] for _ in window.micro_batches]
        tokens = {name: SoftTokens.joined([part[name] for part in parts]) for name in parts[0]}
        ids = list(chain(*(batch.ids for batch in window.micro_batches)))
        seeds = utterance_seeds(ids, turn, seed, "answers")
        sampling, decoding = Sampling(answers=self.answers, seed=seeds), Decoding(rows=len(ids) * self.answers)
        every = iter(model.decoder.sample(tokens, stage.instruction, sampling, decoding=decoding))
        return [[next(every) for _ in batch.ids] for batch in window.micro_batches]

    def _rewarded(
        self, model: ExplainableSER, window: Window, stage: Stage, answers: list[list[list[SampledAnswer]]]
    ) -> list[list[list[Reward]]]:
        def of_group(batch: Batch, place: int, group: list[SampledAnswer]) -> list[Reward]:
            texts, ended = [one.text for one in group], [one.ended for one in group]
            return self._of_clip(model, batch, place, texts, ended, stage)

        given = zip(window.micro_batches, answers, strict=True)
        return [[of_group(batch, *one) for one in enumerate(groups)] for batch, groups in given]

    def _of_clip(
        self,
        model: ExplainableSER,
        batch: Batch,
        place: int,
        texts: list[str],
        ended: list[bool],
        stage: Stage,
    ) -> list[Reward]:
        wav = batch.wavs[place, : int(batch.samples[place])]
        options = {"quotes": stage.transcribes, "sampling_rate": model.encoder.sample_rate}
        return self.rewards(batch.utterances[place], wav, texts, ended, **options)

    def _compared(
        self,
        model: ExplainableSER,
        batch: Batch,
        stage: Stage,
        answers: list[list[SampledAnswer]],
        rewards: list[list[Reward]],
    ) -> Rollouts:
        """The answers of a micro-batch with their advantages; of silence, an empty one that weighs nothing."""
        flat = list(chain(*answers))
        ids = [one.ids for one in flat] or [""]
        output = model(batch.wavs, batch.samples, stage, ids, words_of(batch))
        reference = -output.answer.token_nats()
        sampled = torch.tensor([value for one in flat for value in one.log_probs] or [0.0], dtype=torch.float32)
        advantages = torch.cat([torch.zeros(0), *self._advantages(model, answers, rewards)]) if flat else torch.zeros(1)
        device = reference.device
        return Rollouts(ids, sampled.to(device), reference, advantages.float().to(device))

    def _advantages(
        self, model: ExplainableSER, answers: list[list[SampledAnswer]], rewards: list[list[Reward]]
    ) -> Iterator[Tensor]:
        """Of the tokens of each answer."""
        for group, earned in zip(answers, rewards, strict=True):
            written = [written_after(one.ids, _llm(model).text) for one in group]
            yield from token_advantages([one.credits for one in earned], written, self.discount)


def _llm(model: ExplainableSER) -> LLMDecoder:
    """A rewarded stage is refused where there is no LLM."""
    return model.decoder


def utterance_seeds(ids: Sequence[str], turn: Turn, seed: int, what: str) -> list[int]:
    """A seed for each utterance of a step, wherever in its window the utterance is."""
    return [derive_seed(seed, turn.stage.name, turn.stage_step, what, id) for id in ids]


def noise_of(batch: Batch, turn: Turn, seed: int) -> AbstractContextManager:
    """Within it, the bottleneck draws the same noise for an utterance of a step in any batch, and in every pass."""
    return noise_by_row(utterance_seeds(batch.ids, turn, seed, "noise"))


def _summary(
    model: ExplainableSER, answers: list[list[list[SampledAnswer]]], rewards: list[list[list[Reward]]]
) -> dict[str, float]:
    """Means over the answers of all ranks, and under "answers" their number; without parts that no clip decides."""
    flat = [one for groups in rewards for group in groups for one in group]
    texts = [one for groups in answers for group in groups for one in group]
    constant = [constant_parts([one.credits for one in group]) for groups in rewards for group in groups]
    found = {
        "reward": [one.total for one in flat],
        **{f"reward {part}": [one.parts[part] for one in flat if part in one.parts] for part in PARTS},
        CONSTANT: [float(all(parts)) for parts in constant],
        CONSTANT_PARTS: [float(one) for parts in constant for one in parts],
        TOKENS: [len(one.ids) for one in texts],
    }
    wordings = len({skeleton(one.text) for one in texts})
    values = [number for name in found for number in (sum(found[name]), len(found[name]))]
    summed = iter(sum_over_ranks([*values, wordings, len(texts)], _device(model)))
    pairs = {name: (next(summed), next(summed)) for name in (*found, WORDINGS)}
    told = {name: total / count for name, (total, count) in pairs.items() if count}
    return {**told, "answers": pairs[WORDINGS][1]}


def _device(model: nn.Module) -> str:
    """Where ranks exchange numbers."""
    return str(next(model.parameters()).device)
