"""The lobes: frozen encoder, variational bottleneck, adapter, and the branch of the last two.

None of them knows of data, prompts or stages. Moves to ``speechbrain/lobes/models``.
"""

from speechbrain_xser.lobes.adapter import Adapter, FrameTokens, SoftTokens
from speechbrain_xser.lobes.bottleneck import (
    Latent,
    LayerMix,
    NoBottleneck,
    Posterior,
    VariationalBottleneck,
    gaussian_kl,
)
from speechbrain_xser.lobes.branch import Branch, BranchOutput, off_tokens
from speechbrain_xser.lobes.cache import CachedEncoder
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.lobes.pooling import AttentivePooling, masked_mean
from speechbrain_xser.lobes.states import LayerStates, SpeechEncoder

__all__ = [
    "Adapter",
    "AttentivePooling",
    "Branch",
    "BranchOutput",
    "CachedEncoder",
    "FrameTokens",
    "FrozenEncoder",
    "Latent",
    "LayerMix",
    "LayerStates",
    "NoBottleneck",
    "Posterior",
    "SoftTokens",
    "SpeechEncoder",
    "VariationalBottleneck",
    "gaussian_kl",
    "masked_mean",
    "off_tokens",
]
