"""What a run would find out only after hours: texts, stages and branches that cannot be, told before its first step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from speechbrain_xser.data.pipeline import items_of
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.stages import Stage, target_text
from speechbrain_xser.training.context_limit import check_context_limit
from speechbrain_xser.training.schedule import StageSchedule

if TYPE_CHECKING:
    from speechbrain.dataio.dataset import DynamicItemDataset

    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.training.training_settings import TrainingSettings


def check_clips(clips: Mapping[str, DynamicItemDataset], model: ExplainableSER, settings: TrainingSettings) -> None:
    """Checks all texts before the first step."""
    stages = settings.schedule().stages
    for split in ("train", "valid"):
        check_targets(clips[split], settings.schedule())
        answered = any(stage.rewarded for stage in stages) if split == "train" else settings.search_limit != 0
        check_context_limit(clips[split], model, stages, generated=answered)
    if "test" in clips:  # answered after the training; too late to find out
        check_context_limit(clips["test"], model, stages[-1:], generated=True)


def check_targets(clips: DynamicItemDataset, schedule: StageSchedule) -> None:
    """Builds every target of every scheduled stage once, so that an impossible one stops the run at its start.

    Arguments
    ---------
    clips : DynamicItemDataset
        From ``data.pipeline.dataset``.
    schedule : StageSchedule
        Names the stages.

    Raises
    ------
    ManifestError
        Names the utterance and the stage.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import Utterance
    >>> from speechbrain_xser.data.pipeline import dataset
    >>> clips = dataset([Utterance("a", "a.wav", duration=1.0)])
    >>> check_targets(clips, StageSchedule(order="one_stage"))  # a paragraph may do without a transcript
    >>> check_targets(clips, StageSchedule())
    Traceback (most recent call last):
    speechbrain_xser.errors.ManifestError: Utterance 'a' has no transcript, but stage 'asr' is trained on ...
    """
    for item in items_of(clips):
        for stage in schedule.stages:
            target_text(stage, item["utterance"])


def check_stages(model: ExplainableSER, stages: Iterable[Stage]) -> None:
    """Raises a ``SettingsError`` if a stage is a start or rewarded, and the model lacks the LLM or a branch for it."""
    for stage in (stage for stage in stages if stage.start is not None or stage.rewarded):
        lacks = [name for name in stage.branches if name not in model.branches]
        lacks += [] if hasattr(model.decoder, "embed_text") else ["an LLM"]
        if lacks:
            kind = "stage" if stage.start is None else "start"
            raise SettingsError(f"The {kind} {stage.name!r} needs {' and '.join(lacks)}: this model has none.")


def check_new_branches(model: ExplainableSER, settings: TrainingSettings) -> None:
    """Raises a ``SettingsError`` if a new branch is none of the model's, or all of them are new anyway."""
    if unknown := [name for name in settings.new_branches if name not in model.branches]:
        raise SettingsError(f"new_branches has {unknown[0]!r}; expected some of {', '.join(model.branches)}.")
    if settings.new_branches and settings.start_from is None:
        raise SettingsError("new_branches excepts branches from start_from, which is not given.")
