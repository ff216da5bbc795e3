"""Speech recognition, word by word: a protocol, and Whisper as the recogniser that implements it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers.generation import GenerateEncoderDecoderOutput
from transformers.modeling_outputs import BaseModelOutput

from speechbrain_xser.errors import AudioError, BackboneError
from speechbrain_xser.lobes.backbone import DTYPES
from speechbrain_xser.lobes.frozen import FrozenModule
from speechbrain_xser.lobes.whisper_features import WhisperLogMel
from speechbrain_xser.utils.locks import LOADING
from speechbrain_xser.utils.quiet import quiet
from speechbrain_xser.utils.sources import loading, refuse_incomplete, resolve_source
from speechbrain_xser.utils.weight_reading import weights

SPACE = "\u0120"  # how byte-level BPE writes the space that a word begins with
TOKENS_A_SECOND = 12  # nobody speaks faster; stops a recogniser that repeats itself
LEAST_TOKENS = 16
END_SIGNS = ("", ".", "?", "!")
WARNING = (  # of Whisper's own settings of generation, at every call
    "transformers.generation.configuration_utils",
    "transformers.generation.utils",
    "transformers.models.whisper.generation_whisper",
)


class Word(NamedTuple):
    """A recognised word.

    Example
    -------
    >>> spoken("by the door.")[-1]
    Word(text='door.', probability=1.0)
    """

    text: str  # without a space around it
    probability: float  # geometric mean of its tokens' probabilities


class Likely(NamedTuple):
    """How likely a text is in a clip, beside what Whisper's decoder likes best; 1 is what it would write itself."""

    words: list[float]  # of each word, 0 to 1
    end: float  # that the text ends there, with or without a sign, 0 to 1


def spoken(text: str) -> list[Word]:
    """The words of a known text, each with probability 1."""
    return [Word(word, 1.0) for word in text.split()]


@runtime_checkable
class Recognizer(Protocol):
    """What :class:`~speechbrain_xser.lobes.recognized.RecognizedWords` needs from a speech recogniser."""

    def __call__(self, wavs: Tensor, samples: Tensor) -> list[list[Word]]:
        """The words of each clip of a right-padded batch, [B, S] with [B] valid samples."""
        ...


class WhisperRecognizer(FrozenModule):
    """Whisper, greedy, on clips of at most 30 s; frozen and in no checkpoint.

    Source: Whisper (Radford et al., 2023, ICML).

    Arguments
    ---------
    source : str
        ``setup:whisper-tiny.en``, a local Hugging Face folder, or a hub id.
    revision : str, optional
        Commit, tag or branch of a hub id.
    dtype : str
        Type of the weights: "float32", "bfloat16" or "float16".
    load_weights : bool
        False builds from ``config.json`` only.

    Raises
    ------
    BackboneError
        If the source cannot be found or read, or is not a Whisper.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_recognizer_folder
    >>> recognizer = WhisperRecognizer(tiny_recognizer_folder(tempfile.mkdtemp()))
    >>> words = recognizer(torch.randn(2, 16000), torch.tensor([16000, 9000]))  # it is not trained
    >>> len(words), isinstance(recognizer, Recognizer)
    (2, True)
    """

    def __init__(
        self, source: str, revision: str | None = None, dtype: str = "float32", load_weights: bool = True
    ) -> None:
        super().__init__()
        if dtype not in DTYPES:
            raise BackboneError(f"Unknown dtype {dtype!r} of the recogniser {source!r}: expected {', '.join(DTYPES)}.")
        source = resolve_source(source)
        with LOADING, loading(source, revision):
            options = {"revision": revision, "trust_remote_code": False}
            _refuse_other(source, AutoConfig.from_pretrained(source, **options).model_type)
            self.tokenizer = AutoTokenizer.from_pretrained(source, **options)
            extractor = WhisperFeatureExtractor.from_pretrained(source, revision=revision)
            self.whisper = _whisper(source, revision, DTYPES[dtype], load_weights)
        self.control_ids = frozenset(self.tokenizer.all_special_ids)
        self.sample_rate: int = extractor.sampling_rate
        self.log_mel = WhisperLogMel(extractor)
        self.max_seconds: float = self.log_mel.full_samples / self.sample_rate
        self.freeze()

    @torch.no_grad()
    def forward(self, wavs: Tensor, samples: Tensor) -> list[list[Word]]:
        """Recognises a right-padded batch.

        Arguments
        ---------
        wavs : Tensor
            Waveforms at ``sample_rate``, [B, S], float in -1..1.
        samples : Tensor
            Valid samples, [B], int64.

        Returns
        -------
        list of list of Word
            The words of each clip; empty if nothing was recognised.

        Raises
        ------
        AudioError
            If a clip is longer than Whisper accepts.
        """
        return self.recognize(self.encode(wavs, samples), samples)

    @torch.no_grad()
    def encode(self, wavs: Tensor, samples: Tensor) -> BaseModelOutput:
        """What Whisper's encoder makes of a batch; arguments and errors are those of a call."""
        self._check_length(int(samples.max()))
        features = torch.stack([self._features(wav[:count]) for wav, count in zip(wavs, samples.tolist(), strict=True)])
        with torch.autocast(wavs.device.type, enabled=False):
            return self.whisper.get_encoder()(features.to(self.whisper.dtype))

    @torch.no_grad()
    def recognize(self, encoded: BaseModelOutput, samples: Tensor) -> list[list[Word]]:
        """The words of a batch that :meth:`encode` has encoded."""
        limits = [LEAST_TOKENS + round(TOKENS_A_SECOND * count / self.sample_rate) for count in samples.tolist()]
        answer = self._generate(encoded, max(limits))
        return self._words(answer.sequences, answer.logits, limits)

    @torch.no_grad()
    def likelihoods(self, encoded: BaseModelOutput, texts: Sequence[str]) -> list[Likely]:
        """How likely each word of some texts is in a clip, given the sound and the words before it.

        ``min over the word's tokens of p(token) / max p``, where the maximum is over all tokens at that place.

        Arguments
        ---------
        encoded : BaseModelOutput
            One clip, as :meth:`encode` returns it.
        texts : sequence of str
            What may be said. Words are what is between white space.

        Returns
        -------
        list of Likely
            One for each text; 0 for words beyond Whisper's longest text.

        Example
        -------
        >>> import tempfile
        >>> from speechbrain_xser.testing import tiny_recognizer_folder
        >>> recognizer = WhisperRecognizer(tiny_recognizer_folder(tempfile.mkdtemp()))
        >>> encoded = recognizer.encode(torch.randn(1, 16000), torch.tensor([16000]))
        >>> [found] = recognizer.likelihoods(encoded, ["by the door"])
        >>> len(found.words), all(0 <= one <= 1 for one in [*found.words, found.end])
        (3, True)
        """
        prompt = self._prompt(encoded)
        with torch.autocast(encoded.last_hidden_state.device.type, enabled=False):
            return [self._likely(encoded, prompt, text) for text in texts]

    def _generate(self, encoded: BaseModelOutput, tokens: int) -> GenerateEncoderDecoderOutput:
        """Up to so many tokens after the prompt, with the logits of each."""
        options = {"return_dict_in_generate": True, "output_logits": True}
        with torch.autocast(encoded.last_hidden_state.device.type, enabled=False), quiet(*WARNING):
            return self.whisper.generate(encoder_outputs=encoded, max_new_tokens=tokens, **options)

    def _prompt(self, encoded: BaseModelOutput) -> list[int]:
        """What Whisper itself begins a clip's text with; a multilingual one names language and task, too."""
        answer = self._generate(encoded, 1)
        return answer.sequences[0, : -len(answer.logits)].tolist()

    def _likely(self, encoded: BaseModelOutput, prompt: Sequence[int], text: str) -> Likely:
        """Likelihoods of the words and the end of one text."""
        words = [self._tokens(f" {word}") for word in text.split()]
        ids, last = [token for word in words for token in word], self.whisper.generation_config.eos_token_id
        ways = [self._shares(encoded, prompt, [*ids, *self._tokens(sign), last]) for sign in END_SIGNS]
        ends = list(accumulate(map(len, words)))
        found = [min(ways[0][end - len(word) : end], default=1.0) for word, end in zip(words, ends, strict=True)]
        return Likely(found, max(min(shares[len(ids) :]) for shares in ways))

    def _tokens(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def _shares(self, encoded: BaseModelOutput, prompt: Sequence[int], ids: Sequence[int]) -> list[float]:
        """Of each token the probability beside that of the likeliest one in its place."""
        given = [*prompt, *ids][: self.whisper.config.max_target_positions]
        tokens = torch.tensor([given], device=encoded.last_hidden_state.device)
        logits = self.whisper(encoder_outputs=encoded, decoder_input_ids=tokens).logits[0, len(prompt) - 1 : -1].float()
        logits[:, list(self.whisper.generation_config.suppress_tokens or [])] = -torch.inf
        chosen = logits.gather(1, tokens[0, len(prompt) :, None])[:, 0]
        return (chosen - logits.amax(1)).exp().tolist() + [0.0] * (len(prompt) + len(ids) - len(given))

    def _check_length(self, samples: int) -> None:
        if samples > self.log_mel.full_samples:
            found = samples / self.sample_rate
            raise AudioError(f"a clip of {found:g} s; the recogniser hears at most {self.max_seconds:g} s")

    def _features(self, wav: Tensor) -> Tensor:
        """Log-mel spectrogram of one clip, padded with silence to 30 s, [m, 3000]."""
        padded = torch.nn.functional.pad(wav.float(), (0, self.log_mel.full_samples - len(wav)))[None]
        frames = torch.tensor([self.log_mel.full_samples // self.log_mel.hop], device=wav.device)
        return self.log_mel(padded, frames)[0]

    def _words(self, sequences: Tensor, logits: Sequence[Tensor], limits: Sequence[int]) -> list[list[Word]]:
        """Words of the generated tokens, [B, L], within each clip's limit; K logits [B, V] are the last tokens'."""
        chosen = sequences[:, -len(logits) :]
        steps = zip(logits, chosen.T[..., None], strict=True)
        found = torch.cat([row.float().log_softmax(-1).gather(1, token) for row, token in steps], 1)
        rows = zip(chosen.tolist(), found.tolist(), limits, strict=True)
        return [self._grouped(ids[:limit], logs[:limit]) for ids, logs, limit in rows]

    def _grouped(self, ids: Sequence[int], logs: Sequence[float]) -> list[Word]:
        """Joins tokens into words; leaves control tokens out."""
        groups: list[list[tuple[int, float]]] = []
        for token, log in zip(ids, logs, strict=True):
            if token in self.control_ids:
                continue
            if not groups or self.tokenizer.convert_ids_to_tokens(token).startswith(SPACE):
                groups.append([])
            groups[-1].append((token, log))
        words = [self._word(group) for group in groups]
        return [word for word in words if word.text]

    def _word(self, group: Sequence[tuple[int, float]]) -> Word:
        ids, logs = zip(*group, strict=True)
        text = self.tokenizer.decode(ids, clean_up_tokenization_spaces=False).strip()
        return Word(text, float(torch.tensor(logs).mean().exp()))


def _refuse_other(source: str, model_type: str) -> None:
    """Refuses a model that is not a Whisper."""
    if model_type != "whisper":
        raise BackboneError(f"'{source}' is a {model_type!r} model; a recogniser needs a Whisper with its decoder")


def _whisper(
    source: str, revision: str | None, dtype: torch.dtype, load_weights: bool
) -> WhisperForConditionalGeneration:
    """The whole Whisper, with its decoder."""
    kind = WhisperForConditionalGeneration

    def build() -> WhisperForConditionalGeneration:
        config = kind.config_class.from_pretrained(source, revision=revision)
        return kind(config).to(torch.get_default_device(), dtype)

    def read() -> WhisperForConditionalGeneration:
        with loading(source, revision):
            options = {"revision": revision, "dtype": dtype, "output_loading_info": True}
            model, report = kind.from_pretrained(source, **options)
        refuse_incomplete(source, report)
        model.generation_config.max_length = None  # each call passes our own limit
        return model

    return weights(read, build) if load_weights else build()
