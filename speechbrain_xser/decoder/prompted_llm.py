"""A frozen causal LLM with LoRA that takes soft tokens in a prompt; ``decoder.py`` has what it answers.

The base belongs to its publisher and is in no checkpoint; the decoder's state is its LoRA tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.decoder.llm import PAPER_LORA, add_lora, load_llm, load_tokenizer
from speechbrain_xser.decoder.ownership import OwnsPart
from speechbrain_xser.decoder.packing.trunk import last_states
from speechbrain_xser.decoder.pieces import Pieces
from speechbrain_xser.decoder.prompt import PAPER_PROMPT, PlainTokens, PromptTemplate
from speechbrain_xser.decoder.quantization import refuse_quantised
from speechbrain_xser.decoder.sequence import PromptRows, Stream, check_context
from speechbrain_xser.decoder.tokens import answer_tokens
from speechbrain_xser.errors import CheckpointError, PromptError, SettingsError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.token_scores import Vocabulary

MOST_NEW_TOKENS = 1 << 17  # the longest context of a common LLM


class PromptedLLM(OwnsPart):
    """A causal LLM that takes the branches' soft tokens in a prompt.

    Arguments
    ---------
    source : str
        Folder, GGUF file, hub id or "packaged:NAME" of any causal LLM.
    revision : str, optional
        Commit, tag or branch of a hub id.
    dtype : str
        Dtype of the frozen weights.
    quantization : str, optional
        "4bit" or "8bit", through bitsandbytes.
    lora : mapping, optional
        Arguments of :func:`~speechbrain_xser.decoder.llm.add_lora`; ``None`` for no LoRA.
    template : PromptTemplate
        The prompt around the soft tokens.
    max_new_tokens : int
        Longest generated answer in tokens.
    pad_token : str, optional
        An existing token to pad with, which ends no answer; by default the tokenizer's own, or any.
    checkpointing : bool
        Whether the backward pass computes the layers again instead of keeping their activations: a third more work,
        and memory for one layer instead of all.
    fused_kernels : bool
        Whether to use Liger's kernels; needs a GPU.
    load_weights : bool
        False builds the LLM from ``config.json`` alone.
    emotion_temperature : float
        What the scores of emotions are divided by before their softmax; above 1 makes probabilities more equal. It
        calibrates them (Guo et al., 2017, ICML). No paragraph changes; evidence does, which is made of probabilities.
    trust_remote_code : bool
        Whether classes that the source itself brings as Python are run, as in transformers; no folder can ask for it.

    Raises
    ------
    BackboneError
        If the LLM cannot be loaded, or LLM, tokenizer and prompt do not belong together.
    SettingsError
        If the temperature is not positive, or ``max_new_tokens`` is out of range.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> decoder = PromptedLLM(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32").eval()
    >>> soft = SoftTokens(torch.randn(2, 3, decoder.width), torch.tensor([3, 1]))
    >>> tokens = {"content": soft, "descriptor": soft}
    >>> answer = decoder(tokens, "Please transcribe the input audio.", ["by the door", ""])
    >>> answer.rows.tolist().count(1)  # an empty answer is its end token alone
    1
    """

    def __init__(
        self,
        source: str,
        revision: str | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16",
        quantization: Literal["4bit", "8bit"] | None = None,
        lora: Mapping[str, object] | None = PAPER_LORA,
        template: PromptTemplate = PAPER_PROMPT,
        max_new_tokens: int = 200,
        pad_token: str | None = None,
        checkpointing: bool = False,
        fused_kernels: bool = False,
        load_weights: bool = True,
        emotion_temperature: float = 1.0,
        trust_remote_code: bool = False,
    ) -> None:
        super().__init__()
        if not emotion_temperature > 0:
            raise SettingsError(f"emotion_temperature is {emotion_temperature}; expected a positive number.")
        if not isinstance(max_new_tokens, int) or not 1 <= max_new_tokens <= MOST_NEW_TOKENS:
            raise SettingsError(f"max_new_tokens is {max_new_tokens!r}; expected 1 to {MOST_NEW_TOKENS}.")
        self.emotion_temperature = emotion_temperature
        self.template = template
        self.max_new_tokens = max_new_tokens
        self.tokenizer = load_tokenizer(source, revision, trust_remote_code)
        template.texts("", self.tokenizer)  # what cannot be rendered is told now, not at the first answer
        self.plain_tokens = PlainTokens(self.tokenizer)
        llm = load_llm(source, revision, dtype, quantization, fused_kernels, load_weights, trust_remote_code)
        self.tokens = answer_tokens(llm, self.tokenizer, template, pad_token)
        self.llm = llm if lora is None else add_lora(llm, revision=revision, **lora)
        if checkpointing:
            llm.activation_checkpointing_enable({"use_reentrant": False})

    @property
    def causal(self) -> PreTrainedModel:
        """The Hugging Face model, with LoRA in its layers."""
        return self.llm.get_base_model() if self.has_lora else self.llm

    @property
    def has_lora(self) -> bool:
        """Whether the linears have LoRA beside them: it was asked for, and has not been merged."""
        return not isinstance(self.llm, PreTrainedModel)  # but PEFT's model around one

    @property
    def width(self) -> int:
        """Width of the token embeddings, and so of the soft tokens."""
        return self.causal.get_input_embeddings().weight.shape[1]

    @property
    def vocabulary(self) -> int:
        """Number of tokens in the tokenizer."""
        return len(self.tokenizer)

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Ids of all tokens that end an answer."""
        return self.tokens.eos

    @property
    def pad_id(self) -> int:
        """Id that fills finished rows."""
        return self.tokens.pad

    @property
    def context(self) -> int | None:
        """Longest sequence of the LLM in tokens, ``None`` if it has no limit."""
        return getattr(self.causal.config.get_text_config(), "max_position_embeddings", None)

    def owns(self, name: str) -> bool:
        """Whether a tensor belongs in a checkpoint: LoRA does, the base does not."""
        return ".lora_" in name

    def embed_text(self, text: str) -> Tensor:
        """The embedding rows of a text's tokens, [K, e], without a gradient; a control token's name is plain text."""
        table = self.causal.get_input_embeddings().weight
        return table.detach()[torch.tensor(self.plain_tokens(text), dtype=torch.int64, device=table.device)]

    def vocabulary_rows(self, size: int) -> Vocabulary:
        """The most frequent tokens of the LLM with their embedding rows, [size, e], without a gradient.

        Raises
        ------
        BackboneError
            As :class:`~speechbrain_xser.decoder.pieces.Pieces`.
        """
        pieces = Pieces(self.tokenizer, size)
        return Vocabulary(self.causal.get_input_embeddings().weight.detach()[pieces.ids], pieces, pieces.text)

    def answer_tokens(self, answers: Sequence[str | Sequence[int]]) -> list[list[int]]:
        """Token ids of answers, each with its end token, so that targets can be counted before the forward.

        An answer that was sampled is given as its own ids, with its end if it has one.
        """
        return [[*self.plain_tokens(one), self.tokens.end] if isinstance(one, str) else list(one) for one in answers]

    def count_tokens(self, answers: Sequence[str], instruction: str) -> int:
        """The divisor of a batch's losses: the number of answer tokens, whatever the instruction."""
        return sum(map(len, self.answer_tokens(list(answers))))

    def count_prompt(self, instruction: str) -> int:
        """Tokens of the prompt's text, without what fills its slots."""
        return sum(map(len, self.template.segments(instruction, self.tokenizer)))

    def forward(
        self, tokens: Mapping[str, SoftTokens], instruction: str, answers: Sequence[str | Sequence[int]]
    ) -> AnswerLogits:
        """Teacher-forced logits, computed at answer positions only.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [B, K, e] with counts [B].
        instruction : str
            The user's question.
        answers : sequence of (str or sequence of int)
            B answers; an empty text is its end token alone. An answer that was sampled is given as its token ids.

        Returns
        -------
        AnswerLogits
            Logits [N, V], targets [N] and rows [N].

        Raises
        ------
        PromptError
            If a row exceeds the context, or the numbers of rows differ.
        """
        ids = self.answer_tokens(answers)
        stream = self.stream(tokens, instruction, [row[:-1] for row in ids])
        lengths = [len(row) for row in ids]
        states, head = last_states(self.causal, stream.embeddings, stream.layout, lengths)
        if any(parameter.requires_grad for parameter in head.parameters()):
            states, head = head(states), nn.Identity()  # trained parts belong in the forward, for wrappers such as DDP
        rows = torch.arange(len(ids)).repeat_interleave(torch.tensor(lengths))
        targets = torch.tensor([token for row in ids for token in row])
        device = states.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        targets, rows = (part.to(states.device, non_blocking=True) for part in (targets, rows))
        return AnswerLogits(states, targets, rows, head, dtype)

    def stream(
        self, tokens: Mapping[str, SoftTokens], instruction: str, begun: list[list[int]], more: int = 0
    ) -> Stream:
        """The LLM's input: prompts, soft tokens and the answers so far; the arguments are those of :meth:`rows`."""
        return self.rows(tokens, instruction, begun, more).prompts(range(len(begun)))

    def rows(self, tokens: Mapping[str, SoftTokens], instruction: str, begun: list[list[int]], more: int) -> PromptRows:
        """The rows of a batch: prompts, soft tokens and the answers so far, with room for ``more`` tokens.

        Raises
        ------
        PromptError
            If slots, branches and rows do not fit, or a row would exceed the context.
        """
        slots = self.template.slots
        if set(slots) != set(tokens):
            raise PromptError(
                f"There are soft tokens of {', '.join(tokens)}, and the prompt has the slots {', '.join(slots)}: "
                "give the prompt a slot for each branch (slots)."
            )
        soft = [tokens[name].on_host() for name in slots]
        if any(len(one.counts) != len(begun) for one in soft):
            counted = ", ".join(f"{len(tokens[name].counts)} of {name}" for name in slots)
            raise PromptError(f"{counted} and {len(begun)} answers: give one of each for every utterance.")
        segments = self.template.segments(instruction, self.tokenizer)
        rows = PromptRows(self.causal.get_input_embeddings(), segments, soft, begun)
        check_context(rows.totals, more, self.context)
        return rows

    def merge(self) -> None:
        """Merges LoRA into the base weights, for deployment: W += alpha / r * B A. The state is empty afterwards.

        Raises
        ------
        SettingsError
            If the base weights are quantised: their steps are so wide that merging would round LoRA away.
        """
        if self.has_lora:
            refuse_quantised(self.causal)
            self.llm = self.llm.merge_and_unload()

    def save_adapter(self, folder: str | Path) -> None:
        """Writes LoRA as a PEFT adapter folder, which ``PeftModel.from_pretrained`` loads.

        Raises
        ------
        CheckpointError
            If there is no LoRA, or it has been merged.
        """
        if not self.has_lora:
            raise CheckpointError("There is no LoRA to save: it was merged, or the decoder was built with lora: null.")
        self.llm.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
