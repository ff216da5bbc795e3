"""Fits a model's domain: how training clips are distributed, and what tells other clips in the domain from those out.

Nothing of the sets that it is fitted to may be used to say how well it works; the other half of each set does that.
It needs scikit-learn, of the ``report`` extra.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression

from speechbrain_xser.inference.domain import measure_rows, out_probability
from speechbrain_xser.lobes.clip_means import ClipMeans
from speechbrain_xser.model_folder.domain_reference import DISTANCES, DomainReference, TrainingMeans

DOUBTFUL_SHARE, OUT_SHARE = 0.10, 0.02  # of the clips of each set in the domain, at most, are above the thresholds
REGRESSION = {"C": 1000.0, "tol": 1e-9, "max_iter": 1000}  # C beside a mean cross-entropy
SMALLEST_SPREAD = 1e-6
LEAST_SHRINKAGE = 1e-6  # of the mean variance: the covariance of two rows would have no inverse without it


def training_means(clips: ClipMeans) -> TrainingMeans:
    """How the means of training clips are distributed.

    Arguments
    ---------
    clips : ClipMeans
        Of N training clips.

    Returns
    -------
    TrainingMeans
        The covariance is shrunk as by Ledoit and Wolf (2004, Journal of Multivariate Analysis 88).

    Example
    -------
    >>> voice = torch.randn(500, 4) * torch.tensor([1.0, 2.0, 1.0, 2.0])
    >>> training = training_means(ClipMeans(voice, torch.randn(500, 3, 8), {}))
    >>> white = (voice - training.voice_mean) @ training.voice_whitening.T
    >>> bool(((white.T @ white / 500 - torch.eye(4)).abs() < 0.2).all())  # white noise of variance 1
    True
    """
    voice, states = clips.voice.double(), clips.states.double()
    covariance = torch.from_numpy(LedoitWolf().fit(voice.numpy()).covariance_)
    ridge = LEAST_SHRINKAGE * covariance.diagonal().mean().clamp(min=SMALLEST_SPREAD)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype))
    whitening = torch.linalg.solve_triangular(factor, torch.eye(len(factor), dtype=factor.dtype), upper=False)
    spread = states.std(0, correction=0).clamp(min=SMALLEST_SPREAD)
    return TrainingMeans(*(part.float() for part in (voice.mean(0), whitening, states.mean(0), spread)))


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
    rows = (torch.cat(sets) - centre) / spread
    fitted = LogisticRegression(**REGRESSION).fit(rows.numpy(), labels.numpy(), sample_weight=shares.numpy())
    weights, bias = torch.from_numpy(fitted.coef_[0]), float(fitted.intercept_[0])
    reference = DomainReference(known, measures, centre, spread, weights, bias, (0.0, 1.0))
    found = [out_probability(one, reference) for one in inside]
    thresholds = [max(one.quantile(1 - share).item() for one in found) for share in (DOUBTFUL_SHARE, OUT_SHARE)]
    return reference._replace(thresholds=tuple(thresholds))
