"""The one table that says what trains in which stage, on which target and under which instruction.

Nothing else in the package decides this (no ``requires_grad`` is toggled anywhere): a part that is *frozen* runs
under ``no_grad`` in eval and is absent from the stage's optimiser; a part that is *off* is not computed at all and
its soft tokens are zero vectors of the same length (paper, Sec. 3.5).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.answer.label_words import label_text
from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.answer.render import describe, render
from speechbrain_xser.errors import ManifestError

if TYPE_CHECKING:
    from speechbrain_xser.data.manifest import Utterance

TRANSCRIBE = "Please transcribe the input audio."
CAPTION = "Please caption the input audio according to content and speech descriptor-related information."
CLASSIFY = "Please name the emotion of the input audio."


class Mode(StrEnum):
    """What a stage does with a part of the model.

    Example
    -------
    >>> Mode("frozen") is Mode.FROZEN, Mode.OFF == "off"
    (True, True)
    """

    TRAIN = "train"  # with gradients; sampled if the module is in training
    FROZEN = "frozen"  # no gradients, posterior mean
    OFF = "off"  # zero vectors, nothing computed


class Stage(NamedTuple):
    """One stage of training: the mode of each part, the target and the instruction.

    Example
    -------
    >>> [stage.mode(branch).value for stage in (ASR_STAGE, SER_STAGE) for branch in BRANCHES]
    ['train', 'off', 'frozen', 'train']
    >>> ASR_STAGE.on(BRANCHES), SER_STAGE.mode("speaker").value  # a branch that a stage does not name is off
    (('content',), 'off')
    >>> [name for name, stage in STAGES.items() if stage.rewarded]
    ['rl', 'rl_asr', 'rl_sed', 'rl_one']
    """

    name: str  # the key in STAGES, and in checkpoints
    branches: Mapping[str, Mode]  # of each branch and its adapter; one that is not named is off
    decoder: Mode  # of the decoder's LoRA; its base never trains
    target: str  # key of TARGETS
    instruction: str  # the user's turn after the slots
    start: str | None = None  # a key of lobes.starts.STARTS, which scores the branches in the place of the decoder
    rewarded: bool = False  # answers are sampled and rewarded; the target is for validation and the reward's parts

    def mode(self, branch: str) -> Mode:
        """The mode of a branch."""
        return self.branches.get(branch, Mode.OFF)

    def on(self, branches: Iterable[str]) -> tuple[str, ...]:
        """Those of some branches that are not off."""
        return tuple(branch for branch in branches if self.mode(branch) is not Mode.OFF)

    @property
    def quotes(self) -> bool:
        """Whether answers quote: a paragraph does, a transcript on its own may hold a lone mark of inches."""
        return self.target not in ("transcript", "emotion", "labels")

    @property
    def transcribes(self) -> bool:
        """Whether answers say what was said, on its own or in quotes."""
        return self.target in ("transcript", "paragraph", "transcript+emotion")

    @property
    def names_emotion(self) -> bool:
        """Whether answers name an emotion: all but a transcript do, and a start has no answers."""
        return self.target not in ("transcript", "labels")


TRAIN, FROZEN = Mode.TRAIN, Mode.FROZEN
ASR_STAGE = Stage("asr", {"content": TRAIN}, TRAIN, "transcript", TRANSCRIBE)
SER_STAGE = Stage("ser", {"content": FROZEN, "descriptor": TRAIN}, TRAIN, "paragraph", CAPTION)

ANSWERED = (  # the second stage of each system with an LLM
    SER_STAGE,
    SER_STAGE._replace(name="ser_asr", target="transcript+emotion"),
    SER_STAGE._replace(name="ser_sed", branches={"descriptor": TRAIN}, target="descriptors+emotion"),
    SER_STAGE._replace(name="ser_one", branches={"content": TRAIN}),
)

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        ASR_STAGE,
        *ANSWERED,
        *(stage._replace(name=f"rl{stage.name.removeprefix('ser')}", rewarded=True) for stage in ANSWERED),
        SER_STAGE._replace(name="joint", branches={"content": TRAIN, "descriptor": TRAIN}),
        SER_STAGE._replace(name="ser_lora", branches={"content": FROZEN, "descriptor": FROZEN}),
        SER_STAGE._replace(name="emotion", target="emotion", instruction=CLASSIFY),
        Stage("ctc", {"content": TRAIN}, Mode.OFF, "transcript", "", start="ctc"),
        Stage("labels", {"descriptor": TRAIN}, Mode.OFF, "labels", "", start="labels"),
    )
}
BRANCHES = ("content", "descriptor")  # of the paper's model, in the order of their slots in the prompt
VOICE = "descriptor"  # the branch that the training set's mean voice is of


def trained_parts(stage: Stage) -> tuple[str, ...]:
    """Names of the model's parts that a stage's optimiser holds.

    Example
    -------
    >>> trained_parts(ASR_STAGE), trained_parts(SER_STAGE)
    (('branches.content', 'decoder'), ('branches.descriptor', 'decoder'))
    """
    branches = tuple(f"branches.{name}" for name, mode in stage.branches.items() if mode is Mode.TRAIN)
    return (*branches, *(["decoder"] if stage.decoder is Mode.TRAIN else []))


def _transcript(utterance: Utterance) -> str:
    return utterance.record().transcript


def _variant(utterance: Utterance) -> int:
    """A wording chosen by the utterance's id, the same on every machine and in every epoch."""
    return zlib.crc32(utterance.id.encode("utf-8", "surrogatepass"))


def _paragraph(utterance: Utterance) -> str:
    return utterance.caption or render(utterance.record(), variant=_variant(utterance))


def _transcript_emotion(utterance: Utterance) -> str:
    return render(utterance.record()._replace(descriptors=Descriptors()), variant=_variant(utterance))


def _descriptors_emotion(utterance: Utterance) -> str:
    return utterance.description or describe(utterance.record(), variant=_variant(utterance))


def _emotion(utterance: Utterance) -> str:
    return utterance.emotion


def _labels(utterance: Utterance) -> str:
    return label_text(utterance.record())


TARGETS = {
    "transcript": _transcript,
    "paragraph": _paragraph,
    "transcript+emotion": _transcript_emotion,
    "descriptors+emotion": _descriptors_emotion,
    "emotion": _emotion,
    "labels": _labels,
}


def target_text(stage: Stage, utterance: Utterance) -> str:
    """The text that the decoder learns to answer for an utterance in a stage.

    Arguments
    ---------
    stage : Stage
        Decides the target.
    utterance : Utterance
        A manifest's record.

    Returns
    -------
    str
        The corpus's own caption or description where it has one, else a rendered one.

    Raises
    ------
    ManifestError
        If the utterance has no transcript, or no emotion, and the stage's target is that.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import Utterance
    >>> target_text(ASR_STAGE, Utterance(id="a", wav="a.wav", transcript="good morning"))
    'good morning'
    """
    if stage.target == "transcript" and utterance.transcript is None:
        raise ManifestError(
            f"Utterance {utterance.id!r} has no transcript, but stage {stage.name!r} is trained on transcripts: "
            "remove it from the training manifest, or use a schedule without that stage."
        )
    if stage.target == "emotion" and utterance.emotion is None:
        raise ManifestError(
            f"Utterance {utterance.id!r} has no emotion, but stage {stage.name!r} is trained on emotions: remove it "
            "from the training manifest."
        )
    text = TARGETS[stage.target](utterance)
    if stage.target == "labels" and not text:
        raise ManifestError(
            f"Utterance {utterance.id!r} has no label, but stage {stage.name!r} is trained on labels: remove it from "
            "the training manifest."
        )
    return text
