"""How far a stranger's tokenizer may multiply its text.

A normaliser that replaces "a" by ten of them does no harm; ten of these in a row make ten billion letters of one, and
an expression with a repetition inside a repetition tries more ways than there are atoms. Both run inside the tokenizer
library, where nothing stops them, even while it loads. So the file's own words are read before.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.model_folder.plain_files import MOST_TEXT_BYTES, read_object

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
MOST_GROWTH = 64.0  # NFKD makes 18 characters of one, bytes as letters make 4
MOST_ADDED = 10_000  # tokens beside the vocabulary; transformers adds them one by one
MOST_ID = 1 << 22  # of a token; the largest vocabularies have 262,144
DECOMPOSED = 18.0  # the longest compatibility decomposition of a character
DECOMPOSING = ("NFC", "NFD", "NFKC", "NFKD", "Nmt", "BertNormalizer")
QUANTIFIED = re.compile(r"[*+]|\{\d*,\d*\}|\{\d{3,}\}")  # repetitions without a small limit
MOST_REPETITIONS = 4  # of one alternative


def check_tokenizer(folder: str | Path) -> None:
    """Refuses a tokenizer that can take much longer, or give much more, than its text is long.

    Arguments
    ---------
    folder : str or Path
        A Hugging Face model folder; it may have no tokenizer.

    Raises
    ------
    BackboneError
        Names the file, what was found and what is expected.

    Example
    -------
    >>> import json
    >>> tenfold = {"type": "Replace", "pattern": {"String": "a"}, "content": 10 * "a"}
    >>> content = {"normalizer": {"type": "Sequence", "normalizers": [tenfold, tenfold]}}
    >>> _ = (getfixture("tmp_path") / "tokenizer.json").write_text(json.dumps(content))
    >>> check_tokenizer(getfixture("tmp_path"))
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BackboneError: ...tokenizer.json: its normalizer multiplies a text by up to 100; expected \
at most 64
    """
    path = Path(folder, TOKENIZER)
    content = read_object(path, MOST_TEXT_BYTES) if path.exists() else {}
    config = read_object(Path(folder, CONFIG)) if Path(folder, CONFIG).exists() else {}
    named = [content.get("added_tokens"), *(value for key, value in config.items() if "token" in key)]
    added = max(len(value) if isinstance(value, list | dict) else 0 for value in named)
    if added > MOST_ADDED:
        raise BackboneError(f"{path}: {added} added tokens; expected at most {MOST_ADDED}")
    if (highest := max(_ids(content), default=0)) > MOST_ID:
        raise BackboneError(f"{path}: token ids up to {highest}; expected at most {MOST_ID}")
    for part in ("normalizer", "decoder"):
        growth = math.prod(map(_growth, _steps(content.get(part))))
        if growth > MOST_GROWTH:
            told = f"multiplies a text by up to {growth:.3g}"
            raise BackboneError(f"{path}: its {part} {told}; expected at most {MOST_GROWTH:g}")
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        for step in _steps(content.get(part)):
            _check_expression(step.get("pattern"), path)


def _ids(content: Mapping[str, object]) -> Iterator[int]:
    """The numbers of all tokens, for which the library makes a table."""
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, Mapping) else None
    added = content.get("added_tokens") or ()
    ids = [*(vocabulary.values() if isinstance(vocabulary, Mapping) else ())]
    ids += [one.get("id") for one in added if isinstance(one, Mapping)] if isinstance(added, list) else []
    return (number for number in ids if isinstance(number, int))


def _steps(part: object) -> Iterator[Mapping[str, object]]:
    """The single steps of a normaliser, pre-tokeniser or decoder."""
    if not isinstance(part, Mapping):
        return
    inner = [value for value in part.values() if isinstance(value, list)]
    if part.get("type") != "Sequence" or not inner:
        yield part
        return
    for steps in inner:
        for step in steps:
            yield from _steps(step)


def _growth(step: Mapping[str, object]) -> float:
    """How many characters a step makes of one, at most."""
    kind, content = step.get("type"), str(step.get("content", ""))
    if kind in DECOMPOSING:
        return DECOMPOSED
    if kind == "Precompiled":
        return max(1.0, _longest_replacement(str(step.get("precompiled_charsmap") or "")))
    if kind == "Prepend":
        return 1.0 + len(str(step.get("prepend", "")))
    if kind != "Replace":
        return 1.0
    pattern = step.get("pattern")
    found = pattern.get("String") if isinstance(pattern, Mapping) else None
    if isinstance(found, str) and found:
        return max(1.0, len(content) / len(found))
    return max(1.0, float(len(content))) if _needs_a_character(pattern) else 1.0 + len(content)


def _needs_a_character(pattern: object) -> bool:
    """Whether an expression never matches between two characters."""
    try:
        return re.search(pattern["Regex"], "") is None
    except (re.error, TypeError, KeyError):
        return False  # of another dialect, or none


def _longest_replacement(charsmap: str) -> float:
    """The longest text that SentencePiece's table of characters puts in the place of one."""
    try:
        table = base64.b64decode(charsmap)
    except ValueError:
        return 1.0  # the library refuses it
    replacements = table[4 + int.from_bytes(table[:4], "little") :]
    return float(max(len(text.decode("utf-8", "replace")) for text in replacements.split(b"\0")))


def _check_expression(pattern: object, path: Path) -> None:
    """Refuses a repetition inside a repetition, and more than a few in a row: each multiplies the ways to match."""
    expression = pattern.get("Regex") if isinstance(pattern, Mapping) else None
    if not isinstance(expression, str):
        return
    plain = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "x", expression)  # an escape or a class is one character
    if _most_repetitions(plain) > MOST_REPETITIONS:
        raise BackboneError(
            f"{path}: the expression {expression[:40]!r} repeats a repetition, or more than {MOST_REPETITIONS} in a "
            "row, so that it may never end"
        )


def _most_repetitions(plain: str) -> float:
    """The most repetitions in a row; infinite where a repeated group has a repetition, option or choice inside."""
    row = most = ways = 0  # repetitions of this alternative, and of this group's longest; its ways to match
    groups = []  # the same of those around
    for sign in re.finditer(r"\(\?\w*[:=!>]|\(\?<[=!]|\(|\)|\||[*+?]|\{\d*,?\d*\}", plain):
        found = sign.group()
        if found.startswith("("):
            groups.append((row, most, ways))
            row = most = ways = 0
        elif found == ")" and groups:
            inner = max(row, most)
            if (inner or ways) and QUANTIFIED.match(plain, sign.end()):
                return math.inf
            outer, most, outer_ways = groups.pop()
            row, ways = outer + inner, outer_ways + ways
        elif found == "|":
            row, most, ways = 0, max(row, most), ways + 1
        elif found == "?":
            ways += 1
        elif QUANTIFIED.fullmatch(found):
            row += 1
    return max(row, most, *(max(group[:2]) for group in groups), 0)
