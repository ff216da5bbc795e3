"""The lobes: frozen encoder, variational bottleneck, adapter, and the branch of the last two.

None of them knows of data, prompts or stages. Moves to ``speechbrain/lobes/models``.
"""

from speechbrain_xser.lobes.adapter import Adapter, SoftTokens
from speechbrain_xser.lobes.bottleneck import Latent, LayerMix, Posterior, VariationalBottleneck, gaussian_kl
from speechbrain_xser.lobes.branch import Branch, BranchOutput, Mode, silent_tokens
from speechbrain_xser.lobes.encoder import LayerStates, SpeechEncoder, SSLEncoder

__all__ = [
    "Adapter",
    "Branch",
    "BranchOutput",
    "Latent",
    "LayerMix",
    "LayerStates",
    "Mode",
    "Posterior",
    "SSLEncoder",
    "SoftTokens",
    "SpeechEncoder",
    "VariationalBottleneck",
    "gaussian_kl",
    "silent_tokens",
]
