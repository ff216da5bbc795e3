"""The decoder: a frozen causal LLM with LoRA, between soft tokens and one paragraph.

The base belongs to whoever published it and is in no checkpoint; the decoder's state is its LoRA tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from speechbrain_xser.answer.emotion_slot import emotion_slot
from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.decoder.candidates import candidate_tokens
from speechbrain_xser.decoder.generation.answer import PartialAnswer
from speechbrain_xser.decoder.generation.constrained import FormGuide
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Answering, Decoding, candidate_scores, greedy
from speechbrain_xser.decoder.generation.sampling import SampledAnswer, Sampler, Sampling
from speechbrain_xser.decoder.generation.speculative import NGramDrafts
from speechbrain_xser.decoder.generation.text import growing_text
from speechbrain_xser.decoder.llm import PAPER_LORA, add_lora, load_llm, load_tokenizer
from speechbrain_xser.decoder.ownership import OwnsPart
from speechbrain_xser.decoder.packing.trunk import last_states
from speechbrain_xser.decoder.prompt import PAPER_PROMPT, PlainTokens, PromptTemplate
from speechbrain_xser.decoder.quantization import refuse_quantised
from speechbrain_xser.decoder.quotes import tokens_with_odd_quotes
from speechbrain_xser.decoder.sequence import PromptRows, Stream, check_context
from speechbrain_xser.decoder.tokens import answer_tokens
from speechbrain_xser.errors import CheckpointError, PromptError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.utils.modes import each_within, evaluating

SCORED_ROWS = 32  # whose candidates are scored at a time


class LLMDecoder(OwnsPart):
    """A causal LLM that reads the branches' soft tokens in a prompt and answers.

    Arguments
    ---------
    source : str
        Folder, hub id or "packaged:NAME" of any causal LLM.
    revision : str, optional
        Of a hub id.
    dtype : str
        Type of the frozen weights.
    quantization : str, optional
        "4bit" or "8bit", through bitsandbytes.
    lora : mapping, optional
        Arguments of :func:`~speechbrain_xser.decoder.llm.add_lora`; ``None`` for no LoRA.
    template : PromptTemplate
        The prompt around the soft tokens.
    max_new_tokens : int
        Longest generated answer in tokens.
    pad_token : str, optional
        An existing token to pad with, where the tokenizer names none.
    checkpointing : bool
        Computes the layers again in the backward pass instead of keeping what they made: a third more work, and
        memory for one layer instead of all.
    fused_kernels : bool
        Liger's kernels; needs a GPU.
    load_weights : bool
        False builds from ``config.json`` alone.

    Raises
    ------
    BackboneError
        If the LLM cannot be loaded, or LLM, tokenizer and prompt do not belong together.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> decoder = LLMDecoder(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32").eval()
    >>> soft = SoftTokens(torch.randn(2, 3, decoder.width), torch.tensor([3, 1]))
    >>> tokens = {"content": soft, "descriptor": soft}
    >>> answer = decoder(tokens, "Please transcribe the input audio.", ["by the door", ""])
    >>> answer.rows.tolist().count(1)  # an empty answer is its end token alone
    1
    >>> both = decoder.generate(tokens, "Please transcribe the input audio.", max_new_tokens=5)
    >>> alone = SoftTokens(soft.embeddings[1:, :1], soft.counts[1:])
    >>> last = {name: alone for name in tokens}
    >>> decoder.generate(last, "Please transcribe the input audio.", max_new_tokens=5) == both[1:]
    True
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
    ) -> None:
        super().__init__()
        self.template = template
        self.max_new_tokens = max_new_tokens
        self.tokenizer = load_tokenizer(source, revision)
        self.plain_tokens = PlainTokens(self.tokenizer)
        llm = load_llm(source, revision, dtype, quantization, fused_kernels, load_weights)
        self.tokens = answer_tokens(llm, self.tokenizer, template, pad_token)
        self.llm = llm if lora is None else add_lora(llm, revision=revision, **lora)
        self._drafts: dict[int, NGramDrafts] = {}  # by length; what was answered helps to guess what will be
        if checkpointing:
            llm.activation_checkpointing_enable({"use_reentrant": False})

    @property
    def causal(self) -> PreTrainedModel:
        """The Hugging Face model, with LoRA in its layers."""
        return self.llm.get_base_model() if self.has_lora else self.llm

    @property
    def has_lora(self) -> bool:
        """Whether LoRA is beside the linears: it was asked for, and has not been merged."""
        return not isinstance(self.llm, PreTrainedModel)  # but PEFT's, around one

    @property
    def width(self) -> int:
        """Width of the token embeddings, which soft tokens must have."""
        return self.causal.get_input_embeddings().weight.shape[1]

    @property
    def vocabulary(self) -> int:
        """Tokens of the tokenizer."""
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
        """Longest sequence of the LLM in tokens, ``None`` where it has no limit."""
        return getattr(self.causal.config, "max_position_embeddings", None)

    @cached_property
    def odd_quotes(self) -> dict[int, str]:
        """Ids of all tokens that open or close a quotation, and what each says behind it."""
        return tokens_with_odd_quotes(self.tokenizer)

    def owns(self, name: str) -> bool:
        """Whether a tensor belongs in a checkpoint: LoRA does, the base does not."""
        return ".lora_" in name

    def answer_tokens(self, answers: list[str]) -> list[list[int]]:
        """Token ids of answers, each with its end token, so that targets can be counted before a forward."""
        return [[*self.plain_tokens(answer), self.tokens.end] for answer in answers]

    def count_tokens(self, answers: Sequence[str], instruction: str) -> int:
        """What the losses of a batch are divided by: the answers' tokens, whatever the instruction."""
        return sum(map(len, self.answer_tokens(list(answers))))

    def forward(
        self, tokens: Mapping[str, SoftTokens], instruction: str, answers: list[str]
    ) -> AnswerLogits:
        """Teacher-forced logits, computed at answer positions only.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [B, K, e] with counts [B].
        instruction : str
            What the user asks.
        answers : list of str
            B answers; an empty one is its end token alone.

        Returns
        -------
        AnswerLogits
            Logits [N, V], targets [N] and rows [N].

        Raises
        ------
        PromptError
            If a row is longer than the context, or the numbers of rows differ.
        """
        ids = self.answer_tokens(answers)
        stream = self.stream(tokens, instruction, [row[:-1] for row in ids])
        lengths = [len(row) for row in ids]
        states, head = last_states(self.causal, stream.embeddings, stream.layout, lengths)
        if any(parameter.requires_grad for parameter in head.parameters()):
            states, head = head(states), nn.Identity()  # what learns belongs in the forward, for wrappers such as DDP
        rows = torch.arange(len(ids)).repeat_interleave(torch.tensor(lengths))
        targets = torch.tensor([token for row in ids for token in row])
        device = states.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        targets, rows = (part.to(states.device, non_blocking=True) for part in (targets, rows))
        return AnswerLogits(states, targets, rows, head, kind)

    def stream(
        self, tokens: Mapping[str, SoftTokens], instruction: str, begun: list[list[int]], more: int = 0
    ) -> Stream:
        """What the LLM reads: prompts, soft tokens and the answers so far.

        Arguments
        ---------
        tokens, instruction
            As of ``forward``, which raises the same.
        begun : list of list of int
            Token ids of each row's answer so far; may be empty.
        more : int
            Tokens to come, for which the context must have room.
        """
        return self._rows(tokens, instruction, begun, more).prompts(range(len(begun)))

    def generate(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        max_new_tokens: int | None = None,
        prefixes: list[str] | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[str]:
        """Greedy answers, the same for an utterance alone and in a batch.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [B, K, e] with counts [B].
        instruction : str
            What the user asks.
        max_new_tokens : int, optional
            Limit of generated tokens; by default the decoder's.
        prefixes : list of str, optional
            The beginning of each answer, which generation continues.
        close_quotes : bool
            Whether an answer must not end inside a quotation: for paragraphs, which quote the transcript.
        decoding : Decoding
            Rows at a time, tokens that are guessed ahead, and a form that answers are held to.

        Returns
        -------
        list of str
            B whole answers, prefixes included; one may be empty.

        Raises
        ------
        PromptError
            If prompt and ``max_new_tokens`` together are longer than the context, or it is below 1; or a form is
            asked for together with prefixes.
        """
        limit = self.max_new_tokens if max_new_tokens is None else max_new_tokens
        if limit < 1:
            raise PromptError(f"max_new_tokens is {limit}: expected at least 1.")
        begun = [self.plain_tokens(prefix) for prefix in prefixes or [""] * len(next(iter(tokens.values())).counts)]
        answers = [self._answer(start, limit, close_quotes, decoding) for start in begun]
        with evaluating(self), torch.no_grad():
            rows = self._rows(tokens, instruction, begun, limit)
            greedy(self.causal, rows.prompts, rows.totals, answers, self.pad_id, decoding.rows, decoding.graphs)
        return [self._text(start + answer.new) for start, answer in zip(begun, answers, strict=True)]

    def sample(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        sampling: Sampling,
        max_new_tokens: int | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[list[SampledAnswer]]:
        """Several answers of each prompt, drawn token by token; the prompt's embeddings are there once.

        Arguments
        ---------
        tokens, instruction, max_new_tokens, close_quotes, decoding
            As for :meth:`generate`.
        sampling : Sampling
            Temperature, top-p, answers a prompt, and the seed.

        Returns
        -------
        list of list of SampledAnswer
            For each of B rows its answers, with their log-probabilities.

        Raises
        ------
        PromptError
            As :meth:`generate`.
        SettingsError
            If a value of ``sampling`` is out of range.
        """
        limit, count = self.max_new_tokens if max_new_tokens is None else max_new_tokens, sampling.checked().answers
        prompts = len(next(iter(tokens.values())).counts)
        samplers = [Sampler(sampling, sampling.seed * 1_000_003 + index) for index in range(prompts * count)]
        answers = [self._answer([], limit, close_quotes, decoding, sampler) for sampler in samplers]
        with evaluating(self), torch.no_grad():
            rows = self._rows(tokens, instruction, [[]] * prompts, limit)
            totals = [total for total in rows.totals for _ in range(count)]

            def several(chosen: Sequence[int]) -> Stream:
                return rows.prompts([index // count for index in chosen])

            greedy(self.causal, several, totals, answers, self.pad_id, decoding.rows, decoding.graphs)
        found = [
            SampledAnswer(self._text(answer.new), sampler.log_prob)
            for answer, sampler in zip(answers, samplers, strict=True)
        ]
        return [found[start : start + count] for start in range(0, len(found), count)]

    def generate_live(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> Iterator[str]:
        """The answer of one row while it grows, and at last the one that :meth:`generate` gives.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [1, K, e] with counts [1].
        instruction, close_quotes, decoding
            As for :meth:`generate`.

        Yields
        ------
        str
            The text so far, without half a character at its end; the last one is whole.

        Raises
        ------
        PromptError
            As :meth:`generate`.
        """
        answer = self._answer([], self.max_new_tokens, close_quotes, decoding)

        def texts() -> Iterator[str]:
            rows = self._rows(tokens, instruction, [[]], self.max_new_tokens)
            growing = Answering(self.causal, rows.prompts, rows.totals, [answer], self.pad_id, 1, decoding.graphs)
            for _ in growing.steps():
                yield self._text(answer.new)

        yield from growing_text(each_within(texts(), torch.no_grad, lambda: evaluating(self)))
        yield self._text(answer.new)

    def score(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        prefixes: list[str],
        candidates: list[list[str]],
    ) -> Tensor:
        """Mean log-probability of each candidate's tokens after its row's prefix.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [B, K, e] with counts [B].
        instruction : str
            What the user asks.
        prefixes : list of str
            The answer of each row up to the candidates.
        candidates : list of list of str
            C texts for each row; each is tokenised together with its prefix.

        Returns
        -------
        Tensor
            Nats a token, [B, C], float32; a softmax over C makes probabilities.

        Raises
        ------
        PromptError
            If rows differ in their number of candidates, a candidate is empty, or a row is longer than the context.
        """
        begun, rest = candidate_tokens(prefixes, candidates, self.plain_tokens)
        longest = max(len(ids) for row in rest for ids in row)
        with evaluating(self), torch.no_grad():
            rows = self._rows(tokens, instruction, begun, more=longest)
            parts = [range(start, min(start + SCORED_ROWS, len(begun))) for start in range(0, len(begun), SCORED_ROWS)]
            scores = [candidate_scores(self.causal, rows.prompts(part), [rest[row] for row in part]) for part in parts]
        return torch.cat(scores)

    def emotion_probabilities(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        answers: Sequence[str],
        emotions: Sequence[str],
    ) -> Tensor:
        """How probable each emotion's word is in the place where the answer names its own.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [B, K, e] with counts [B].
        instruction : str
            What the user asked.
        answers : sequence of str
            B answers, as generated.
        emotions : sequence of str
            C classes.

        Returns
        -------
        Tensor
            Probabilities, [B, C], float64 on the CPU: a softmax over the mean log-probability of each word's tokens.
        """
        slots = [emotion_slot(answer, tuple(emotions)) for answer in answers]
        prefixes, words = [slot.prefix for slot in slots], [slot.words for slot in slots]
        scores = self.score(tokens, instruction, prefixes, words).cpu()  # MPS has no float64
        return scores.double().softmax(-1)

    def merge(self) -> None:
        """Adds LoRA to the base weights, for deployment: W += alpha / r * B A. The state is empty afterwards.

        Raises
        ------
        SettingsError
            If the base weights are quantised: in steps as wide as theirs, what training added is rounded away.
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

    def _answer(
        self,
        begun: list[int],
        limit: int,
        close_quotes: bool,
        decoding: Decoding,
        sampler: Sampler | None = None,
    ) -> PartialAnswer:
        """The answer of one row, by the rules of the caller."""
        if decoding.form is not None and begun:
            raise PromptError("An answer that is held to a form cannot have a prefix: give one of the two.")
        guide = drafter = None
        if decoding.form is not None:
            guide = FormGuide(decoding.form, self.plain_tokens, self.odd_quotes, self.tokens.end)
        if decoding.speculate:
            drafter = self._drafts.setdefault(decoding.speculate, NGramDrafts(decoding.speculate))
        quotes = self.odd_quotes if close_quotes or guide else ()
        return PartialAnswer(begun, limit, self.eos_ids, quotes, guide, drafter, sampler)

    def _rows(
        self, tokens: Mapping[str, SoftTokens], instruction: str, begun: list[list[int]], more: int
    ) -> PromptRows:
        """The rows of a batch, none of which is longer than the context with so many tokens to come."""
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

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
