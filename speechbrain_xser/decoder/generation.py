"""What a causal LLM computes after its prompt: logits at chosen places, greedy answers, scores of candidates.

The prompt runs once and its keys and values are kept; every next token costs one position a row. Tokens that follow
a right-padded prompt take the position after its last real token, and the mask hides the padding between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import Cache, DynamicCache, PreTrainedModel

from speechbrain_xser.decoder.quotes import OpenQuotes
from speechbrain_xser.decoder.sequence import EmbeddedSequence
from speechbrain_xser.decoder.tokens import AnswerTokens
from speechbrain_xser.lengths import valid_mask


@contextmanager
def logits_only_at(llm: PreTrainedModel, rows: Tensor, columns: Tensor) -> Iterator[None]:
    """Lets the output layer see only some positions: its logits are then [1, N, V] instead of [B, L, V].

    The places are picked before the output layer and not after the trunk, so that whatever a model does to its
    logits (scaling, soft-capping) is still done.

    Arguments
    ---------
    llm : PreTrainedModel
        Any causal LLM with an output embedding.
    rows, columns : Tensor
        The places, [N] int64 each.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> three = torch.arange(3)[None]
    >>> prompt = EmbeddedSequence(torch.randn(1, 3, 32), torch.ones_like(three), three, torch.tensor([3]))
    >>> with logits_only_at(llm, torch.tensor([0]), torch.tensor([2])):
    ...     llm(inputs_embeds=prompt.embeddings).logits.shape[:2]
    torch.Size([1, 1])
    """
    head = llm.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][rows, columns][None],))
    try:
        yield
    finally:
        handle.remove()


def logits_at(llm: PreTrainedModel, sequence: EmbeddedSequence, rows: Tensor, columns: Tensor) -> Tensor:
    """Teacher-forced logits at the given places only.

    Arguments
    ---------
    llm : PreTrainedModel
        Any causal LLM.
    sequence : EmbeddedSequence
        B right-padded sequences.
    rows, columns : Tensor
        The places, [N] int64 each.

    Returns
    -------
    Tensor
        Logits, [N, V], in the LLM's type.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> three = torch.arange(3)[None]
    >>> prompt = EmbeddedSequence(torch.randn(1, 3, 32), torch.ones_like(three), three, torch.tensor([3]))
    >>> logits_at(llm, prompt, torch.tensor([0, 0]), torch.tensor([0, 2])).shape == (2, llm.config.vocab_size)
    True
    """
    with logits_only_at(llm, rows, columns):
        return llm(
            inputs_embeds=sequence.embeddings,
            attention_mask=sequence.mask,
            position_ids=sequence.positions,
            use_cache=False,
        ).logits[0]


def read_prompt(llm: PreTrainedModel, prompt: EmbeddedSequence) -> tuple[Tensor, Cache]:
    """Runs a prompt once.

    Arguments
    ---------
    llm : PreTrainedModel
        In eval.
    prompt : EmbeddedSequence
        B right-padded prompts.

    Returns
    -------
    tuple[Tensor, Cache]
        The logits after each row's last real token, [B, V], and the keys and values of all L columns.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> three = torch.arange(3)[None]
    >>> prompt = EmbeddedSequence(torch.randn(1, 3, 32), torch.ones_like(three), three, torch.tensor([3]))
    >>> logits, cache = read_prompt(llm, prompt)
    >>> torch.allclose(logits, logits_at(llm, prompt, torch.tensor([0]), torch.tensor([2])), atol=1e-5)
    True
    >>> cache.get_seq_length()
    3
    """
    rows = torch.arange(len(prompt.counts), device=prompt.counts.device)
    cache = DynamicCache(config=llm.config)
    with logits_only_at(llm, rows, prompt.counts - 1):
        logits = llm(
            inputs_embeds=prompt.embeddings,
            attention_mask=prompt.mask,
            position_ids=prompt.positions,
            cache=cache,
            use_cache=True,
        ).logits[0]
    return logits, cache


@torch.no_grad()
def greedy(
    llm: PreTrainedModel,
    prompt: EmbeddedSequence,
    tokens: AnswerTokens,
    max_new_tokens: int,
    quotes: OpenQuotes | None = None,
) -> list[list[int]]:
    """The likeliest next token, again and again, until every row has ended or the limit is reached.

    Arguments
    ---------
    llm : PreTrainedModel
        In eval.
    prompt : EmbeddedSequence
        B right-padded prompts.
    tokens : AnswerTokens
        Ids that end an answer, and the one that fills finished rows.
    max_new_tokens : int
        Limit in tokens, for each row.
    quotes : OpenQuotes, optional
        Keeps an answer from ending inside a quotation.

    Returns
    -------
    list of list of int
        New token ids of each row, without the one that ended it; an answer may be empty.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> three = torch.arange(3)[None]
    >>> prompt = EmbeddedSequence(torch.randn(1, 3, 32), torch.ones_like(three), three, torch.tensor([3]))
    >>> first = read_prompt(llm, prompt)[0].argmax().item()
    >>> greedy(llm, prompt, AnswerTokens(end=4, eos=(4,), pad=5), max_new_tokens=1) == [[first]]
    True
    >>> greedy(llm, prompt, AnswerTokens(end=first, eos=(first,), pad=5), max_new_tokens=9)
    [[]]
    """
    logits, cache = read_prompt(llm, prompt)
    eos = torch.tensor(tokens.eos, device=logits.device)
    ended = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    mask, answers = prompt.mask, []
    for step in range(max_new_tokens):
        logits = logits if quotes is None else quotes.without_end(logits)
        chosen = logits.argmax(-1).masked_fill(ended, tokens.pad)
        answers.append(chosen)
        if quotes is not None:
            quotes.add(chosen)
        ended |= torch.isin(chosen, eos)
        if step + 1 == max_new_tokens or ended.all():
            break
        mask = torch.nn.functional.pad(mask, (0, 1), value=1)
        positions = (prompt.counts + step)[:, None]
        logits = _step(llm, chosen[:, None], mask, positions, cache)[:, -1]
    return [_until_end(row, tokens.eos) for row in torch.stack(answers, 1).tolist()]


@torch.no_grad()
def candidate_scores(llm: PreTrainedModel, prompt: EmbeddedSequence, candidates: list[list[list[int]]]) -> Tensor:
    """How likely each candidate is to follow its prompt: 1/M * sum_m log p(token_m | prompt, tokens before m).

    The prompt's keys and values are computed once and repeated for its candidates.

    Arguments
    ---------
    llm : PreTrainedModel
        In eval.
    prompt : EmbeddedSequence
        B right-padded prompts.
    candidates : list of list of list of int
        Token ids of C candidates for each of B rows, none empty.

    Returns
    -------
    Tensor
        Mean log-probability of each candidate's tokens in nats, [B, C], float32.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_llm
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32")
    >>> three = torch.arange(3)[None]
    >>> prompt = EmbeddedSequence(torch.randn(1, 3, 32), torch.ones_like(three), three, torch.tensor([3]))
    >>> scores = candidate_scores(llm, prompt, [[[token] for token in range(llm.config.vocab_size)]])
    >>> torch.allclose(scores.exp().sum(), torch.tensor(1.0))
    True
    """
    logits, cache = read_prompt(llm, prompt)
    choices = len(candidates[0])
    flat = [torch.tensor(ids) for row in candidates for ids in row]
    sizes = torch.tensor([len(ids) for ids in flat]).to(logits.device)
    ids = nn.utils.rnn.pad_sequence(flat, batch_first=True).to(logits.device)  # [B * C, M]
    logits = logits.repeat_interleave(choices, 0)[:, None]
    if ids.shape[1] > 1:
        cache.batch_repeat_interleave(choices)
        known = valid_mask(sizes - 1, ids.shape[1] - 1)
        mask = torch.cat([prompt.mask.repeat_interleave(choices, 0), known.long()], 1)
        places = prompt.counts.repeat_interleave(choices)[:, None] + torch.arange(known.shape[1], device=ids.device)
        logits = torch.cat([logits, _step(llm, ids[:, :-1], mask, places, cache)], 1)
    chosen = torch.log_softmax(logits.float(), -1).gather(-1, ids[..., None])[..., 0]
    return (chosen * valid_mask(sizes, ids.shape[1])).sum(1).div(sizes).view(-1, choices)


def _step(llm: PreTrainedModel, ids: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
    """Logits after each of the next tokens, [B, N, V]; the cache grows by N."""
    return llm(input_ids=ids, attention_mask=mask, position_ids=positions, cache=cache, use_cache=True).logits


def _until_end(ids: list[int], eos: tuple[int, ...]) -> list[int]:
    """Token ids before the first one that ends an answer.

    Example
    -------
    >>> _until_end([5, 6, 2, 0, 0], (2, 9))
    [5, 6]
    """
    return next((ids[:place] for place, token in enumerate(ids) if token in eos), ids)
