"""Constrained decoding: at each decision only the tokens of its options are allowed, and fixed words are inserted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from speechbrain_xser.answer.form import Step
from speechbrain_xser.decoder.prompt import PlainTokens


class FormGuide:
    """A :class:`~speechbrain_xser.decoder.generation.answer.Guide` that follows the steps of a form.

    Arguments
    ---------
    steps : sequence of Step
        Decisions, and the fixed words after each.
    plain : PlainTokens
        Of the LLM's tokenizer.
    quotes : mapping of int to str
        Tokens with an odd number of quotation marks, which end free text, and the text of each after its last mark.
    end : int
        Id that ends the answer.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_tokenizer
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> tokenizer = load_tokenizer(tiny_llm_folder(tempfile.mkdtemp()))
    >>> guide = FormGuide([Step(("sad", "happy"), " people")], PlainTokens(tokenizer), quotes={}, end=4)
    >>> word = lambda text: tokenizer(text, add_special_tokens=False).input_ids
    >>> set(guide.allowed()) == {word("sad")[0], word("happy")[0]}
    True
    >>> for token in word("sad"):
    ...     guide.add(token)
    >>> tokenizer.decode(guide.forced())
    ' people'
    """

    def __init__(self, steps: Sequence[Step], plain: PlainTokens, quotes: Mapping[int, str], end: int) -> None:
        self._steps, self._plain, self._quotes, self._end = list(steps), plain, quotes, end
        self._ids: list[int] = []  # of the whole answer
        self._open: list[list[int]] = []  # the remaining ids of each possible continuation
        self._free: str | None = None  # the fixed words after free text, while inside it
        self._next_step()

    def allowed(self) -> list[int] | None:
        """The only tokens that may come next; ``None`` inside free text."""
        return None if self._free is not None else list(dict.fromkeys(rest[0] for rest in self._open))

    def refused(self) -> list[int]:
        """Tokens that must not come next: in free text, those that end it with words other than the form's."""
        if self._free is None:
            return []
        after = self._free.removeprefix('"')
        return [token for token, said in self._quotes.items() if not after.startswith(said)]

    def forced(self) -> list[int]:
        """The next tokens, as long as there is no choice."""
        if self._free is not None:
            return []
        same = 0
        while all(len(rest) > same and rest[same] == self._open[0][same] for rest in self._open):
            same += 1
        return self._open[0][:same]

    def add(self, token: int) -> None:
        """Records the next token."""
        self._ids.append(token)
        if self._free is not None:
            if token in self._quotes:
                self._close()
            return
        self._open = [rest[1:] for rest in self._open if rest[0] == token]
        if not all(self._open):
            self._next_step()

    def _next_step(self) -> None:
        if not self._steps:
            self._open = [[self._end]]
            return
        step = self._steps.pop(0)
        if step.options is None:
            self._free = step.after
            return
        options = step.options(self._text().lstrip()) if callable(step.options) else step.options
        self._open = [self._rest(option + step.after) for option in options]

    def _close(self) -> None:
        """Free text has ended; the words after it follow, except those that its last token contains."""
        after, self._free = self._free.removeprefix('"'), None
        rest = self._rest(after.removeprefix(self._quotes[self._ids[-1]]))
        self._open = [rest]
        if not rest:
            self._next_step()

    def _rest(self, text: str) -> list[int]:
        """Ids of a text after the answer so far, tokenised together with it if that does not change its ids."""
        whole = self._plain(self._text() + text)
        return whole[len(self._ids) :] if whole[: len(self._ids)] == self._ids else self._plain(text)

    def _text(self) -> str:
        return self._plain.text(self._ids)
