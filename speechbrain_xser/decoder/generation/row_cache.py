"""Keys and values of the rows being answered, in buffers of fixed size: adding a token copies nothing.

Each row has its own length, so a token after a short prompt is stored directly after it, rows can be replaced one by
one, and a row is shortened by overwriting what lies beyond its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from speechbrain_xser.decoder.generation.graphs import GraphedSteps
from speechbrain_xser.decoder.packing.attention import Visible
from speechbrain_xser.decoder.packing.output_layer import few_logits
from speechbrain_xser.decoder.packing.stream import padded_keys, picked
from speechbrain_xser.decoder.packing.trunk import last_states, run
from speechbrain_xser.decoder.sequence import Stream
from speechbrain_xser.utils.lengths import rounded


class RowCache:
    """Keys and values of R rows of a causal LLM.

    Arguments
    ---------
    llm : PreTrainedModel
        In eval mode, prepared by :func:`~speechbrain_xser.decoder.packing.attention.use_plans`.
    rows : int
        Number of rows.
    capacity : int
        Positions of the longest row, prompt and answer together.
    graphs : bool
        Whether steps are replayed as CUDA graphs on a GPU; these attend to the whole capacity.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.decoder.packing.stream import Layout
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> ids = torch.tensor([1, 5, 7, 9, 7])  # a shared token, then rows of one and three tokens
    >>> cache = RowCache(llm, rows=2, capacity=8)
    >>> with torch.no_grad():
    ...     first = cache.read([0, 1], Stream(llm.get_input_embeddings()(ids), Layout(1, (1, 3))))
    ...     logits = cache.step(torch.tensor([[7], [3]]), torch.tensor([[2], [4]]))  # each after its own row
    >>> torch.allclose(logits[0, 0], llm(torch.tensor([[1, 5, 7]])).logits[0, -1], atol=1e-5)
    True
    """

    def __init__(self, llm: PreTrainedModel, rows: int, capacity: int, graphs: bool = False) -> None:
        self.llm, self.rows, self.capacity = llm, rows, rounded(capacity)
        self._keys: list[Tensor] = []  # for each layer, [R, C, G, D]
        self._values: list[Tensor] = []
        self._graphs = GraphedSteps(self._step) if graphs and self.device.type == "cuda" else None

    @property
    def device(self) -> torch.device:
        """The device of the rows."""
        return self.llm.device

    def read(self, rows: Sequence[int], stream: Stream) -> Tensor:
        """Processes prompts into rows, replacing their content.

        Arguments
        ---------
        rows : sequence of int
            One for each of the stream's B rows; or as many for each, one after another, which all get its keys and
            values.
        stream : Stream
            The prompts.

        Returns
        -------
        Tensor
            Logits after each prompt, [B, V].
        """
        device, prompts = stream.embeddings.device, len(stream.layout.counts)
        places = padded_keys(stream.layout).to(device, non_blocking=True)
        index = torch.tensor(rows).to(device, non_blocking=True)

        def keep(layer: int, key: Tensor, value: Tensor) -> None:
            self._make(layer, key, value)
            for buffer, states in ((self._keys[layer], key), (self._values[layer], value)):
                found = picked(states, places).transpose(1, 2)
                buffer[index, : places.shape[1]] = found.repeat_interleave(len(rows) // prompts, 0)

        states, head = last_states(self.llm, stream.embeddings, stream.layout, [1] * prompts, keep)
        return few_logits(head, states)

    def step(self, ids: Tensor, positions: Tensor, longest: int | None = None) -> Tensor:
        """Logits after each of the next tokens of every row.

        Arguments
        ---------
        ids : Tensor
            Token ids, [R, n].
        positions : Tensor
            Their positions in the rows, [R, n] int64.
        longest : int, optional
            An upper bound of all positions + 1; nothing beyond it is attended to.

        Returns
        -------
        Tensor
            [R, n, V].
        """
        if self._graphs is not None:
            return self._graphs(ids, positions)
        return self._step(ids, positions, longest)

    def _step(self, ids: Tensor, positions: Tensor, longest: int | None = None) -> Tensor:
        keys = attended_keys(longest or self.capacity, positions.device)
        distance = positions[:, :, None] - torch.arange(keys, device=positions.device)
        return self._run(ids, positions, _Step(self, positions, distance))

    def branch(self, ids: Tensor, totals: Tensor) -> Tensor:
        """Logits after each token of several continuations of every row, which do not attend to each other.

        Arguments
        ---------
        ids : Tensor
            Token ids, [R, C, n].
        totals : Tensor
            Length of each row, [R] int64; C * n columns after it are overwritten.

        Returns
        -------
        Tensor
            [R, C, n, V].
        """
        rows, choices, count = ids.shape
        columns = totals[:, None] + torch.arange(choices * count, device=ids.device)
        positions = (totals[:, None, None] + torch.arange(count, device=ids.device)).expand(-1, choices, -1).flatten(1)
        seen = torch.arange(self.capacity, device=ids.device) - totals[:, None]  # from the row's end
        other, place = seen.div(count, rounding_mode="floor"), seen.remainder(count)
        own = torch.arange(choices, device=ids.device).repeat_interleave(count)[None, :, None]
        behind = positions[:, :, None] - (totals[:, None] + place)[:, None]
        prompt = positions[:, :, None] - torch.arange(self.capacity, device=ids.device)
        distance = torch.where((seen < 0)[:, None], prompt, torch.where(other[:, None] == own, behind, -1))
        return self._run(ids.flatten(1), positions, _Step(self, columns, distance)).unflatten(1, (choices, count))

    def _run(self, ids: Tensor, positions: Tensor, plan: _Step) -> Tensor:
        context = getattr(self.llm.config.get_text_config(), "max_position_embeddings", None)
        if context is not None:  # tokens fed beside the longest row may lie beyond the last position
            positions = positions.clamp(max=context - 1)
        return run(self.llm, plan, positions, input_ids=ids)

    def keep(self, rows: Sequence[int]) -> None:
        """Keeps only these rows, in this order."""
        self.rows = len(rows)
        if self._graphs is not None:
            self._graphs = GraphedSteps(self._step)  # the old ones write into buffers that no longer exist
        for buffers in (self._keys, self._values):
            buffers[:] = [buffer[torch.tensor(rows, device=buffer.device)] for buffer in buffers]

    def _make(self, layer: int, *states: Tensor) -> None:
        """Creates the buffers of a layer once its shape is known."""
        for buffers, like in zip((self._keys, self._values), states, strict=True):
            if len(buffers) == layer:
                _, groups, _, width = like.shape
                buffers.append(like.new_zeros(self.rows, self.capacity, groups, width))


def attended_keys(longest: int, device: torch.device) -> int:
    """Keys of a step: few lengths on a GPU, whose kernels may prepare each; on a CPU no more than are there.

    Example
    -------
    >>> attended_keys(129, torch.device("cuda")), attended_keys(129, torch.device("cpu"))
    (160, 129)
    """
    return longest if device.type == "cpu" else rounded(longest)


class _Step:
    """The attention plan of a step: writes the tokens' keys and values, and attends to all earlier ones."""

    def __init__(self, cache: RowCache, columns: Tensor, distance: Tensor) -> None:
        self.cache, self.columns, self.visible = cache, columns, Visible(distance)
        self.index = torch.arange(len(columns), device=columns.device)[:, None]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """[R, n, H, D] over the row's keys and values."""
        seen = []
        for buffer, states in ((self.cache._keys[layer], key), (self.cache._values[layer], value)):
            buffer[self.index, self.columns] = states.transpose(1, 2)
            seen.append(buffer[:, : self.visible.distance.shape[-1]].transpose(1, 2))
        return self.visible.attend(query, *seen, **options).transpose(1, 2)
