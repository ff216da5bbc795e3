"""No answer ends inside a quotation: a rule of decoding for answers that quote a transcript.

A paragraph quotes the transcript and the emphasised words; if it stops inside a quotation, it cannot be parsed. The
ASCII double quotes in the tokens so far show whether a quotation is open; then no token that ends an answer is taken
(``generation/answer.py``). The limit of tokens still holds, so captions for training should close their quotations.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase


def tokens_with_odd_quotes(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Ids of tokens with an odd number of double quotes, and the text of each after the last of them.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_tokenizer
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> tokenizer = load_tokenizer(tiny_llm_folder(tempfile.mkdtemp()))
    >>> odd = tokens_with_odd_quotes(tokenizer)
    >>> sum(token in odd for token in tokenizer('"no"', add_special_tokens=False).input_ids)
    2
    """
    odd = [number for token, number in tokenizer.get_vocab().items() if token.count('"') % 2]
    return {number: tokenizer.decode([number]).rpartition('"')[2] for number in odd}
