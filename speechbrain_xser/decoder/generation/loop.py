"""The generation loop of a causal LLM: greedy answers for any number of rows, and scores of candidates.

A prompt is processed once and its keys and values are kept; every next token costs one position per row. A limited
number of rows is answered at once. When enough of them have ended, waiting prompts take their places; at the end, the
remaining rows are moved together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from speechbrain_xser.answer.form import Step
from speechbrain_xser.decoder.generation.answer import PartialAnswer
from speechbrain_xser.decoder.generation.row_cache import RowCache
from speechbrain_xser.decoder.sequence import Stream
from speechbrain_xser.utils.lengths import valid_mask
from speechbrain_xser.utils.stopping import may_stop


class Decoding(NamedTuple):
    """How answers are decoded. Only ``form`` changes the answers; the rest changes how long they take.

    Example
    -------
    >>> Decoding(speculate=4).form is None
    True
    """

    rows: int = 32  # answers generated at once
    speculate: int = 0  # tokens drafted ahead, from earlier answers
    form: tuple[Step, ...] | None = None  # constrains every answer
    graphs: bool = False  # whether steps are CUDA graphs on a GPU


PLAIN_DECODING = Decoding()
Prompts = Callable[[Sequence[int]], Stream]  # the prompts of some rows


@torch.no_grad()
def greedy(
    llm: PreTrainedModel,
    prompts: Prompts,
    totals: Sequence[int],
    answers: Sequence[PartialAnswer],
    pad: int,
    rows: int = 32,
    graphs: bool = False,
    share: int = 1,
) -> None:
    """Adds the likeliest next token to each answer until all have ended.

    Arguments
    ---------
    llm : PreTrainedModel
        In eval mode.
    prompts : callable
        Gives the stream of the prompts of some rows.
    totals : sequence of int
        Length of each prompt in tokens.
    answers : sequence of PartialAnswer
        ``share`` for each prompt, one after another; they are extended in place.
    pad : int
        Fed to rows that have nothing to feed.
    rows : int
        Number of rows answered at once.
    graphs : bool
        Whether steps are replayed as CUDA graphs on a GPU.
    share : int
        Answers of one prompt, which is processed once for all of them; they are begun together.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.decoder.packing.stream import Layout
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> word = llm.get_input_embeddings()
    >>> def prompts(rows):  # every prompt is 1, 5, and the number of its row
    ...     return Stream(word(torch.tensor([1, 5, *rows])), Layout(2, (1,) * len(rows)))
    >>> three, one = ([PartialAnswer([], limit=4, ends={2}) for _ in range(3)] for _ in range(2))
    >>> greedy(llm, prompts, [3] * 3, three, pad=0)
    >>> greedy(llm, prompts, [3] * 3, one, pad=0, rows=1)
    >>> [answer.new for answer in three] == [answer.new for answer in one], len(three[0].new)
    (True, 4)
    """
    Answering(llm, prompts, totals, answers, pad, rows, graphs, share).run()


class Answering:
    """Rows of a cache whose answers are generated together; the arguments are those of :func:`greedy`."""

    def __init__(
        self,
        llm: PreTrainedModel,
        prompts: Prompts,
        totals: Sequence[int],
        answers: Sequence[PartialAnswer],
        pad: int,
        rows: int,
        graphs: bool,
        share: int = 1,
    ) -> None:
        self.prompts, self.answers, self.pad, self.graphs, self.share = prompts, answers, pad, graphs, share
        self.totals = [total for total in totals for _ in range(share)]  # of each answer's prompt
        rows = min(max(rows // share, 1) * share, len(answers))
        longest = max(total + answer.most for total, answer in zip(self.totals, answers, strict=True))
        self.cache = RowCache(llm, rows, longest, graphs)
        self.waiting = list(range(len(answers)))[::-1]
        self.rows: list[int | None] = [None] * rows  # the answer in each row

    def run(self) -> None:
        """Runs to the end."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """Runs to the end, yielding before each step so that the answers so far can be read."""
        while self._free(self._ended()):
            yield
            may_stop()
            self._step()

    def _ended(self) -> list[int]:
        return [row for row, index in enumerate(self.rows) if index is None or self.answers[index].ended]

    def _free(self, ended: list[int]) -> bool:
        """Refills rows that have ended, or removes them; returns whether anything is left to answer."""
        while self.waiting and len(ended) >= max(self.share, len(self.rows) // 8):
            self._read(ended)
            ended = self._ended()
        # fewer rows would mean recording all steps again
        if not self.waiting and (2 * len(ended) >= len(self.rows) if not self.graphs else len(ended) == len(self.rows)):
            kept = [row for row in range(len(self.rows)) if row not in ended]
            self.rows = [self.rows[row] for row in kept]
            if kept:
                self.cache.keep(kept)
        return bool(self.rows)

    def _read(self, free: list[int]) -> None:
        rows = free[: min(len(free) // self.share * self.share, len(self.waiting))]
        chosen = [self.waiting.pop() for _ in rows]
        logits = self.cache.read(rows, self.prompts([index // self.share for index in chosen[:: self.share]]))
        likeliest = logits.argmax(-1).tolist()
        for place, (row, index) in enumerate(zip(rows, chosen, strict=True)):
            prompt = place // self.share
            self.rows[row] = index
            self.answers[index].take([likeliest[prompt]], logits[prompt][None])

    def _step(self) -> None:
        unfinished = {row: index for row, index in enumerate(self.rows) if not self.answers[index].ended}
        fed = [self.answers[index].fed if row in unfinished else [] for row, index in enumerate(self.rows)]
        width = max(map(len, fed))
        ids = torch.tensor([[*row, *[self.pad] * (width - len(row))] for row in fed])
        starts = [self._start(index) if row in unfinished else 0 for row, index in enumerate(self.rows)]
        device = self.cache.device
        positions = torch.tensor(starts)[:, None] + torch.arange(width)
        logits = self.cache.step(ids.to(device), positions.to(device), max(starts) + width)
        likeliest = logits.argmax(-1).tolist()
        for row, index in unfinished.items():
            self.answers[index].take(likeliest[row], logits[row])

    def _start(self, index: int) -> int:
        """The position of an answer's last token; all before it have been fed."""
        return self.totals[index] + len(self.answers[index].new) - 1


@torch.no_grad()
def candidate_scores(llm: PreTrainedModel, prompt: Stream, candidates: list[list[list[int]]]) -> Tensor:
    """How likely each candidate is after its prompt: 1/M * sum_m log p(token_m | prompt, tokens before m), [B, C].

    ``candidates`` has the token ids of C candidates for each of B rows. The prompt's keys and values are computed once,
    and each candidate attends to them and to itself.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.decoder.packing.stream import Layout
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> prompt = Stream(llm.get_input_embeddings()(torch.tensor([1, 5, 7])), Layout(0, (3,)))
    >>> scores = candidate_scores(llm, prompt, [[[token] for token in range(llm.config.vocab_size)]])
    >>> torch.allclose(scores.exp().sum(), torch.tensor(1.0))
    True
    """
    choices, totals = len(candidates[0]), torch.tensor(prompt.layout.totals)
    flat = [torch.tensor(ids) for row in candidates for ids in row]
    sizes = torch.tensor([len(ids) for ids in flat])
    ids = nn.utils.rnn.pad_sequence(flat, batch_first=True)  # [B * C, M]
    cache = RowCache(llm, len(totals), int(totals.max()) + choices * (ids.shape[1] - 1))
    logits = cache.read(range(len(totals)), prompt).repeat_interleave(choices, 0)[:, None]
    ids, sizes, totals = (part.to(logits.device) for part in (ids, sizes, totals))
    if ids.shape[1] > 1:
        branches = ids[:, :-1].view(len(totals), choices, -1)
        logits = torch.cat([logits, cache.branch(branches, totals).flatten(0, 1)], 1)
    chosen = logits.gather(-1, ids[..., None])[..., 0].float() - logits.float().logsumexp(-1)
    return (chosen * valid_mask(sizes, ids.shape[1])).sum(1).div(sizes).view(-1, choices)
