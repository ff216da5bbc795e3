"""The whole system: encoder, branches, decoder. The only file that knows all parts.

wav → frozen encoder → branches, of which the paper has two: content and descriptor (disentangled by what each stage
trains) → causal LLM → one paragraph with transcript, descriptors and emotion. What trains and what is off is the
stage's business: a ``Stage`` is given with every forward, and nothing here has a state of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from inspect import signature
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Decoding
from speechbrain_xser.decoder.heads import HeadAnswer
from speechbrain_xser.decoder.protocol import Decoder
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.branch import Branch, BranchOutput, branch_sums
from speechbrain_xser.lobes.standardization import StateStandardization
from speechbrain_xser.lobes.starts import STARTS, LabelScores, augmented
from speechbrain_xser.lobes.states import LayerStates, Speech, SpeechEncoder
from speechbrain_xser.lobes.token_scores import CtcScores
from speechbrain_xser.stages import SER_STAGE, Mode, Stage
from speechbrain_xser.utils.locks import LOADING
from speechbrain_xser.utils.modes import evaluating
from speechbrain_xser.utils.threads import one_thread_in_forked_children

one_thread_in_forked_children()


class Forward(NamedTuple):
    """What a training step needs of one batch."""

    answer: AnswerLogits | HeadAnswer | LabelScores | CtcScores  # of an LLM at answer positions only
    branches: dict[str, BranchOutput]  # of those that are on


class ExplainableSER(nn.Module):
    """Explains an utterance: encoder → branches → adapters → decoder.

    Arguments
    ---------
    encoder : SpeechEncoder
        Frozen; ours or any module that keeps the protocol.
    branches : mapping of str to Branch
        By name, e.g. "content" (what is said) and "descriptor" (how).
    decoder : Decoder
        A causal LLM with LoRA; or, for systems without one, a CTC head and a classifier.
    standardization : StateStandardization, optional
        What is done to the encoder's states before any branch sums them.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> from speechbrain_xser.stages import ASR_STAGE
    >>> model = tiny_model(tempfile.mkdtemp())
    >>> wavs, samples = torch.randn(2, 16000), torch.tensor([16000, 9000])
    >>> output = model(wavs, samples, ASR_STAGE, ["by the door", "kids are talking"])
    >>> list(output.branches), output.branches["content"].latent.kl.shape  # the first stage has one branch
    (['content'], torch.Size([2, 49]))
    >>> len(model.generate(wavs, samples, max_new_tokens=3))
    2
    """

    def __init__(
        self,
        encoder: SpeechEncoder,
        branches: Mapping[str, Branch],
        decoder: Decoder,
        standardization: StateStandardization | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.standardization = standardization
        self.branches = nn.ModuleDict(branches)
        self.decoder = decoder

    def forward(
        self,
        wavs: Tensor,
        samples: Tensor,
        stage: Stage,
        answers: list[str],
        words: Sequence[str | None] | None = None,
    ) -> Forward:
        """Teacher-forced answer logits and the latents of the branches that are on.

        Arguments
        ---------
        wavs : Tensor
            Waveforms at the encoder's rate, [B, S].
        samples : Tensor
            Valid samples, [B], int64.
        stage : Stage
            Mode of each part, and the instruction.
        answers : list of str
            B target texts; in a stage that is rewarded, G sampled answers of each clip, clip after clip, as token ids.
        words : sequence of (str or None), optional
            What a recogniser has written of each clip before, for a branch that reads it.

        Returns
        -------
        Forward
            Answer logits [N, V] and the branches' outputs.

        Raises
        ------
        PromptError
            If an utterance is longer than the decoder's context.
        """
        outputs = self.encode_branches(wavs, samples, stage, words)
        answer = self.answer({name: output.tokens for name, output in outputs.items()}, stage, answers)
        return Forward(answer, {name: outputs[name] for name in stage.on(outputs)})

    def answer(
        self, tokens: Mapping[str, SoftTokens], stage: Stage, answers: list[str]
    ) -> AnswerLogits | HeadAnswer | LabelScores | CtcScores:
        """What the decoder, or a start in its place, makes of soft tokens.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            By branch, [B, K, e] with counts [B].
        stage : Stage
            Its start, or the mode of the decoder and the instruction.
        answers : list of str
            B target texts.

        Returns
        -------
        AnswerLogits, HeadAnswer, LabelScores or CtcScores
            Each knows its ``nats()`` and ``targets``.
        """
        if stage.start is not None:
            return STARTS[stage.start].score(tokens, self.decoder, answers)
        plain = stage.rewarded or stage.decoder != Mode.TRAIN  # a policy that dropped out would not be what was sampled
        with evaluating(self.decoder) if plain else nullcontext():
            return self.decoder(several(tokens, len(answers)), stage.instruction, answers)

    def count_tokens(self, answers: Sequence[str], stage: Stage) -> int:
        """What the loss of a batch of answers is divided by in a stage."""
        if stage.start is not None:
            return STARTS[stage.start].count(self.decoder, answers)
        return self.decoder.count_tokens(answers, stage.instruction)

    def encode(
        self,
        wavs: Tensor,
        samples: Tensor,
        stage: Stage = SER_STAGE,
        words: Sequence[str | None] | None = None,
    ) -> dict[str, SoftTokens]:
        """Soft tokens of all branches, for several questions to the decoder about the same audio.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S].
        samples : Tensor
            Valid samples, [B], int64.
        stage : Stage
            Decides the mode of each branch.
        words : sequence of (str or None), optional
            As for :meth:`forward`.

        Returns
        -------
        dict of str to SoftTokens
            [B, K, e] with counts [B] each; of a branch that is off, zeros.
        """
        outputs = self.encode_branches(wavs, samples, stage, words)
        return {name: output.tokens for name, output in outputs.items()}

    def generate(
        self,
        wavs: Tensor,
        samples: Tensor,
        stage: Stage = SER_STAGE,
        max_new_tokens: int | None = None,
        decoding: Decoding = PLAIN_DECODING,
        words: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Greedy answers from the posterior means, whatever mode the model is in.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S].
        samples : Tensor
            Valid samples, [B], int64.
        stage : Stage
            Decides the instruction and which branches are heard.
        max_new_tokens : int, optional
            Limit in tokens; by default the decoder's.
        decoding : Decoding
            Rows at a time, tokens that are guessed ahead, a form.
        words : sequence of (str or None), optional
            As for :meth:`forward`.

        Returns
        -------
        list of str
            B answers; one may be empty.
        """
        with evaluating(self), torch.no_grad():
            options = {"close_quotes": stage.quotes, "decoding": decoding}
            tokens = self.encode(wavs, samples, stage, words)
            return self.decoder.generate(tokens, stage.instruction, max_new_tokens, **options)

    def explain(
        self,
        wavs: Tensor,
        samples: Tensor,
        stage: Stage,
        emotions: Sequence[str],
        decoding: Decoding = PLAIN_DECODING,
        words: Sequence[str | None] | None = None,
    ) -> tuple[list[str], Tensor]:
        """Answers, and how probable each emotion is in them; the audio is encoded once.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S].
        samples : Tensor
            Valid samples, [B], int64.
        stage : Stage
            One whose answers name an emotion.
        emotions : sequence of str
            C classes.
        decoding : Decoding
            Rows at a time, tokens that are guessed ahead, a form.
        words : sequence of (str or None), optional
            As for :meth:`forward`.

        Returns
        -------
        tuple of (list of str, Tensor)
            B answers, and probabilities [B, C].
        """
        with evaluating(self), torch.no_grad():
            return self.explain_tokens(self.encode(wavs, samples, stage, words), stage, emotions, decoding)

    def explain_tokens(
        self,
        tokens: Mapping[str, SoftTokens],
        stage: Stage,
        emotions: Sequence[str],
        decoding: Decoding = PLAIN_DECODING,
    ) -> tuple[list[str], Tensor]:
        """The same from soft tokens, e.g. those of many batches, joined: rows that have ended make room for others.

        Arguments
        ---------
        tokens : mapping of str to SoftTokens
            From :meth:`encode`, [B, K, e] with counts [B].
        stage, emotions, decoding
            As for :meth:`explain`.

        Returns
        -------
        tuple of (list of str, Tensor)
            B answers, and probabilities [B, C].
        """
        with evaluating(self), torch.no_grad():
            options = {"close_quotes": stage.quotes, "decoding": decoding}
            answers = self.decoder.generate(tokens, stage.instruction, **options)
            return answers, self.decoder.emotion_probabilities(tokens, stage.instruction, answers, emotions)

    def encode_branches(
        self,
        wavs: Tensor,
        samples: Tensor,
        stage: Stage = SER_STAGE,
        words: Sequence[str | None] | None = None,
    ) -> dict[str, BranchOutput]:
        """Soft tokens of all branches, with the latents that they were made from.

        Arguments
        ---------
        wavs, samples, stage
            As for :meth:`encode`.
        words
            As for :meth:`forward`.

        Returns
        -------
        dict of str to BranchOutput
            By branch; the latent of one that is off is ``None``.
        """
        return self.branch_outputs(self.states(wavs, samples, words), stage)

    def branch_outputs(self, states: LayerStates, stage: Stage = SER_STAGE) -> dict[str, BranchOutput]:
        """The same from the encoder's states.

        Arguments
        ---------
        states : LayerStates
            From :meth:`states`.
        stage : Stage
            As for :meth:`encode`.

        Returns
        -------
        dict of str to BranchOutput
            By branch; the latent of one that is off is ``None``.
        """
        if stage.start is not None and self.training:
            states = augmented(states, STARTS[stage.start].shortest)
        modes = {name: stage.mode(name) for name in self.branches}
        sums = branch_sums(states.layers, self.branches, modes)
        return {name: branch(states, modes[name], sums.get(name)) for name, branch in self.branches.items()}

    def states(self, wavs: Tensor, samples: Tensor, words: Sequence[str | None] | None = None) -> LayerStates:
        """The encoder's states as the branches hear them.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S].
        samples : Tensor
            Valid samples, [B], int64.
        words : sequence of (str or None), optional
            As for :meth:`forward`.

        Returns
        -------
        LayerStates
            Layers [n, B, T, d], standardised where the model does that, and the clips themselves.
        """
        states = self.encoder(wavs, samples)
        states = states if self.standardization is None else self.standardization(states)
        return states._replace(speech=Speech(wavs, samples, words))


def several(tokens: Mapping[str, SoftTokens], answers: int) -> Mapping[str, SoftTokens]:
    """Soft tokens of B clips, each as often as a clip has answers.

    Example
    -------
    >>> tokens = {"content": SoftTokens(torch.ones(2, 3, 4), torch.tensor([3, 1]))}
    >>> several(tokens, 4)["content"].counts
    tensor([3, 3, 1, 1])
    """
    clips = len(next(iter(tokens.values())).counts)
    if answers == clips:
        return tokens
    return {name: one.rows(torch.arange(clips).repeat_interleave(answers // clips)) for name, one in tokens.items()}


@LOADING
def build_model(
    encoder: SpeechEncoder | Callable[[], SpeechEncoder],
    branches: Mapping[str, Branch | Callable[..., Branch]],
    decoder: Decoder | Callable[..., Decoder],
    standardization: StateStandardization | Callable[..., StateStandardization] | None = None,
) -> ExplainableSER:
    """Builds the model that ``hparams/model.yaml`` describes; each lobe is given as it is, or as what builds it.

    One thread builds at a time: the others wait.

    Arguments
    ---------
    encoder : SpeechEncoder or callable
        E.g. ``partial(FrozenEncoder, source)``.
    branches : mapping of str to (Branch or callable)
        What builds one is called with ``encoder`` and ``width``, as :func:`~speechbrain_xser.lobes.branch.build_branch`
        is, and with the decoder's ``embed_text`` or ``vocabulary_rows`` where it has an argument of that name.
    decoder : Decoder or callable
        E.g. ``partial(LLMDecoder, source)``; one that ``hears_frames``, as ``HeadsDecoder``, is called with their
        ``width``.
    standardization : StateStandardization or callable, optional
        What builds one is called with ``encoder``.

    Returns
    -------
    ExplainableSER

    Raises
    ------
    BackboneError
        If a backbone cannot be found or does not fit, or there is no encoder at all.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.heads import HeadsDecoder
    >>> from speechbrain_xser.lobes.branch import build_branch
    >>> from speechbrain_xser.lobes.encoder import FrozenEncoder
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> encoder = partial(FrozenEncoder, tiny_encoder_folder(tempfile.mkdtemp()))
    >>> model = build_model(encoder, {"content": build_branch, "descriptor": build_branch}, HeadsDecoder)
    >>> sorted({key.split(".")[0] for key in model.state_dict()}), model.decoder.width
    (['branches', 'decoder'], 128)
    """
    encoder = _built(encoder)
    hears_frames = getattr(getattr(decoder, "func", decoder), "hears_frames", False)
    decoder = decoder if hears_frames else _built(decoder)
    width = None if hears_frames else decoder.width
    sizes = {"encoder": encoder, "width": width}
    lobes = {name: _built(branch, **sizes, **_reads(branch, decoder)) for name, branch in branches.items()}
    if hears_frames:
        decoder = _built(decoder, width=next(iter(lobes.values())).adapter.width)
    standardization = None if standardization is None else _built(standardization, encoder=encoder)
    return ExplainableSER(encoder, lobes, decoder, standardization)


def recognizers(model: ExplainableSER) -> list[nn.Module]:
    """The speech recognisers inside a model's branches, which may hear shorter clips than its encoder."""
    bottlenecks = [branch.bottleneck for branch in model.branches.values()]
    return [one.recognizer for one in bottlenecks if hasattr(one, "recognizer")]


def _built(lobe: object, **sizes: object) -> nn.Module:
    return lobe if isinstance(lobe, nn.Module) else lobe(**sizes)


def _reads(branch: object, decoder: object) -> dict[str, object]:
    """What reads the decoder's embeddings, for what builds a branch of words."""
    wanted = () if isinstance(branch, nn.Module) else signature(branch).parameters
    return {name: _reader(decoder, name) for name in ("embed_text", "vocabulary_rows") if name in wanted}


def _reader(decoder: object, name: str) -> Callable:
    """A method that reads an LLM's token embeddings."""
    if not hasattr(decoder, name):
        raise SettingsError("Branches of words and starts read an LLM's token embeddings: give llm_source.")
    return getattr(decoder, name)


def with_content(branches: Mapping[str, object], content: str, others: Mapping[str, object]) -> dict[str, object]:
    """The branches of a recipe, with the content branch that it names.

    Arguments
    ---------
    branches : mapping
        Those of the paper's model; its content branch is called "bottleneck".
    content : str
        "bottleneck", or a name among the others.
    others : mapping
        Other content branches by name.

    Returns
    -------
    dict

    Raises
    ------
    SettingsError
        If there is no content branch of that name.

    Example
    -------
    >>> with_content({"content": 1, "descriptor": 2}, "recognized", {"recognized": 3})
    {'content': 3, 'descriptor': 2}
    """
    named = {"bottleneck": branches.get("content"), **others}
    if content not in named:
        raise SettingsError(f"content is {content!r}; expected {', '.join(named)}.")
    return dict(branches) if content == "bottleneck" else {**branches, "content": named[content]}


def llm_or_heads(llm: partial, heads: partial) -> partial:
    """What builds the decoder: the LLM's, or the heads' where the LLM has no source.

    Example
    -------
    >>> from speechbrain_xser.decoder.decoder import LLMDecoder
    >>> from speechbrain_xser.decoder.heads import HeadsDecoder
    >>> llm_or_heads(partial(LLMDecoder, source=None), partial(HeadsDecoder)).func.__name__
    'HeadsDecoder'
    """
    return heads if llm.keywords["source"] is None else llm
