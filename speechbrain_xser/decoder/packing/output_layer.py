"""The output layer of a causal LLM: what families do to its logits, and how few rows of it are computed.

It is the widest product of a generated token, and the largest tensor of a training step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

FAMILIES = (  # whose logits are those of the output layer, divided and capped as their configuration says
    *("llama", "mistral", "qwen2", "qwen3", "smollm3", "olmo2", "phi3", "gpt_neox"),
    *("granite", "gemma2", "gemma3_text"),
)


class ShapedOutput(nn.Module):
    """An output layer whose logits are divided (Granite) or capped by ``c * tanh(logit / c)`` (Gemma 2).

    Arguments
    ---------
    layer : nn.Linear
        [n, e] to [n, V].
    divisor : float
        Of the logits.
    cap : float, optional
        No logit is beyond it.

    Example
    -------
    >>> layer, states = nn.Linear(8, 30), torch.randn(2, 8)
    >>> torch.allclose(ShapedOutput(layer, divisor=4.0)(states), layer(states) / 4)
    True
    >>> bool(ShapedOutput(layer, cap=0.1)(states).abs().max() <= 0.1)
    True
    """

    def __init__(self, layer: nn.Linear, divisor: float = 1.0, cap: float | None = None) -> None:
        super().__init__()
        self.layer, self.divisor, self.cap = layer, divisor, cap

    @property
    def out_features(self) -> int:
        """Number of logits."""
        return self.layer.out_features

    def forward(self, states: Tensor) -> Tensor:
        """Logits, [..., V], of states, [..., e]."""
        logits = few_logits(self.layer, states) / self.divisor
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap


def output_layer(llm: PreTrainedModel) -> nn.Module | None:
    """From the last states of a causal LLM to its logits; ``None`` for a family that may make them in another way.

    Example
    -------
    >>> import tempfile
    >>> from transformers import AutoModelForCausalLM
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = AutoModelForCausalLM.from_pretrained(tiny_llm_folder(tempfile.mkdtemp()))
    >>> output_layer(llm) is llm.lm_head
    True
    """
    if llm.config.model_type not in FAMILIES:
        return None
    divisor, cap = getattr(llm.config, "logits_scaling", 1.0), getattr(llm.config, "final_logit_softcapping", None)
    layer = llm.get_output_embeddings()
    return layer if divisor == 1 and cap is None else ShapedOutput(layer, divisor, cap)


def few_logits(head: nn.Module, states: Tensor) -> Tensor:
    """Logits, [..., V], of some states, [..., e]; on a CPU in float32 as ``(W states')'``, not contiguous.

    The CPU's matrix product is slow for a wide layer and few rows: with 128,000 outputs and eight rows, the transposed
    product is two to three times faster, with the same numbers up to rounding. One row is worst (three times slower
    than two), so it is computed twice.

    Example
    -------
    >>> head, states = nn.Linear(8, 30), torch.randn(2, 3, 8)
    >>> [torch.allclose(few_logits(head, part), head(part), atol=1e-6) for part in (states, states[:1, :1])]
    [True, True]
    """
    usual = type(head) is not nn.Linear or states.device.type != "cpu" or states.dtype != torch.float32
    if usual or torch.is_autocast_enabled("cpu") or head.weight.dtype != torch.float32:
        return head(states)
    rows = states.flatten(0, -2)
    logits = (head.weight @ (rows.repeat(2, 1) if len(rows) == 1 else rows).T).T[: len(rows)]
    logits = logits if head.bias is None else logits + head.bias
    return logits.unflatten(0, states.shape[:-1])
