"""No answer ends inside a quotation: the rule of greedy decoding for answers that quote a transcript.

A paragraph quotes the transcript and the emphasised words; one that stops in between can be read by nobody. Counting
the ASCII double quotes of the tokens chosen so far tells whether one is open, and then no token that ends an answer is
taken (``generation/answer.py``). The limit of tokens still holds, so captions to learn from should close what they
open.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase


def tokens_with_odd_quotes(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Which tokens open or close a quotation, and what they say behind it.

    Arguments
    ---------
    tokenizer : PreTrainedTokenizerBase
        Of any kind that spells ASCII as itself, as byte-level BPE and SentencePiece do.

    Returns
    -------
    dict of int to str
        Ids of tokens with an odd number of double quotes, and the text after the last of them.

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
