"""The decoder: what a prompted LLM answers, and how probable it finds given answers.

Answers are greedy, sampled, or streamed; :class:`~speechbrain_xser.decoder.prompted_llm.PromptedLLM` has the LLM and
its prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor

from speechbrain_xser.answer.emotion_slot import emotion_slot
from speechbrain_xser.decoder.candidates import candidate_tokens
from speechbrain_xser.decoder.generation.answer import GreedyAnswer, PartialAnswer
from speechbrain_xser.decoder.generation.constrained import FormGuide
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Answering, Decoding, candidate_scores, greedy
from speechbrain_xser.decoder.generation.sampling import SampledAnswer, Sampler, Sampling, samplers
from speechbrain_xser.decoder.generation.speculative import NGramDrafts
from speechbrain_xser.decoder.generation.streaming import streamed_text
from speechbrain_xser.decoder.prompted_llm import PromptedLLM
from speechbrain_xser.decoder.quotes import tokens_with_odd_quotes
from speechbrain_xser.errors import PromptError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.utils.modes import each_within, evaluating

SCORED_ROWS = 32  # rows whose candidates are scored at once


class LLMDecoder(PromptedLLM):
    """A causal LLM that takes the branches' soft tokens in a prompt and answers.

    Its arguments are those of :class:`~speechbrain_xser.decoder.prompted_llm.PromptedLLM`.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> decoder = LLMDecoder(tiny_llm_folder(tempfile.mkdtemp()), dtype="float32").eval()
    >>> soft = SoftTokens(torch.randn(2, 3, decoder.width), torch.tensor([3, 1]))
    >>> tokens = {"content": soft, "descriptor": soft}
    >>> both = decoder.generate(tokens, "Please transcribe the input audio.", max_new_tokens=5)
    >>> alone = SoftTokens(soft.embeddings[1:, :1], soft.counts[1:])
    >>> last = {name: alone for name in tokens}
    >>> decoder.generate(last, "Please transcribe the input audio.", max_new_tokens=5) == both[1:]
    True
    """

    @cached_property
    def odd_quotes(self) -> dict[int, str]:
        """Ids of all tokens that open or close a quotation, and the text of each after its last quotation mark."""
        return tokens_with_odd_quotes(self.tokenizer)

    @cached_property
    def _drafts(self) -> dict[int, NGramDrafts]:
        """Drafts by their length; earlier answers help to guess later ones."""
        return {}

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
            Most tokens to generate; by default the decoder's limit.
        prefixes : list of str, optional
            The start of each answer, which generation continues.
        close_quotes : bool
            Whether an answer must not end inside a quotation; for paragraphs, which quote the transcript.
        decoding : Decoding
            Rows at once, tokens drafted ahead, and a form that constrains answers.

        Returns
        -------
        list of str
            B whole answers, including their prefixes; an answer may be empty.

        Raises
        ------
        PromptError
            If the prompt and ``max_new_tokens`` exceed the context, ``max_new_tokens`` is below 1, or a form is
            combined with prefixes.
        """
        options = {"max_new_tokens": max_new_tokens, "prefixes": prefixes, "close_quotes": close_quotes}
        return [answer.text for answer in self.greedy_answers(tokens, instruction, decoding=decoding, **options)]

    def greedy_answers(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        max_new_tokens: int | None = None,
        prefixes: list[str] | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[GreedyAnswer]:
        """As :meth:`generate`, with whether each answer ended by itself."""
        limit = self.max_new_tokens if max_new_tokens is None else max_new_tokens
        if limit < 1:
            raise PromptError(f"max_new_tokens is {limit}: expected at least 1.")
        begun = [self.plain_tokens(prefix) for prefix in prefixes or [""] * len(next(iter(tokens.values())).counts)]
        answers = [self._answer(start, limit, close_quotes, decoding) for start in begun]
        with evaluating(self), torch.no_grad():
            rows = self.rows(tokens, instruction, begun, limit)
            greedy(self.causal, rows.prompts, rows.totals, answers, self.pad_id, decoding.rows, decoding.graphs)
        every = zip(begun, answers, strict=True)
        return [GreedyAnswer(self.text(start + answer.new), not answer.cut) for start, answer in every]

    def sample(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        sampling: Sampling,
        max_new_tokens: int | None = None,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> list[list[SampledAnswer]]:
        """Several answers to each prompt, sampled token by token; the prompt is processed once for all of them.

        Arguments
        ---------
        tokens, instruction, max_new_tokens, close_quotes, decoding
            As for :meth:`generate`.
        sampling : Sampling
            Temperature, top-p, answers per prompt, and the seed, or one for each prompt.

        Returns
        -------
        list of list of SampledAnswer
            The answers of each of B rows, with the log-probabilities of all their tokens, the end included.

        Raises
        ------
        PromptError
            As :meth:`generate`.
        SettingsError
            If a value of ``sampling`` is out of range.
        """
        limit, count = self.max_new_tokens if max_new_tokens is None else max_new_tokens, sampling.answers
        prompts = len(next(iter(tokens.values())).counts)
        drawing = list(chain(*samplers(sampling, prompts)))
        answers = [self._answer([], limit, close_quotes, decoding, sampler) for sampler in drawing]
        with evaluating(self), torch.no_grad():
            rows = self.rows(tokens, instruction, [[]] * prompts, limit)
            options = {"rows": decoding.rows, "graphs": decoding.graphs, "share": count}
            greedy(self.causal, rows.prompts, rows.totals, answers, self.pad_id, **options)
        found = [
            SampledAnswer(
                self.text(answer.new),
                one.log_prob,
                tuple(one.ids),
                tuple(one.log_probs),
                ended=one.ids[-1] in self.eos_ids,
            )
            for answer, one in zip(answers, drawing, strict=True)
        ]
        return [found[start : start + count] for start in range(0, len(found), count)]

    def generate_live(
        self,
        tokens: Mapping[str, SoftTokens],
        instruction: str,
        close_quotes: bool = False,
        decoding: Decoding = PLAIN_DECODING,
    ) -> Iterator[str]:
        """Yields the answer of one row as it grows, and finally the one that :meth:`generate` gives.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [1, K, e] with counts [1].
        instruction, close_quotes, decoding
            As for :meth:`generate`.

        Yields
        ------
        str
            The text so far, without an incomplete character at its end; the last one is complete.

        Raises
        ------
        PromptError
            As :meth:`generate`.
        """
        answer = self._answer([], self.max_new_tokens, close_quotes, decoding)

        def texts() -> Iterator[str]:
            rows = self.rows(tokens, instruction, [[]], self.max_new_tokens)
            answering = Answering(self.causal, rows.prompts, rows.totals, [answer], self.pad_id, 1, decoding.graphs)
            for _ in answering.steps():
                yield self.text(answer.new)

        yield from streamed_text(each_within(texts(), torch.no_grad, lambda: evaluating(self)))
        yield self.text(answer.new)

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
            The answer of each row before the candidates.
        candidates : list of list of str
            C texts for each row; each is tokenised together with its prefix.

        Returns
        -------
        Tensor
            Nats per token, [B, C], float32; a softmax over C gives probabilities.

        Raises
        ------
        PromptError
            If rows differ in their number of candidates, a candidate is empty, or a row exceeds the context.
        """
        begun, rest = candidate_tokens(prefixes, candidates, self.plain_tokens)
        longest = max(len(ids) for row in rest for ids in row)
        with evaluating(self), torch.no_grad():
            rows = self.rows(tokens, instruction, begun, more=longest)
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
        """How probable each emotion's word is where the answer names its emotion.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch: embeddings [B, K, e] with counts [B].
        instruction : str
            The user's question.
        answers : sequence of str
            B answers, as generated.
        emotions : sequence of str
            C classes.

        Returns
        -------
        Tensor
            Probabilities, [B, C], float64 on the CPU: a softmax over the mean log-probability of each word's tokens,
            divided by the decoder's ``emotion_temperature``.
        """
        slots = [emotion_slot(answer, tuple(emotions)) for answer in answers]
        prefixes, words = [slot.prefix for slot in slots], [slot.words for slot in slots]
        scores = self.score(tokens, instruction, prefixes, words).cpu()  # MPS has no float64
        return (scores.double() / self.emotion_temperature).softmax(-1)

    def text(self, ids: Sequence[int]) -> str:
        """The text of an answer's tokens, without the one that ends it."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _answer(
        self,
        begun: list[int],
        limit: int,
        close_quotes: bool,
        decoding: Decoding,
        sampler: Sampler | None = None,
    ) -> PartialAnswer:
        """Starts the answer of one row, with the caller's rules."""
        if decoding.form is not None and begun:
            raise PromptError("An answer that is held to a form cannot have a prefix: give one of the two.")
        guide = drafter = None
        if decoding.form is not None:
            guide = FormGuide(decoding.form, self.plain_tokens, self.odd_quotes, self.tokens.end)
        if decoding.speculate:
            drafter = self._drafts.setdefault(decoding.speculate, NGramDrafts(decoding.speculate))
        quotes = self.odd_quotes if close_quotes or guide else ()
        return PartialAnswer(begun, limit, self.eos_ids, quotes, guide, drafter, sampler)
