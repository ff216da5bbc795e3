"""Lengths as integer counts: a padded tensor never travels without them.

SpeechBrain passes relative lengths (floats in 0..1); they become counts once, at the border, in float64. Counts may
stay on the CPU while the tensors are elsewhere, so that a shape can be computed without waiting for the device.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def counts_from_relative(relative: Tensor, longest: int) -> Tensor:
    """Turns SpeechBrain's relative lengths into integer counts.

    Arguments
    ---------
    relative : Tensor
        Relative lengths, [B], in 0..1.
    longest : int
        The padded length, for which 1.0 stands.

    Returns
    -------
    Tensor
        Counts, [B], int64, between 0 and ``longest``.

    Example
    -------
    >>> counts_from_relative(torch.tensor([1.0, 0.5]), 7)
    tensor([7, 4])
    """
    return torch.round(relative.double() * longest).long().clamp(0, longest)


def relative_from_counts(counts: Tensor) -> Tensor:
    """Turns counts into SpeechBrain's relative lengths (float64, exact to one sample).

    Arguments
    ---------
    counts : Tensor
        Counts, [B], int64; the largest, which must be above 0, becomes 1.0.

    Returns
    -------
    Tensor
        Relative lengths, [B], float64, in 0..1.

    Example
    -------
    >>> relative_from_counts(torch.tensor([2, 4]))
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    return counts.double() / counts.max()


def padded(waves: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pads waveforms with zeros: [B, S], and SpeechBrain's relative lengths, [B].

    Example
    -------
    >>> padded([torch.ones(2), torch.ones(4)])[0]
    tensor([[1., 1., 0., 0.],
            [1., 1., 1., 1.]])
    """
    counts = torch.tensor([len(wave) for wave in waves])
    return pad_sequence(list(waves), batch_first=True), relative_from_counts(counts)


def valid_mask(counts: Tensor, longest: int, device: torch.device | None = None) -> Tensor:
    """True at valid positions, False at padding.

    Arguments
    ---------
    counts : Tensor
        Valid positions, [B], int64.
    longest : int
        Padded length L.
    device : torch.device, optional
        Device of the mask, by default that of the counts. Counts on the CPU are copied without waiting.

    Returns
    -------
    Tensor
        Mask, [B, L], bool.

    Example
    -------
    >>> valid_mask(torch.tensor([1, 3]), 3)
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    counts = counts if device is None else counts.to(device, non_blocking=True)
    return torch.arange(longest, device=counts.device)[None, :] < counts[:, None]


def rounded(length: int, least: int = 16) -> int:
    """The smallest of a few lengths that is not below this one: multiples of ``least``, then four in each doubling.

    Kernels that prepare something for every new shape then meet few of them.

    Example
    -------
    >>> [rounded(length) for length in (1, 16, 17, 65, 128, 129, 300)]
    [16, 16, 32, 80, 128, 160, 320]
    """
    step = max(least, 1 << max(0, (length - 1).bit_length() - 3))
    return -(-length // step) * step
