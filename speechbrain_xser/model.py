"""The whole system: encoder, two branches, decoder. The only file that knows all parts.

wav → frozen encoder → content branch and descriptor branch (disentangled by what each stage trains) → causal LLM →
one paragraph with transcript, descriptors and emotion. What trains and what is off is the stage's business: a
``Stage`` is given with every forward, and nothing here has a state of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Decoding
from speechbrain_xser.decoder.heads import HeadAnswer, HeadsDecoder
from speechbrain_xser.decoder.llm import PAPER_LORA
from speechbrain_xser.decoder.prompt import SYSTEM, PromptTemplate
from speechbrain_xser.decoder.protocol import Decoder
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.adapter import Adapter, FrameTokens, SoftTokens
from speechbrain_xser.lobes.bottleneck import NoBottleneck, VariationalBottleneck
from speechbrain_xser.lobes.branch import Branch, BranchOutput, branch_sums
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.stages import SER_STAGE, Mode, Stage
from speechbrain_xser.utils.locks import LOADING
from speechbrain_xser.utils.modes import evaluating
from speechbrain_xser.utils.threads import one_thread_in_forked_children

one_thread_in_forked_children()


class Forward(NamedTuple):
    """What a training step needs of one batch."""

    answer: AnswerLogits | HeadAnswer  # of an LLM at answer positions only
    content: BranchOutput | None  # None where the branch is off
    descriptor: BranchOutput | None  # None where the branch is off


class ExplainableSER(nn.Module):
    """Explains an utterance: encoder → branches → adapters → decoder.

    Arguments
    ---------
    encoder : SpeechEncoder
        Frozen; ours or any module that keeps the protocol.
    content, descriptor : Branch
        What is said, and how.
    decoder : Decoder
        A causal LLM with LoRA; or, for systems without one, a CTC head and a classifier.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> from speechbrain_xser.stages import ASR_STAGE
    >>> model = tiny_model(tempfile.mkdtemp())
    >>> wavs, samples = torch.randn(2, 16000), torch.tensor([16000, 9000])
    >>> output = model(wavs, samples, ASR_STAGE, ["by the door", "kids are talking"])
    >>> output.descriptor is None, output.content.latent.kl.shape  # the first stage has no descriptor branch
    (True, torch.Size([2, 49]))
    >>> len(model.generate(wavs, samples, max_new_tokens=3))
    2
    """

    def __init__(
        self, encoder: SpeechEncoder, content: Branch, descriptor: Branch, decoder: Decoder
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.content = content
        self.descriptor = descriptor
        self.decoder = decoder

    def forward(self, wavs: Tensor, samples: Tensor, stage: Stage, answers: list[str]) -> Forward:
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
            B target texts.

        Returns
        -------
        Forward
            Answer logits [N, V] and the branches' outputs.

        Raises
        ------
        PromptError
            If an utterance is longer than the decoder's context.
        """
        content, descriptor = self.branches(wavs, samples, stage)
        with nullcontext() if stage.decoder == Mode.TRAIN else evaluating(self.decoder):
            answer = self.decoder(content.tokens, descriptor.tokens, stage.instruction, answers)
        return Forward(answer, _computed(content), _computed(descriptor))

    def encode(self, wavs: Tensor, samples: Tensor, stage: Stage = SER_STAGE) -> tuple[SoftTokens, SoftTokens]:
        """Soft tokens of both branches, for several questions to the decoder about the same audio.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S].
        samples : Tensor
            Valid samples, [B], int64.
        stage : Stage
            Decides the mode of each branch.

        Returns
        -------
        tuple of SoftTokens
            Content and descriptor tokens, [B, K, e] with counts [B] each.
        """
        content, descriptor = self.branches(wavs, samples, stage)
        return content.tokens, descriptor.tokens

    def generate(
        self,
        wavs: Tensor,
        samples: Tensor,
        stage: Stage = SER_STAGE,
        max_new_tokens: int | None = None,
        decoding: Decoding = PLAIN_DECODING,
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

        Returns
        -------
        list of str
            B answers; one may be empty.
        """
        with evaluating(self), torch.no_grad():
            content, descriptor = self.encode(wavs, samples, stage)
            options = {"close_quotes": stage.quotes, "decoding": decoding}
            return self.decoder.generate(content, descriptor, stage.instruction, max_new_tokens, **options)

    def explain(
        self,
        wavs: Tensor,
        samples: Tensor,
        stage: Stage,
        emotions: Sequence[str],
        decoding: Decoding = PLAIN_DECODING,
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

        Returns
        -------
        tuple of (list of str, Tensor)
            B answers, and probabilities [B, C].
        """
        with evaluating(self), torch.no_grad():
            return self.explain_tokens(*self.encode(wavs, samples, stage), stage, emotions, decoding)

    def explain_tokens(
        self,
        content: SoftTokens,
        descriptor: SoftTokens,
        stage: Stage,
        emotions: Sequence[str],
        decoding: Decoding = PLAIN_DECODING,
    ) -> tuple[list[str], Tensor]:
        """The same from soft tokens, e.g. those of many batches, joined: rows that have ended make room for others.

        Arguments
        ---------
        content, descriptor : SoftTokens
            From :meth:`encode`, [B, K, e] with counts [B].
        stage, emotions, decoding
            As for :meth:`explain`.

        Returns
        -------
        tuple of (list of str, Tensor)
            B answers, and probabilities [B, C].
        """
        tokens = content, descriptor
        with evaluating(self), torch.no_grad():
            options = {"close_quotes": stage.quotes, "decoding": decoding}
            answers = self.decoder.generate(*tokens, stage.instruction, **options)
            return answers, self.decoder.emotion_probabilities(*tokens, stage.instruction, answers, emotions)

    def branches(
        self, wavs: Tensor, samples: Tensor, stage: Stage = SER_STAGE
    ) -> tuple[BranchOutput, BranchOutput]:
        """Soft tokens of both branches, with the latents that they were made from.

        Arguments
        ---------
        wavs, samples, stage
            As for :meth:`encode`.

        Returns
        -------
        tuple of BranchOutput
            Content and descriptor; the latent of one that is off is ``None``.
        """
        states, modes = self.encoder(wavs, samples), (stage.content, stage.descriptor)
        content, descriptor = branch_sums(states.layers, (self.content, self.descriptor), modes)
        return self.content(states, stage.content, content), self.descriptor(states, stage.descriptor, descriptor)


def _computed(output: BranchOutput) -> BranchOutput | None:
    """A branch's output, or None where it was off."""
    return None if output.latent is None else output


def build_branch(
    encoder: SpeechEncoder,
    width: int | None,
    latent: int | None = 128,
    stack: int = 5,
    adapter_hidden: int = 2048,
    deviation_bias: float = -4.0,
    sigma_is_variance: bool = False,
    level_feature: bool = False,
) -> Branch:
    """Builds one branch on top of an encoder.

    Arguments
    ---------
    encoder : SpeechEncoder
        Its number of layers and width shape the bottleneck.
    width : int or None
        Embedding width of the decoder; ``None`` for one that hears frames.
    latent : int or None
        Size Z of the bottleneck; ``None`` for the weighted sum of the layers itself.
    stack : int
        Frames of one soft token.
    adapter_hidden : int
        Hidden size of the adapter.
    deviation_bias : float
        Start of sigma before the softplus: small, or the decoder never listens.
    sigma_is_variance : bool
        Takes the softplus as the variance instead of the standard deviation.
    level_feature : bool
        Adds the utterance's level to the bottleneck's input.

    Returns
    -------
    Branch

    Example
    -------
    >>> from types import SimpleNamespace
    >>> branch = build_branch(SimpleNamespace(layer_count=3, width=8), width=16, latent=4)
    >>> branch.adapter.width
    16
    """
    size = encoder.width if latent is None else latent
    adapter = FrameTokens(size) if width is None else Adapter(size, width, stack=stack, hidden=adapter_hidden)
    if latent is None:
        return Branch(NoBottleneck(encoder.layer_count), adapter)
    bottleneck = VariationalBottleneck(
        encoder.layer_count,
        encoder.width,
        latent=latent,
        deviation_bias=deviation_bias,
        sigma_is_variance=sigma_is_variance,
        level_feature=level_feature,
    )
    return Branch(bottleneck, adapter)


@LOADING
def build_model(
    encoder_source: str | None,
    llm_source: str | None,
    encoder_revision: str | None = None,
    encoder_dtype: str = "float32",
    encoder_pad_to_seconds: float | None = None,
    llm_revision: str | None = None,
    llm_dtype: str = "bfloat16",
    quantization: Literal["4bit", "8bit"] | None = None,
    lora: Mapping[str, object] | None = PAPER_LORA,
    latent: int | None = 128,
    stack: int = 5,
    adapter_hidden: int = 2048,
    deviation_bias: float = -4.0,
    sigma_is_variance: bool = False,
    level_feature: bool = False,
    classifier_hears: Sequence[str] = ("content", "descriptor"),
    system: str = SYSTEM,
    prompt_style: Literal["llama3", "chat"] = "llama3",
    max_new_tokens: int = 200,
    pad_token: str | None = None,
    checkpointing: bool = False,
    fused_kernels: bool = False,
    load_weights: bool = True,
    custom_encoder: SpeechEncoder | None = None,
) -> ExplainableSER:
    """Builds the model that ``hparams/model.yaml`` describes; the arguments are that file's keys.

    One thread builds at a time: the others wait.

    Arguments
    ---------
    encoder_source, llm_source : str
        Folder, hub id or "packaged:NAME" of the frozen backbones; an ``llm_source`` of ``None`` is a system without an
        LLM, with :class:`~speechbrain_xser.decoder.heads.HeadsDecoder` in its place.
    encoder_revision, llm_revision : str, optional
        Commit, tag or branch of a hub id.
    encoder_dtype, llm_dtype : str
        Types of the frozen weights.
    encoder_pad_to_seconds : float, optional
        Of Whisper only; see :class:`~speechbrain_xser.lobes.encoder.FrozenEncoder`.
    quantization : str, optional
        "4bit" or "8bit" for the LLM.
    checkpointing, fused_kernels : bool
        Of the LLM; see :class:`~speechbrain_xser.decoder.decoder.LLMDecoder`.
    lora : mapping, optional
        ``r``, ``alpha``, ``dropout``, ``targets``; ``None`` for no LoRA.
    latent, stack, adapter_hidden : int
        Of both branches; see :func:`build_branch`.
    deviation_bias, sigma_is_variance
        Of both bottlenecks; see :func:`build_branch`.
    level_feature : bool
        Gives the descriptor branch the utterance's level.
    classifier_hears : sequence of str
        Without an LLM: the branches whose frames the classifier pools.
    system : str
        System turn of the prompt.
    prompt_style : str
        "llama3" or "chat".
    max_new_tokens : int
        Longest generated answer in tokens.
    pad_token : str, optional
        Existing token to pad with, where the tokenizer names none.
    load_weights : bool
        False builds the backbones from their ``config.json`` alone ("meta" device works).
    custom_encoder : SpeechEncoder, optional
        An encoder of any kind, which is used instead of ``encoder_source``.

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
    >>> from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder
    >>> model = build_model(tiny_encoder_folder(tempfile.mkdtemp()), tiny_llm_folder(tempfile.mkdtemp()), latent=4)
    >>> {key.split(".")[0] for key in model.state_dict()} == {"content", "descriptor", "decoder"}
    True
    """
    encoder = custom_encoder
    if encoder is None:
        if encoder_source is None:
            raise BackboneError("this model was built with an encoder of its own: hand one over, custom_encoder=...")
        encoder = FrozenEncoder(encoder_source, encoder_revision, encoder_dtype, load_weights, encoder_pad_to_seconds)
    decoder = None
    if llm_source is not None:
        decoder = LLMDecoder(
            llm_source,
            revision=llm_revision,
            dtype=llm_dtype,
            quantization=quantization,
            lora=lora,
            template=PromptTemplate(system, prompt_style),
            max_new_tokens=max_new_tokens,
            pad_token=pad_token,
            checkpointing=checkpointing,
            fused_kernels=fused_kernels,
            load_weights=load_weights,
        )
    width = None if decoder is None else decoder.width
    shape = {"latent": latent, "stack": stack, "adapter_hidden": adapter_hidden}
    start = {"deviation_bias": deviation_bias, "sigma_is_variance": sigma_is_variance}
    content = build_branch(encoder, width, **shape, **start)
    descriptor = build_branch(encoder, width, **shape, **start, level_feature=level_feature)
    decoder = decoder or HeadsDecoder(content.adapter.width, classifier_hears)
    return ExplainableSER(encoder, content, descriptor, decoder)
