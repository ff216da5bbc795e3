"""Where the evidence lies in a clip: how much each branch keeps of every frame, and what each token adds to the label.

The divergence of a frame's posterior from the prior is what the bottleneck lets through of that frame, in nats. The
label's log-odds are attributed to the soft tokens by integrated gradients: the gradient times the token is the token's
share. An LLM that normalises its input hardly changes when a token only grows, so the gradient at the clip itself says
almost nothing. It is averaged on the path from silence (the branches' "off" state) to the clip; then the shares add up
to the log-odds with all branches minus those with none::

    share_k = sum_e  x_ke * integral_0^1  d log_odds(label) / d x_ke  at a x   da

Most of the change is close to silence, so the integral is taken over log(a), with Gauss-Legendre quadrature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from speechbrain_xser.answer.emotion_slot import emotion_slot
from speechbrain_xser.decoder.candidates import candidate_tokens
from speechbrain_xser.decoder.packing.trunk import last_states
from speechbrain_xser.decoder.packing.twigs import TwigLayout
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.branch import Branch, BranchOutput
from speechbrain_xser.utils.modes import evaluating
from speechbrain_xser.utils.stopping import may_stop

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.stages import Stage

STARTS = (1e-5, 1e-4, 1e-3)  # of a token's size, where the path from silence may start: at the last that is silent
SILENT = 0.02  # nats that the log-odds may differ there from those at the first
STEPS = 24  # on the path; with the small model, whose log-odds turn sharply, the sum was 0.07 nats off in the median of
# ten clips of CREMA-D, and at most 0.26
POSITIONS = 288  # of the LLM's input that go through it together; more are no faster on a CPU, and need memory


class BranchTrace(NamedTuple):
    """One branch over the time of one clip."""

    kl_nats: Tensor | None  # [T] float32, of each frame; None if the branch is off or has no bottleneck
    shares: Tensor  # [K] float32, nats that each soft token adds to the label's log-odds
    layer_weights: Tensor | None  # [n] float32, sum to one; None if the branch is off or combines no layers
    token_seconds: float  # between two soft tokens; the frames of token k start at k * token_seconds. Words, whose
    # times are not known, are spread evenly


class Where(NamedTuple):
    """All branches over the time of one clip."""

    emotion: str  # the label that the shares belong to
    branches: dict[str, BranchTrace]
    frame_seconds: float  # between two frames
    start_seconds: float = 0.0  # where the first frame lies in the clip: later if silence before it was cut off


def where_in_time(
    model: ExplainableSER,
    branches: Mapping[str, BranchOutput],
    stage: Stage,
    answer: str,
    emotions: Sequence[str],
    emotion: str,
) -> Where:
    """Traces one clip: what each branch keeps of its frames, and each token's share in ``emotion``.

    ``branches`` comes from ``model.encode_branches``; the answer's text before its emotion is given. Source: the
    divergence as the rate of a bottleneck (Alemi et al., 2017, ICLR).

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> from speechbrain_xser.stages import SER_STAGE
    >>> model = tiny_model(tempfile.mkdtemp()).eval()
    >>> branches = model.encode_branches(torch.randn(1, 16000), torch.tensor([16000]))
    >>> where = where_in_time(model, branches, SER_STAGE, "A man speaks, his anger evident.", ["angry", "sad"], "sad")
    >>> told = where.branches
    >>> told["content"].kl_nats.shape, told["descriptor"].shares.shape, round(where.frame_seconds, 3)
    (torch.Size([49]), torch.Size([9]), 0.02)
    """
    tokens = {name: output.tokens for name, output in branches.items()}
    shares = gradient_times_input(model, tokens, stage, answer, emotions, emotion)
    seconds = 1 / model.encoder.frame_rate
    latents = [output.latent for output in branches.values() if output.latent is not None]
    frames = max((int(one.frames[0]) for one in latents if one.posterior is not None), default=None)
    traces = {
        name: _trace(model.branches[name], output, shares[name], seconds, frames) for name, output in branches.items()
    }
    return Where(emotion, traces, seconds)


def gradient_times_input(
    model: ExplainableSER,
    tokens: Mapping[str, SoftTokens],
    stage: Stage,
    answer: str,
    emotions: Sequence[str],
    emotion: str,
    steps: int = STEPS,
) -> dict[str, Tensor]:
    """What each soft token adds to the label's log-odds, in nats: [K] for each branch.

    With one step, the gradient is that at the clip itself. The other arguments are those of :func:`where_in_time`.
    Source: integrated gradients (Sundararajan et al., 2017, ICML).
    """
    chosen, decoder = list(emotions).index(emotion), model.decoder
    begun = decoder.plain_tokens(emotion_slot(answer, tuple(emotions)).prefix)
    [length] = decoder.rows(tokens, stage.instruction, [begun], 0).totals
    together = max(1, POSITIONS // length)
    found = {name: torch.zeros(int(one.counts[0])) for name, one in tokens.items()}

    def odds_at(sizes: Tensor) -> tuple[Tensor, dict[str, SoftTokens]]:
        fainter = {name: _fainter(one, sizes) for name, one in tokens.items()}
        scores = word_scores(model, fainter, stage, answer, emotions) / decoder.emotion_temperature
        return log_odds(scores, chosen), fainter

    with evaluating(model), torch.enable_grad():
        way = [(1.0, 1.0)] if steps == 1 else _way(steps, _start(lambda sizes: odds_at(sizes)[0].tolist(), together))
        for part in torch.tensor(way).split(together):
            may_stop()
            sizes, weights = part.unbind(1)
            odds, fainter = odds_at(sizes)
            slopes = torch.autograd.grad(odds.sum(), [one.embeddings for one in fainter.values()])
            for (name, one), slope in zip(fainter.items(), slopes, strict=True):
                shares = (one.embeddings.detach() * slope).sum(-1)[:, : len(found[name])].float().cpu()
                found[name] += weights @ shares
    return found


def _fainter(tokens: SoftTokens, sizes: Tensor) -> SoftTokens:
    """The tokens of one clip in several sizes, as the rows of a batch, [S, K, e] with a gradient."""
    embeddings = tokens.embeddings.detach()
    scaled = sizes.to(embeddings.device, embeddings.dtype)[:, None, None] * embeddings
    return tokens._replace(embeddings=scaled.requires_grad_(), counts=tokens.counts.expand(len(sizes)))


def log_odds(scores: Tensor, chosen: int) -> Tensor:
    """Log-odds of one class against all others, [...], if the softmax of the scores, [..., C], are the probabilities.

    Example
    -------
    >>> log_odds(torch.tensor([0.0, 0.0, 0.0]), 1)  # log(1/3 / (2/3))
    tensor(-0.6931)
    """
    others = torch.cat([scores[..., :chosen], scores[..., chosen + 1 :]], -1)
    return scores[..., chosen] - others.logsumexp(-1)


def _start(odds_at: Callable[[Tensor], Sequence[float]], together: int = len(STARTS)) -> float:
    """Where a path from silence may start: before it the log-odds change by next to nothing.

    Given are the log-odds at sizes, so many of which are asked for together.

    Example
    -------
    >>> _start(lambda sizes: (0.0, 0.01, 0.3)), _start(lambda sizes: (0.0, 0.1, 0.0))
    (0.0001, 1e-05)
    """
    with torch.no_grad():
        parts = torch.tensor(STARTS).split(together)
        first, *others = [odds for part in parts for odds in odds_at(part)]
    silent = list(takewhile(lambda odds: abs(odds - first) <= SILENT, others))
    return STARTS[len(silent)]


def _way(steps: int, start: float) -> list[tuple[float, float]]:
    """Positions from a start to the clip, and their weights: ``integral of a f(a) d log a``."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    length = -np.log(start)
    return list(zip(np.exp((places - 1) / 2 * length).tolist(), (weights / 2 * length).tolist(), strict=True))


def word_scores(
    model: ExplainableSER,
    tokens: Mapping[str, SoftTokens],
    stage: Stage,
    answer: str,
    emotions: Sequence[str],
) -> Tensor:
    """The mean log-probability of each emotion's word in its place, [B, C] float32, with a graph.

    Their softmax, at the decoder's ``emotion_temperature``, gives the classes' probabilities. All B rows of soft tokens
    have the same answer. ``decoder.score`` computes the same without a graph.
    """
    decoder, slot = model.decoder, emotion_slot(answer, tuple(emotions))
    [begun], [words] = candidate_tokens([slot.prefix], [slot.words], decoder.plain_tokens)
    rows = len(next(iter(tokens.values())).counts)
    prompts = decoder.stream(tokens, stage.instruction, [begun] * rows, max(map(len, words)))
    # the text that all words share is processed once: its end predicts their first tokens, and all but the last token
    # of a word are a way to go on
    ways = [word[:-1] for word in words if len(word) > 1]
    layout = TwigLayout(*prompts.layout, tuple(map(len, ways)))
    embedding = decoder.causal.get_input_embeddings()
    more = embedding(torch.tensor([token for way in ways for token in way], device=prompts.embeddings.device).long())
    opening, *texts = prompts.embeddings.split([layout.prefix, *layout.counts])
    stream = torch.cat([opening, *(part for text in texts for part in (text, more))])
    states, head = last_states(decoder.causal, stream, layout, [1 + len(more)] * rows)
    said = head(states).float().log_softmax(-1).unflatten(0, (rows, -1))
    return torch.stack([said[:, places, word].mean(1) for places, word in _predicting(words)], 1)


def _predicting(words: Sequence[list[int]]) -> Iterator[tuple[list[int], list[int]]]:
    """Where each token of each word is predicted, among the end of the text and the ways to go on.

    Example
    -------
    >>> list(_predicting([[7], [8, 9], [5, 6, 4]]))
    [([0], [7]), ([0, 1], [8, 9]), ([0, 2, 3], [5, 6, 4])]
    """
    start = 1
    for word in words:
        yield [0, *range(start, start + len(word) - 1)], word
        start += len(word) - 1


def _trace(
    branch: Branch, output: BranchOutput, shares: Tensor, frame_seconds: float, clip_frames: int | None
) -> BranchTrace:
    stack = getattr(branch.adapter, "stack", None)
    spread = 1.0 if clip_frames is None else clip_frames / max(1, len(shares))
    token_seconds = frame_seconds * (stack or spread)
    if output.latent is None:
        return BranchTrace(None, shares, None, token_seconds)
    frames, mix = int(output.latent.frames[0]), getattr(branch.bottleneck, "mix", None)
    kl = None if output.latent.posterior is None else output.latent.kl[0, :frames].detach().float().cpu()
    return BranchTrace(kl, shares, None if mix is None else mix.weights.detach().cpu(), token_seconds)
