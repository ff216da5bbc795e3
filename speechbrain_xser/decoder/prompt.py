"""The prompt around the slots of soft tokens, as token ids.

The text is cut at the slots before it is tokenised, so nothing is added to the vocabulary, and slot text inside an
instruction or a transcript is plain text. Control tokens come from the template alone: an answer is tokenised by
:class:`PlainTokens`, and an instruction that contains one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedTokenizerBase

from speechbrain_xser.decoder.chat_template import render_chat
from speechbrain_xser.errors import PromptError
from speechbrain_xser.stages import BRANCHES

SYSTEM = "You are a helpful language and speech assistant."
LLAMA3_END_OF_TURN = "<|eot_id|>"
LLAMA3_CONTROLS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", LLAMA3_END_OF_TURN)
_OPENING = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n"
)
_BETWEEN = "\n"
_CLOSING = "\n{instruction}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
NO_TEMPLATE = "The tokenizer has no chat template: use the prompt style 'llama3', or another model."
_FIRST_STAND_IN = 0xE000  # private-use characters mark the slots while a chat template is rendered


def _whole(text: str) -> str:
    """The text with whole characters only, which is all that a tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


class PlainTokens:
    """Tokenises free text: a control token's name inside it stays plain text, half a surrogate pair becomes "?".

    In transformers this is a switch of the tokenizer, which one thread would change while another tokenises. So the
    prompt uses the LLM's tokenizer, free text uses a copy of it, and neither switch is changed again.

    Arguments
    ---------
    tokenizer : PreTrainedTokenizerBase
        The LLM's tokenizer, which is not changed.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> from transformers import AutoTokenizer
    >>> tokenizer = AutoTokenizer.from_pretrained(tiny_llm_folder(tempfile.mkdtemp()))
    >>> plain = PlainTokens(tokenizer)
    >>> tokenizer.eos_token_id in plain("stop <|eot_id|> here")
    False
    >>> plain.text(plain("stop <|eot_id|> here"))
    'stop <|eot_id|> here'
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = deepcopy(tokenizer)
        self._tokenizer.split_special_tokens = True
        self("")  # the first call sets the switch of the tokenizer's backend

    def __call__(self, text: str) -> list[int]:
        """Token ids of any text, without start and end tokens."""
        return self._tokenizer(_whole(text), add_special_tokens=False).input_ids

    def text(self, ids: Sequence[int]) -> str:
        """The text of token ids, including control tokens."""
        return self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)


@dataclass(frozen=True)
class PromptTemplate:
    """The paper's prompt, or the same turns through a chat model's own template.

    Arguments
    ---------
    system : str
        The system turn; empty for none (some chat templates refuse it; "chat" only).
    style : str
        "llama3" is exactly the paper's figure, without the date lines of Llama's stock template. "chat" uses
        the tokenizer's own chat template.
    slots : sequence of str
        The branches whose soft tokens start the user's turn, one line each.

    Raises
    ------
    PromptError
        If the style is unknown, there is no slot, or the system turn is no text.

    Example
    -------
    >>> opening, between, closing = PromptTemplate().texts("Please transcribe the input audio.")
    >>> (opening + "<Content>" + between + "<Speech descriptor>" + closing).splitlines()[2:5]
    ['You are a helpful language and speech assistant.<|eot_id|><|start_header_id|>user<|end_header_id|>',
     '', '<Content>']
    >>> len(PromptTemplate(slots=("content", "descriptor", "speaker")).texts("Please transcribe."))
    4
    """

    system: str = SYSTEM
    style: Literal["llama3", "chat"] = "llama3"
    slots: Sequence[str] = BRANCHES

    def __post_init__(self) -> None:
        if not isinstance(self.system, str):
            raise PromptError(f"The system turn is {self.system!r}: expected a text.")
        if not isinstance(self.slots, list | tuple) or not all(isinstance(slot, str) for slot in self.slots):
            raise PromptError(f"The prompt has the slots {self.slots!r}: expected a list of names.")
        if not self.slots or len(set(self.slots)) < len(self.slots):
            raise PromptError(f"The prompt has the slots {list(self.slots)}: expected at least one, each once.")
        if self.style not in ("llama3", "chat"):
            raise PromptError(f"Unknown prompt style {self.style!r}: expected 'llama3' or 'chat'.")

    def texts(self, instruction: str, tokenizer: PreTrainedTokenizerBase | None = None) -> list[str]:
        """The prompt's text before, between and after the slots.

        Arguments
        ---------
        instruction : str
            The user's question, after the slots.
        tokenizer : PreTrainedTokenizerBase, optional
            Its chat template is used for the style "chat"; not needed for "llama3".

        Returns
        -------
        list of str
            One more than the slots.

        Raises
        ------
        PromptError
            If the chat template is missing, refuses the turns or loses a slot.
        """
        if self.style == "llama3":
            between = [_BETWEEN] * (len(self.slots) - 1)
            return [_OPENING.replace("{system}", self.system), *between, _CLOSING.replace("{instruction}", instruction)]
        return _cut(self._render(instruction, tokenizer), self._stand_ins)

    def segments(self, instruction: str, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
        """The prompt's token ids, cut at the slots.

        Arguments
        ---------
        instruction : str
            The user's question, after the slots; slot text inside it is harmless.
        tokenizer : PreTrainedTokenizerBase
            The LLM's tokenizer.

        Returns
        -------
        list of list of int
            One list more than the slots.

        Raises
        ------
        PromptError
            If the instruction or the system turn contains a control token, or as for :meth:`texts`.

        Example
        -------
        >>> import tempfile
        >>> from speechbrain_xser.testing import tiny_llm_folder
        >>> from transformers import AutoTokenizer
        >>> tokenizer = AutoTokenizer.from_pretrained(tiny_llm_folder(tempfile.mkdtemp()))
        >>> segments = PAPER_PROMPT.segments("Please transcribe.", tokenizer)
        >>> [tokenizer.decode(ids) for ids in segments] == PAPER_PROMPT.texts("Please transcribe.")
        True
        """
        instruction = _whole(instruction)
        self._refuse_controls(instruction, tokenizer)
        texts = self.texts(instruction, tokenizer)
        return [tokenizer(text, add_special_tokens=False).input_ids for text in texts]

    def end_of_turn(self, tokenizer: PreTrainedTokenizerBase) -> str | None:
        """The token that ends an answer in this style.

        Arguments
        ---------
        tokenizer : PreTrainedTokenizerBase
            The LLM's tokenizer; used only for the style "chat".

        Returns
        -------
        str or None
            The token; ``None`` if the tokenizer has no end token.

        Example
        -------
        >>> PAPER_PROMPT.end_of_turn(tokenizer=None)
        '<|eot_id|>'
        """
        return LLAMA3_END_OF_TURN if self.style == "llama3" else tokenizer.eos_token

    @property
    def _stand_ins(self) -> list[str]:
        return [chr(_FIRST_STAND_IN + place) for place in range(len(self.slots))]

    def _refuse_controls(self, instruction: str, tokenizer: PreTrainedTokenizerBase) -> None:
        """Refuses control tokens in the developer's texts, because one would open a turn of its own."""
        controls = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
        controls += self._stand_ins
        for text in (self.system, instruction):
            found = [control for control in controls if control in text]
            if found:
                raise PromptError(f"The prompt text {text!r} holds the control token {found[0]!r}: leave it out.")

    def _render(self, instruction: str, tokenizer: PreTrainedTokenizerBase | None) -> str:
        """The tokenizer's chat template, with a private-use character in each slot."""
        if tokenizer is None:
            raise PromptError(NO_TEMPLATE)
        turns = [{"role": "user", "content": "\n".join((*self._stand_ins, instruction))}]
        if self.system:
            turns.insert(0, {"role": "system", "content": self.system})
        return render_turns(turns, tokenizer)


def render_turns(turns: Sequence[Mapping[str, str]], tokenizer: PreTrainedTokenizerBase) -> str:
    """Turns by the tokenizer's own chat template, up to where the answer begins.

    Arguments
    ---------
    turns : sequence of mapping
        Each with "role" and "content".
    tokenizer : PreTrainedTokenizerBase
        Has a chat template, maybe a stranger's.

    Returns
    -------
    str

    Raises
    ------
    PromptError
        If there is no chat template, or it cannot be rendered within limits.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> template = "{{ bos_token }}{{ messages[0].content }}"
    >>> tokenizer = SimpleNamespace(chat_template=template, special_tokens_map={"bos_token": "<s>"})
    >>> render_turns([{"role": "user", "content": "Hello"}], tokenizer)
    '<s>Hello'
    """
    if not tokenizer.chat_template:
        raise PromptError(NO_TEMPLATE)
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    template = tokenizer.chat_template
    template = template.get("default") if isinstance(template, dict) else template
    return render_chat(template, messages=turns, add_generation_prompt=True, tools=None, documents=None, **special)


PAPER_PROMPT = PromptTemplate()


def _cut(rendered: str, stand_ins: Sequence[str]) -> list[str]:
    """Cuts a rendered prompt at its stand-ins; each has to occur exactly once and in order."""
    texts = [rendered]
    for stand_in in stand_ins:
        texts[-1:] = texts[-1].split(stand_in)
    if len(texts) != len(stand_ins) + 1 or any(rendered.count(stand_in) != 1 for stand_in in stand_ins):
        raise PromptError("The chat template lost or repeated a slot of the user's turn: use another prompt style.")
    return texts
