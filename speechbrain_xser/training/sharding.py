"""The LLM's frozen weights, divided among the ranks (FSDP2), for one that fits no card.

Each layer but the last is gathered from all ranks when it computes, and given up afterwards. The rest (embeddings, last
layer, output layer) is gathered once a step, since answers are scored after the forward, and generation looks up
embeddings before it. What trains is not divided: it stays under DDP, so that checkpoints are those of one process.

Gathering needs all ranks at the same layer at the same time. In training they are: every rank has the same number of
micro-batches. In an evaluation they answer other clips in other numbers of steps: there each pass of the LLM is
announced, and a rank that has nothing to compute takes part with a pass of one token until all are done.

Source: PyTorch FSDP (Zhao et al., 2023, VLDB 16(12)).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from speechbrain_xser.decoder.packing.stream import Layout
from speechbrain_xser.decoder.packing.trunk import last_states
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.training.distributed import sum_over_ranks, world_size
from speechbrain_xser.training.node import Node

if TYPE_CHECKING:
    from speechbrain_xser.decoder.decoder import LLMDecoder

READERS = ("generate", "sample", "score", "embed_text", "vocabulary_rows")  # use weights outside the forward


class ShardedLLM:
    """Divides an LLM among the ranks, and keeps them together while they evaluate.

    Arguments
    ---------
    decoder : LLMDecoder
        Changed in place; may lie on the CPU. Of its frozen weights, only those of a machine's first rank are used.
    device : str
        Of this rank. One layer at a time is sent there, divided, and given up but for this rank's part.

    Raises
    ------
    SettingsError
        If there is one process only, the decoder has no LLM, or its weights are quantised.

    Example
    -------
    >>> ShardedLLM(nn.Linear(1, 1), "cpu")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: shard: true divides an LLM among ranks, and there is one process: add ...
    """

    def __init__(self, decoder: LLMDecoder, device: str) -> None:
        _refuse_impossible(decoder)
        self.llm_decoder, self.device, self._idle = decoder, device, False
        self.names = [name for name, parameter in decoder.named_parameters() if not parameter.requires_grad]
        layers = decoder.causal.base_model.layers[:-1]
        self.group = torch.distributed.new_group()  # DDP's: its reductions overlap with the layers being gathered
        mesh = init_device_mesh(torch.device(device).type, (world_size(),))
        trained = {parameter for parameter in decoder.parameters() if parameter.requires_grad}
        node = Node(device)
        for part in (*layers, decoder):  # whole on each rank for a moment
            node.send(_undivided(part, trained), move=True)
            fully_shard(part, mesh=mesh, ignored_params=trained)
        # named, since FSDP else follows the passes since the last backward, and those of an evaluation differ
        for before, after in zip([layers[0], *layers], [*layers, decoder], strict=True):
            after.set_modules_to_backward_prefetch([before])
        for name in READERS:
            register_fsdp_forward_method(decoder, name)
        decoder.causal.base_model.register_forward_pre_hook(self._announce)

    @torch.no_grad()
    def begin_evaluation(self) -> None:
        """Gathers, on all ranks at once, what generation reads outside the layers."""
        self.llm_decoder.embed_text("")

    def end_evaluation(self) -> None:
        """Gives up on all ranks what they gathered; reading a state would do so on the rank that writes alone."""
        self.llm_decoder.reshard()

    @torch.no_grad()
    def wait(self) -> None:
        """Takes part in the other ranks' passes until all ranks wait."""
        while sum_over_ranks([0.0], self.device)[0]:
            self._pass_of_one_token()

    def _announce(self, *_: object) -> None:
        if not torch.is_grad_enabled() and not self._idle:
            sum_over_ranks([1.0], self.device)

    def _pass_of_one_token(self) -> None:
        self._idle = True
        try:
            llm = self.llm_decoder.causal
            token = torch.zeros(1, self.llm_decoder.width, dtype=llm.dtype, device=self.device)
            last_states(llm, token, Layout(0, (1,)), [1])
        finally:
            self._idle = False


def _undivided(part: nn.Module, trained: Collection[Tensor]) -> list[Tensor]:
    parameters = [one for one in part.parameters() if one not in trained and not isinstance(one, DTensor)]
    return [*parameters, *part.buffers()]


def _refuse_impossible(decoder: nn.Module) -> None:
    if world_size() == 1:
        raise SettingsError("shard: true divides an LLM among ranks, and there is one process: add --ranks.")
    layers = getattr(getattr(getattr(decoder, "causal", None), "base_model", None), "layers", None)
    if not isinstance(layers, nn.ModuleList) or len(layers) < 2:
        raise SettingsError("shard: true divides the layers of an LLM, and this model has none: leave it out.")
    if any(not parameter.is_floating_point() for parameter in decoder.parameters()):
        raise SettingsError("shard: true needs weights that are not quantised: choose one of the two.")
