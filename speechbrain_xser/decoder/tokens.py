"""Which tokens end an answer and which one pads, checked against the LLM when the decoder is built.

Padding never reaches the LLM as a real token (masks come from counts), so any token will do. A token that ends an
answer will not, because most other code would mistake padding for it. No token is added to a vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from speechbrain_xser.decoder.prompt import LLAMA3_CONTROLS, PromptTemplate
from speechbrain_xser.errors import BackboneError


class AnswerTokens(NamedTuple):
    """Token ids around an answer."""

    end: int  # put after an answer in training
    eos: tuple[int, ...]  # all that end a generated answer, ascending
    pad: int  # fills finished rows; not in eos


def answer_tokens(
    llm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, template: PromptTemplate, pad_token: str | None = None
) -> AnswerTokens:
    """Finds the tokens around an answer, and checks that tokenizer, LLM and prompt style belong together.

    Raises
    ------
    BackboneError
        If the tokenizer has more tokens than the LLM has embeddings, a control token of the template is missing,
        or there is no token to end or to pad with.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> from speechbrain_xser.decoder.llm import load_llm, load_tokenizer
    >>> folder = tiny_llm_folder(tempfile.mkdtemp())
    >>> tokenizer = load_tokenizer(folder)
    >>> tokens = answer_tokens(load_llm(folder), tokenizer, PromptTemplate())
    >>> tokenizer.convert_ids_to_tokens([tokens.end, tokens.pad])
    ['<|eot_id|>', '<|pad|>']
    """
    _check_rows(llm, tokenizer)
    if template.style == "llama3":
        _check_controls(tokenizer)
    end = _token_id(template.end_of_turn(tokenizer), tokenizer)
    if end is None:
        raise BackboneError("The tokenizer has no EOS token, so an answer could not end: use another LLM.")
    eos = _eos(llm, tokenizer) | {end}
    return AnswerTokens(end, tuple(sorted(eos)), _pad(tokenizer, eos, pad_token))


def _check_rows(llm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Every token needs an embedding; more embeddings than tokens are common."""
    rows = llm.get_input_embeddings().weight.shape[0]
    tokens = max(len(tokenizer), 1 + max(tokenizer.get_vocab().values(), default=0))  # numbers may have gaps
    if tokens > rows:
        raise BackboneError(
            f"The tokenizer has {tokens} tokens but the LLM only {rows} embeddings: they do not belong "
            "together, or tokens were added that nobody trained. Use the tokenizer that came with the LLM."
        )


def _check_controls(tokenizer: PreTrainedTokenizerBase) -> None:
    """Each control token of the paper's prompt has to be one existing token."""
    missing = [token for token in LLAMA3_CONTROLS if _token_id(token, tokenizer) is None]
    if missing:
        raise BackboneError(
            f"The prompt style 'llama3' needs the tokens {missing}, which this tokenizer does not have: "
            "use the style 'chat'."
        )


def _token_id(token: str | None, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Id of an existing token that its text is tokenised to, or None."""
    if token is None:
        return None
    ids = tokenizer(token, add_special_tokens=False).input_ids
    return ids[0] if ids == [tokenizer.get_vocab().get(token)] else None


def _eos(llm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """EOS ids of the model's two configurations and of the tokenizer; an instruct model has several."""
    named = [llm.config.eos_token_id, tokenizer.eos_token_id]
    named.append(getattr(llm.generation_config, "eos_token_id", None))
    return {one for ids in named if ids is not None for one in (ids if isinstance(ids, list | tuple) else [ids])}


def _pad(tokenizer: PreTrainedTokenizerBase, eos: set[int], pad_token: str | None) -> int:
    """The token that was asked for, the tokenizer's own, or the first of the vocabulary that ends no answer."""
    named = _token_id(tokenizer.pad_token if pad_token is None else pad_token, tokenizer)
    if named is not None and named not in eos:
        return named
    free = set(tokenizer.get_vocab().values()) - eos
    if pad_token is not None or not free:
        raise BackboneError(
            f"The pad_token {pad_token!r} is no token of this vocabulary, or it ends an answer: "
            "give pad_token, an existing token that ends none, or null for any."
        )
    return min(free)
