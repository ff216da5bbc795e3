"""Fits a model's domain: how training clips are distributed, and what tells other clips in the domain from those out.

Nothing of the sets that it is fitted to may be used to say how well it works; the other half of each set does that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from speechbrain_xser.inference.domain import measure_rows, out_probability
from speechbrain_xser.lobes.clip_means import ClipMeans
from speechbrain_xser.model_folder.domain_reference import DISTANCES, DomainReference, TrainingMeans

DOUBTFUL_SHARE, OUT_SHARE = 0.10, 0.02  # of the clips of each set in the domain, at most, are above the thresholds
PENALTY = 1e-3  # half the squared length of the weights counts so much beside the mean cross-entropy
SMALLEST_SPREAD = 1e-6
LEAST_SHRINKAGE = 1e-6  # of two rows nothing else would be of full rank
STEPS = 500


def training_means(clips: ClipMeans) -> TrainingMeans:
    """How the means of training clips are distributed.

    Arguments
    ---------
    clips : ClipMeans
        Of N training clips.

    Returns
    -------
    TrainingMeans

    Example
    -------
    >>> voice = torch.randn(500, 4) * torch.tensor([1.0, 2.0, 1.0, 2.0])
    >>> training = training_means(ClipMeans(voice, torch.randn(500, 3, 8), {}))
    >>> white = (voice - training.voice_mean) @ training.voice_whitening.T
    >>> bool(((white.T @ white / 500 - torch.eye(4)).abs() < 0.2).all())  # white noise of variance 1
    True
    """
    voice, states = clips.voice.double(), clips.states.double()
    factor = torch.linalg.cholesky(shrunk_covariance(voice))
    whitening = torch.linalg.solve_triangular(factor, torch.eye(len(factor), dtype=factor.dtype), upper=False)
    spread = states.std(0, correction=0).clamp(min=SMALLEST_SPREAD)
    return TrainingMeans(*(part.float() for part in (voice.mean(0), whitening, states.mean(0), spread)))


def shrunk_covariance(rows: Tensor) -> Tensor:
    """The covariance of rows, shrunk towards a multiple of the identity by as much as their number calls for.

    Source: Ledoit and Wolf (2004, Journal of Multivariate Analysis 88).

    Arguments
    ---------
    rows : Tensor
        [N, Z] float64.

    Returns
    -------
    Tensor
        [Z, Z], of full rank.

    Example
    -------
    >>> torch.linalg.matrix_rank(shrunk_covariance(torch.randn(3, 9, dtype=torch.float64)))
    tensor(9)
    """
    centred = rows - rows.mean(0)
    sample = centred.T @ centred / len(rows)
    identity = torch.eye(len(sample), dtype=sample.dtype)
    target = (sample.trace() / len(sample)).clamp(min=SMALLEST_SPREAD) * identity
    distance = (sample - target).square().sum()
    error = (centred.square().sum(1).square().sum() / len(rows) - sample.square().sum()) / len(rows)
    shrinkage = (error / distance).clamp(LEAST_SHRINKAGE, 1) if distance > 0 else 1.0
    return (1 - shrinkage) * sample + shrinkage * target


def logistic_regression(rows: Tensor, labels: Tensor, shares: Tensor) -> tuple[Tensor, float]:
    """Weights and bias of a logistic regression with a small penalty on the weights.

    Arguments
    ---------
    rows : Tensor
        [N, M] float64.
    labels : Tensor
        [N] float64, 1 or 0.
    shares : Tensor
        How much each row counts, [N] float64; they add up to 1.

    Returns
    -------
    tuple of (Tensor, float)
        Weights [M] and bias: the probability of 1 is ``1 / (1 + exp(-(w · row + b)))``.

    Example
    -------
    >>> rows, labels = torch.ones(4, 1, dtype=torch.float64), torch.tensor([1.0, 1.0, 1.0, 0.0]).double()
    >>> weights, bias = logistic_regression(rows, labels, torch.full((4,), 0.25).double())
    >>> torch.sigmoid(rows[0] @ weights + bias).round(decimals=3)
    tensor(0.7500, dtype=torch.float64)
    """
    found = torch.zeros(rows.shape[1] + 1, dtype=rows.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=STEPS, tolerance_grad=1e-9, line_search_fn="strong_wolfe")
    signs = 1 - 2 * labels

    def loss() -> Tensor:
        optimizer.zero_grad()
        nats = (shares * softplus(signs * (rows @ found[:-1] + found[-1]))).sum()
        total = nats + 0.5 * PENALTY * found[:-1].square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return found.detach()[:-1].clone(), found[-1].item()


def fit_domain(training: ClipMeans, inside: Sequence[ClipMeans], outside: Sequence[ClipMeans]) -> DomainReference:
    """Fits the domain of a model; every set counts alike, whatever its number of clips.

    Arguments
    ---------
    training : ClipMeans
        Of the clips that the model was trained on.
    inside : sequence of ClipMeans
        Sets of other clips that it is made for.
    outside : sequence of ClipMeans
        Sets of clips that it is not made for.

    Returns
    -------
    DomainReference
        Its thresholds: of no set inside more than a tenth of the clips are doubtful or out, nor more than a fiftieth
        out.

    Example
    -------
    >>> def clips(voice):
    ...     return ClipMeans(voice + torch.randn(200, 4), torch.randn(200, 3, 8), {"descriptor nats": torch.rand(200)})
    >>> from speechbrain_xser.inference.domain import domains
    >>> reference = fit_domain(clips(0.0), [clips(0.0)], [clips(5.0)])
    >>> domains(clips(5.0), reference).count("out") > 190, domains(clips(0.0), reference).count("in") > 150
    (True, True)
    """
    known = training_means(training)
    measures = (*DISTANCES, *inside[0].branches)
    sets = [measure_rows(one, known, measures) for one in (*inside, *outside)]
    own = torch.cat(sets[: len(inside)])
    centre, spread = own.mean(0), own.std(0, correction=0).clamp(min=SMALLEST_SPREAD)
    labels = torch.cat([torch.full((len(one),), float(n >= len(inside))) for n, one in enumerate(sets)]).double()
    counts = [len(one) * 2 * (len(inside) if n < len(inside) else len(outside)) for n, one in enumerate(sets)]
    shares = torch.cat([torch.full((len(one),), 1 / n, dtype=own.dtype) for one, n in zip(sets, counts, strict=True)])
    fitted = logistic_regression((torch.cat(sets) - centre) / spread, labels, shares)
    reference = DomainReference(known, measures, centre, spread, *fitted, (0.0, 1.0))
    found = [out_probability(one, reference) for one in inside]
    thresholds = [max(one.quantile(1 - share).item() for one in found) for share in (DOUBTFUL_SHARE, OUT_SHARE)]
    return reference._replace(thresholds=tuple(thresholds))
