"""One attention function for every causal LLM: the *plan* of a call decides what a layer attends to.

transformers lets any registered function be a model's attention, and passes keyword arguments of a forward to it. So
the layers stay the library's, whatever the family, and packing or a cache is an object of ours: a plan turns a layer's
queries, keys and values into its output. Without a plan, the function is PyTorch's (SDPA).
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.attention_kernels import without_cudnn

NAME = "xser"


class AttentionPlan(Protocol):
    """What a layer's queries may attend to."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """A layer's attention.

        Arguments
        ---------
        layer : int
            Number of the layer.
        query : Tensor
            Rotated queries, [B, H, N, D].
        key, value : Tensor
            Keys and values of the same call, [B, G, M, D]; G divides H.
        **options
            As for :meth:`Visible.attend`.

        Returns
        -------
        Tensor
            [B, N, H, D].
        """
        ...


def planned_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    plan: AttentionPlan | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """The function that transformers calls, with the signature that it expects."""
    if plan is None:
        with without_cudnn(query.device):
            return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if options.get("s_aux") is not None or options.get("dropout"):
        raise BackboneError(
            f"{type(module).__name__} has attention sinks or drops attention out, which plans do not: use another LLM, "
            "or set its attention_dropout to 0."
        )
    known = {name: options.get(name) for name in ("scaling", "sliding_window", "softcap")}
    return plan.attend(module.layer_idx, query, key, value, **known), None


AttentionInterface.register(NAME, planned_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def use_plans(llm: PreTrainedModel) -> None:
    """Makes a causal LLM attend by plans; a ``BackboneError`` if its attention cannot be replaced.

    Example
    -------
    >>> import tempfile
    >>> from transformers import AutoModelForCausalLM
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = AutoModelForCausalLM.from_pretrained(tiny_llm_folder(tempfile.mkdtemp()))
    >>> before = llm(torch.tensor([[1, 2, 3]])).logits
    >>> use_plans(llm)
    >>> torch.equal(before, llm(torch.tensor([[1, 2, 3]])).logits)  # without a plan nothing has changed
    True
    """
    chunked = "chunked_attention" in (getattr(llm.config.get_text_config(), "layer_types", None) or ())
    if not llm._supports_attention_backend or chunked:
        raise BackboneError(
            f"{type(llm).__name__} has an attention of its own that cannot be exchanged: use an LLM of another "
            "family, such as Llama, Qwen, Mistral, Gemma or GPT-NeoX."
        )
    llm.set_attn_implementation(NAME)


def masked_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
) -> Tensor:
    """Softmax attention under an additive mask.

    Arguments
    ---------
    query : Tensor
        [B, H, N, D].
    key, value : Tensor
        [B, G, M, D]; G heads serve H / G queries each.
    mask : Tensor, optional
        0 where a query may attend and -inf elsewhere, [B, 1, H / G * N, M], in the dtype of ``query``; from
        :func:`additive_mask`. Without one, all queries attend to all keys.
    scaling : float, optional
        Scale of the products; 1 / sqrt(D) by default.
    softcap : float, optional
        Caps scores by ``c * tanh(score / c)``, as Gemma 2 does.

    Returns
    -------
    Tensor
        [B, H, N, D].

    Example
    -------
    >>> query, mask = torch.randn(1, 4, 3, 8), torch.zeros(1, 1, 6, 3)
    >>> shared = torch.randn(1, 2, 3, 8)
    >>> nearly = masked_attention(query, shared, shared, mask, softcap=1e6)
    >>> torch.allclose(masked_attention(query, shared, shared, mask), nearly, atol=1e-5)
    True
    """
    groups, share = key.shape[1], query.shape[1] // key.shape[1]
    # queries that share keys follow one another, so that kernels need no groups and no key is repeated
    asked = query.unflatten(1, (groups, share)).flatten(2, 3)
    if softcap is None:
        with without_cudnn(query.device):
            output = scaled_dot_product_attention(asked, key, value, attn_mask=mask, scale=scaling)
    else:
        scores = asked @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        scores = softcap * torch.tanh(scores / softcap) + (0 if mask is None else mask)
        output = scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value
    return output.unflatten(2, (share, query.shape[2])).flatten(1, 2)


class Visible:
    """What each query of a call may attend to: nothing after it, and only its layer's window.

    Arguments
    ---------
    distance : Tensor
        How far each key lies before its query, [R, L, M]; negative for what it must not see.

    Example
    -------
    >>> visible, states = Visible(torch.tensor([[[0, -1], [1, 0]]])), torch.randn(1, 1, 2, 8)
    >>> torch.allclose(visible.attend(states, states, states)[:, :, 0], states[:, :, 0], atol=1e-6)
    True
    """

    def __init__(self, distance: Tensor) -> None:
        self.distance = distance
        self._masks: dict[int | None, Tensor | None] = {}  # by window; layers with the same window share one

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scaling: float | None = None,
        sliding_window: int | None = None,
        softcap: float | None = None,
    ) -> Tensor:
        """Attention of queries [R, H, L, D] over keys and values [R, G, M, D]: [R, H, L, D].

        A ``sliding_window`` is the number of positions that a query attends to, including itself.
        """
        if sliding_window not in self._masks:
            self._masks[sliding_window] = additive_mask(self.distance, sliding_window, query, key)
        return masked_attention(query, key, value, self._masks[sliding_window], scaling, softcap)


def additive_mask(distance: Tensor, window: int | None, query: Tensor, key: Tensor) -> Tensor | None:
    """0 where visible and -inf elsewhere, [R, 1, H / G * L, M]: nothing after a query, and nothing outside a window.

    On a CPU, there is no mask if all is visible, since attention is faster without. A GPU would have to wait to know.

    ``distance`` is how far each key lies before its query, [R, L, M], negative for later ones. The window counts
    positions, including the query's own. Of ``query`` and ``key`` only the numbers of heads, H and G, and the dtype are
    used.

    Example
    -------
    >>> heads = torch.zeros(1, 2, 1, 8)
    >>> additive_mask(torch.tensor([[[2, 1, 0, -1]]]), 2, heads, heads)
    tensor([[[[-inf, 0., 0., -inf]]]])
    """
    visible = distance >= 0 if window is None else (distance >= 0) & (distance < window)
    if visible.device.type == "cpu" and bool(visible.all()):
        return None
    mask = torch.zeros(visible.shape, dtype=query.dtype, device=visible.device)
    return mask.masked_fill_(~visible, float("-inf"))[:, None].repeat(1, 1, query.shape[1] // key.shape[1], 1)
