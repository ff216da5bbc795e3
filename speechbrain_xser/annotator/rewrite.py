"""Lets an LLM rewrite paragraphs in its own words, and keeps only those that still say the same.

Templates have thousands of forms but one style. A local causal LLM may rewrite them. The parser reads each result, and
it is accepted only if it yields the record that the original yields. Answers are saved, so an interrupted run continues
where it stopped.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

import torch
from tqdm import tqdm

from speechbrain_xser.answer import canonical, parse
from speechbrain_xser.data.manifest import Utterance, stream_manifest, write_manifest
from speechbrain_xser.data.paragraphs import has_own_paragraphs
from speechbrain_xser.decoder.llm import load_llm, load_tokenizer
from speechbrain_xser.decoder.prompt import render_turns
from speechbrain_xser.utils.journal import Journal

logger = logging.getLogger(__name__)

INSTRUCTION = (
    "Rewrite the following description of how somebody speaks as one fluent English sentence or two. Keep every fact, "
    "add none, and keep every text between double quotes exactly as it is. Answer with the description alone.\n\n"
)
FIELDS = ("description", "caption")


class Rewriter(NamedTuple):
    """A function that rewrites paragraphs, and the name under which its answers are stored."""

    name: str
    write: Callable[[Sequence[str]], Sequence[str]]  # paragraphs in, paragraphs out, in the same order


class Rewriting(NamedTuple):
    """The rewritten paragraph, or None if it said something else."""

    text: str | None

    def as_dict(self) -> dict:
        """The answer as plain values, for JSON."""
        return self._asdict()

    @classmethod
    def from_dict(cls, values: dict) -> Rewriting:
        """Restores the answer from JSON."""
        return cls(**values)


def rewrite(
    manifests: dict[str, str], rewriter: Rewriter, journal: str | os.PathLike, batch_size: int = 16
) -> dict[str, int]:
    """Rewrites the paragraphs of manifests in place; human-written ones and the corpus's own stay as they are.

    Arguments
    ---------
    manifests : dict of str to str
        Paths by name.
    rewriter : Rewriter
        :func:`llm_rewriter` makes one from an LLM.
    journal : str or path-like
        Where the answers are stored, as a :class:`~speechbrain_xser.utils.journal.Journal`.
    batch_size : int
        Paragraphs at a time.

    Returns
    -------
    dict of str to int
        How many paragraphs were ``rewritten``, and how many were ``kept`` because the answer said something else.

    Raises
    ------
    ManifestError
        If a manifest is invalid.
    JournalError
        If the file is not a journal, is damaged, or is in use.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> from speechbrain_xser.data.manifest import read_manifest
    >>> from speechbrain_xser.data.paragraphs import with_paragraphs
    >>> path = str(folder / "train.jsonl")
    >>> write_manifest(path, [with_paragraphs(Utterance("a", "a.wav", gender="male", emotion="angry"))])
    >>> angry = Rewriter("by hand", lambda texts: ["An angry man can be heard." for _ in texts])
    >>> rewrite({"train": path}, angry, folder / "rewrites.sqlite"), read_manifest(path)[0].description
    ({'rewritten': 2, 'kept': 0}, 'An angry man can be heard.')
    """
    with Journal(journal, Rewriting) as answers:
        asked = (text for path in manifests.values() for row in stream_manifest(path) for text in _paragraphs(row))
        missing = _missing(asked, rewriter, answers)
        bar = tqdm(desc="rewriting", unit="paragraph", disable=None)
        while batch := list(islice(missing, batch_size)):
            pairs = zip(batch, rewriter.write(batch), strict=True)
            answers.add_all((_key(text, rewriter), Rewriting(checked(text, written))) for text, written in pairs)
            bar.update(len(batch))
        bar.close()
        counts: Counter[str] = Counter(rewritten=0, kept=0)
        for path in manifests.values():
            write_manifest(path, (_rewritten(row, rewriter, answers, counts) for row in stream_manifest(path)))
    logger.info("paragraphs: %s", dict(counts))
    return dict(counts)


def checked(paragraph: str, written: str) -> str | None:
    """The rewritten paragraph if it is one line and says what the original says, else None."""
    written = written.strip()
    if not written or "\n" in written or canonical(parse(written)) != canonical(parse(paragraph)):
        return None
    return written


def llm_rewriter(source: str, device: str = "cpu", dtype: str = "float32", max_new_tokens: int = 200) -> Rewriter:
    """A causal LLM as a rewriter: greedy, and through the tokenizer's chat template if it has one."""
    tokenizer, llm = load_tokenizer(source), load_llm(source, dtype=dtype).to(device)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token

    def write(paragraphs: Sequence[str]) -> list[str]:
        prompts = [_prompt(paragraph, tokenizer) for paragraph in paragraphs]
        batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False).to(device)
        with torch.inference_mode():
            ids = llm.generate(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
            )
        return tokenizer.batch_decode(ids[:, batch.input_ids.shape[1] :], skip_special_tokens=True)

    return Rewriter(source, write)


def _prompt(paragraph: str, tokenizer) -> str:
    text = INSTRUCTION + paragraph
    if not tokenizer.chat_template:
        return f"{tokenizer.bos_token or ''}{text}\n\n"
    return render_turns([{"role": "user", "content": text}], tokenizer)


def _paragraphs(row: Utterance) -> list[str]:
    """The paragraphs that templates wrote."""
    return [] if has_own_paragraphs(row) else [text for field in FIELDS if (text := getattr(row, field))]


def _missing(texts: Iterator[str], rewriter: Rewriter, answers: Journal[Rewriting]) -> Iterator[str]:
    """Each text that has no answer yet, once."""
    asked: set[str] = set()
    for text in texts:
        if (key := _key(text, rewriter)) not in answers and key not in asked:
            asked.add(key)
            yield text


def _key(text: str, rewriter: Rewriter) -> str:
    return sha256(f"{rewriter.name}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _rewritten(row: Utterance, rewriter: Rewriter, answers: Journal[Rewriting], counts: Counter[str]) -> Utterance:
    """The row with the accepted answers."""
    own = set(_paragraphs(row))
    found = {
        field: answers[_key(text, rewriter)].text for field in FIELDS if (text := getattr(row, field)) in own and text
    }
    counts.update("rewritten" if text else "kept" for text in found.values())
    return row._replace(**{field: text for field, text in found.items() if text})
