"""SpeechBrain's ECAPA-TDNN as a speaker encoder, from its weights alone.

Source: Desplanques et al. (2020), ECAPA-TDNN, Interspeech. A folder's ``hyperparams.yaml`` could run anything, so it is
not read: widths are those of the weights, and what weights do not tell (dilations, filterbank) is as in SpeechBrain's
recipe for VoxCeleb.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch import Tensor
from torch.nn.functional import normalize

from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.errors import BackboneError

DILATIONS = (1, 2, 3, 4, 1)
LEAST_SAMPLES = SAMPLE_RATE // 4  # a shorter clip is repeated: the network pads by reflection
MISFITS = (KeyError, TypeError, AttributeError, ValueError, IndexError, AssertionError)  # what other contents lead to


class EcapaEncoder:
    """Says whose voice a clip has, as a vector.

    Arguments
    ---------
    network : ECAPA_TDNN
        With weights.

    Example
    -------
    >>> network = ECAPA_TDNN(80, lin_neurons=6, channels=[8] * 5, attention_channels=4, res2net_scale=2, se_channels=4)
    >>> EcapaEncoder(network).embed(torch.randn(16000)).shape
    torch.Size([6])
    """

    name = "ECAPA-TDNN"
    apart = 0.75  # SpeechBrain's own verification takes cosines from 0.25 for the same speaker

    def __init__(self, network: ECAPA_TDNN) -> None:
        self._network = network.eval()
        self._features = Fbank(n_mels=network.blocks[0].conv.conv.in_channels)

    @classmethod
    def from_file(cls, path: str | Path) -> EcapaEncoder:
        """Loads ``embedding_model.ckpt``, by weights only; a ``BackboneError`` if it is another file."""
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            network = ECAPA_TDNN(**sizes(weights))
            network.load_state_dict(weights)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, *MISFITS) as error:
            told = str(error).partition("\n")[0]
            raise BackboneError(
                f"{path}: is not the ECAPA-TDNN of SpeechBrain ({told}); fetch it again, or give another folder"
            ) from error
        return cls(network)

    @torch.inference_mode()
    def embed(self, wav: Tensor) -> Tensor:
        """The voice of a clip [S] at 16 kHz, as [E] of unit length."""
        long = wav.repeat(math.ceil(LEAST_SAMPLES / len(wav)))
        features = self._features(long[None])  # [1, T, m]
        return normalize(self._network(features - features.mean(1, keepdim=True)).flatten(), dim=0)


def sizes(weights: Mapping[str, Tensor]) -> dict:
    """The arguments of ``ECAPA_TDNN`` that give these shapes.

    Example
    -------
    >>> made = ECAPA_TDNN(80, lin_neurons=6, channels=[8, 8, 8, 8, 24], attention_channels=4, se_channels=4)
    >>> found = sizes(made.state_dict())
    >>> found["input_size"], found["lin_neurons"], found["channels"], found["kernel_sizes"], found["res2net_scale"]
    (80, 6, [8, 8, 8, 8, 24], [5, 3, 3, 3, 1], 8)
    """
    blocks = range(1, len(DILATIONS) - 1)
    first, last = weights["blocks.0.conv.conv.weight"], weights["mfa.conv.conv.weight"]
    middle = [weights[f"blocks.{place}.tdnn2.conv.conv.weight"] for place in blocks]
    inner = [weights[f"blocks.{place}.res2net_block.blocks.0.conv.conv.weight"] for place in blocks]
    return {
        "input_size": first.shape[1],
        "lin_neurons": len(weights["fc.conv.weight"]),
        "channels": [len(one) for one in (first, *middle, last)],
        "kernel_sizes": [one.shape[2] for one in (first, *inner, last)],
        "dilations": list(DILATIONS),
        "attention_channels": len(weights["asp.tdnn.conv.conv.weight"]),
        "res2net_scale": len(middle[0]) // len(inner[0]),
        "se_channels": len(weights["blocks.1.se_block.conv1.conv.weight"]),
    }
