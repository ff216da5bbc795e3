"""Whether a clip is like those that the model was trained on: in its domain, doubtful, or out of it.

Measures of the clip, all from the pass that answers: the Mahalanobis distance of the mean descriptor latent from those
of training clips (Lee et al., 2018, NeurIPS), the distance of the mean encoder state, the divergence that each
bottleneck lets through, and the recogniser's log-probability of its words. A logistic regression makes one probability
of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from speechbrain_xser.answer.explanation import DOUBTFUL, IN, OUT
from speechbrain_xser.lobes.clip_means import ClipMeans
from speechbrain_xser.model_folder.domain_reference import DISTANCES, DomainReference, TrainingMeans


def domain_measures(means: ClipMeans, training: TrainingMeans) -> dict[str, Tensor]:
    """What the domain of each clip is judged by.

    Arguments
    ---------
    means : ClipMeans
        Of B clips.
    training : TrainingMeans
        Of training clips.

    Returns
    -------
    dict of str to Tensor
        By name, [B] float32 each: two distances, and what is measured of each branch.

    Example
    -------
    >>> means = ClipMeans(torch.tensor([[3.0, 8.0]]), torch.tensor([[[1.0, 7.0]]]), {"descriptor nats": torch.ones(1)})
    >>> whitening = torch.tensor([[1.0, 0.0], [0.0, 0.5]])  # of variances 1 and 4
    >>> training = TrainingMeans(torch.zeros(2), whitening, torch.zeros(1, 2), torch.ones(1, 2))
    >>> {name: value.item() for name, value in domain_measures(means, training).items()}
    {'voice distance': 5.0, 'state distance': 5.0, 'descriptor nats': 1.0}
    """
    voice = (means.voice - training.voice_mean) @ training.voice_whitening.T
    states = (means.states - training.state_mean) / training.state_spread
    distances = voice.square().sum(1).sqrt(), states.square().mean((1, 2)).sqrt()
    return dict(zip(DISTANCES, distances, strict=True)) | means.branches


def measure_rows(means: ClipMeans, training: TrainingMeans, names: Sequence[str]) -> Tensor:
    """The named measures of B clips, [B, M] float64."""
    found = domain_measures(means, training)
    return torch.stack([found[name] for name in names], 1).double()


def out_probability(means: ClipMeans, reference: DomainReference) -> Tensor:
    """How probable it is that each clip is out of the domain.

    ``1 / (1 + exp(-(w · (measures - centre) / spread + b)))``

    Arguments
    ---------
    means : ClipMeans
        Of B clips.
    reference : DomainReference
        The model's.

    Returns
    -------
    Tensor
        [B] float64; clips in and out of the domain counted as equally frequent.
    """
    measures = measure_rows(means, reference.training, reference.measures)
    return torch.sigmoid((measures - reference.centre) / reference.spread @ reference.weights + reference.bias)


def domains(means: ClipMeans, reference: DomainReference) -> list[str]:
    """The domain of each clip.

    Arguments
    ---------
    means : ClipMeans
        Of B clips.
    reference : DomainReference
        The model's.

    Returns
    -------
    list of str
        B of "in", "doubtful" and "out".

    Example
    -------
    >>> training = TrainingMeans(torch.zeros(1), torch.eye(1), torch.zeros(1, 1), torch.ones(1, 1))
    >>> zero, one = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    >>> reference = DomainReference(training, DISTANCES, zero, one, one, -4.0, (0.5, 0.9))
    >>> domains(ClipMeans(torch.tensor([[1.0], [5.0], [9.0]]), torch.zeros(3, 1, 1), {}), reference)
    ['in', 'doubtful', 'out']
    """
    doubtful, out = reference.thresholds
    found = out_probability(means, reference).tolist()
    return [IN if share <= doubtful else DOUBTFUL if share <= out else OUT for share in found]
