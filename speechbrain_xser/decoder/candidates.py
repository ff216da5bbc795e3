"""Tokenises candidates for the next words of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain_xser.decoder.prompt import PlainTokens
from speechbrain_xser.errors import PromptError


def candidate_tokens(
    prefixes: Sequence[str], candidates: Sequence[Sequence[str]], plain: PlainTokens
) -> tuple[list[list[int]], list[list[list[int]]]]:
    """Splits prefix + candidate where all candidates of a row still agree with the prefix's own tokens.

    Returns the token ids that each row starts with, [B][...], and those of each candidate after them, [B][C][...].

    Raises
    ------
    PromptError
        If rows differ in their number of candidates, or a candidate is empty.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_tokenizer
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> tokenizer = load_tokenizer(tiny_llm_folder(tempfile.mkdtemp()))
    >>> [begun], [rest] = candidate_tokens(["he is"], [[" sad", " angry"]], PlainTokens(tokenizer))
    >>> [tokenizer.decode(begun + ids) for ids in rest]
    ['he is sad', 'he is angry']
    """
    if len(prefixes) != len(candidates) or len({len(row) for row in candidates} | {0}) != 2:
        raise PromptError("Every row needs a prefix and the same number of candidates, at least one.")
    begun, rest = [], []
    for prefix, row in zip(prefixes, candidates, strict=True):
        wholes = [plain(prefix + candidate) for candidate in row]
        shared = _shared_length([plain(prefix), *wholes])
        begun.append(wholes[0][:shared])
        rest.append([whole[shared:] for whole in wholes])
    if not all(ids for row in rest for ids in row):
        raise PromptError("A candidate has no tokens of its own: none may be empty.")
    return begun, rest


def _shared_length(sequences: list[list[int]]) -> int:
    """Length of the longest common prefix of all sequences.

    Example
    -------
    >>> _shared_length([[1, 2, 3], [1, 2], [1, 2, 4]])
    2
    """
    places = zip(*sequences, strict=False)
    return next((place for place, tokens in enumerate(places) if len(set(tokens)) > 1), min(map(len, sequences)))
