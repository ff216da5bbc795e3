"""Measures faithfulness over a manifest.

It checks whether the signal supports what paragraphs claim, and whether the branch that is said to carry a label really
does.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from speechbrain_xser.annotator.measured_clips import MeasuredClip, clip_of
from speechbrain_xser.answer.claim import Verdict
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.subset import sampled_batches
from speechbrain_xser.errors import ManifestError, SettingsError
from speechbrain_xser.evidence.claims import check_claims
from speechbrain_xser.evidence.clip_evidence import check_paragraphs
from speechbrain_xser.evidence.knockout import Knockout, knock_out
from speechbrain_xser.stages import STAGES, VOICE
from speechbrain_xser.utils.modes import evaluating
from speechbrain_xser.utils.parallel import in_parallel

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

CLIPS = 500
FIELDS = ("gender", "pitch", "volume", "speed", "intonation", "emphasis")  # the measurable ones


class Support(NamedTuple):
    """How the signal judges the claims about one descriptor.

    Example
    -------
    >>> Support(supported=3, contradicted=1, unmeasured=6).share
    75.0
    """

    supported: int
    contradicted: int
    unmeasured: int

    @property
    def share(self) -> float | None:
        """Percent of the measured claims that are supported; None if none was measured."""
        measured = self.supported + self.contradicted
        return 100 * self.supported / measured if measured else None


class Faithfulness(NamedTuple):
    """The faithfulness of one model on one manifest."""

    claims: dict[str, Support]  # by descriptor
    knockouts: tuple[Knockout, ...]  # one for each clip


class Carried(NamedTuple):
    """Percent of many clips, for which removing a branch has an effect."""

    by_voice: float  # have a label whose carrier, by the Shapley value, is the descriptor branch
    renamed_named: float  # name another emotion without the carrier
    renamed_other: float  # name another emotion without one of the other branches
    moved_more: float  # move further without the carrier than without any other branch


def measure_faithfulness(
    recognizer: ExplainableEmotionRecognizer,
    manifest: str,
    data_folder: str | None = None,
    clips: int | None = CLIPS,
    workers: int | None = None,
) -> Faithfulness:
    """Checks the claims of a model's paragraphs, and removes its branches in turn.

    ``clips`` limits the clips, drawn by a checksum of their ids. If the manifest has transcripts, rate and emphasis are
    measured from them.

    Raises
    ------
    ManifestError
        If the manifest is invalid, or none of its clips can be read.
    TrainingError
        If more than 1 % of the clips cannot be read.
    SettingsError
        If the model writes no paragraphs, or has only one branch.
    """
    stage = STAGES[recognizer.hparams.stage]
    check_paragraphs(recognizer.mods.model, stage)
    model = recognizer.mods.model
    if len(stage.on(model.branches)) < 2 or len(stage.on(model.branches)) < len(model.branches):
        raise SettingsError(
            f"In stage {stage.name!r} of this model a branch is off; expected two or more, to be removed in turn. Use "
            "a model of another system."
        )
    heard = {"label": "taking out branches", "cut_silence": recognizer.hparams.cut_silence}
    batches = sampled_batches(manifest, data_folder, recognizer.hparams.max_seconds, clips, **heard)
    told, knockouts = [], []
    for utterances, paragraphs, found in _batches(recognizer, batches):
        told += zip(utterances, paragraphs, strict=True)
        knockouts += found
    if not told:
        raise ManifestError(f"{manifest}: no clip can be read. Run: xser check {manifest}.")
    folder = os.path.dirname(os.path.abspath(manifest))
    sounds = [(clip_of(utterance, data_folder, folder), paragraph) for utterance, paragraph in told]
    return Faithfulness(supports(sounds, workers), tuple(knockouts))


def carried(knockouts: Sequence[Knockout]) -> Carried:
    """Compares the effect of removing the carrier with that of removing another branch.

    Example
    -------
    >>> from speechbrain_xser.evidence.knockout import Loss
    >>> voice = Knockout("descriptor", {"content": Loss(False, 0.1), "descriptor": Loss(True, 0.6)})
    >>> carried([voice, voice._replace(carrier="content")])
    Carried(by_voice=50.0, renamed_named=50.0, renamed_other=50.0, moved_more=50.0)
    """
    return Carried(
        _percent(one.carrier == VOICE for one in knockouts),
        _percent(one.named.renamed for one in knockouts),
        _percent(other.renamed for one in knockouts for other in one.others),
        _percent(one.named.moved > max(other.moved for other in one.others) for one in knockouts),
    )


def _percent(facts: Iterable[bool]) -> float:
    facts = list(facts)
    return 100 * sum(facts) / len(facts)


def _batches(
    recognizer: ExplainableEmotionRecognizer, batches: Iterable[Batch]
) -> Iterator[tuple[Sequence[Utterance], list[str], list[Knockout]]]:
    model, stage, emotions = recognizer.mods.model, STAGES[recognizer.hparams.stage], recognizer.hparams.emotions
    for batch in batches:
        with evaluating(model), torch.no_grad():
            tokens = model.encode(batch.wavs.to(recognizer.device), batch.samples, stage)
            paragraphs, _ = model.explain_tokens(tokens, stage, emotions, recognizer.decoding)
            found = knock_out(model, tokens, stage, paragraphs, emotions, recognizer.decoding)
        yield batch.utterances, paragraphs, found


def supports(sounds: Sequence[tuple[MeasuredClip, str]], workers: int | None = None) -> dict[str, Support]:
    """How the signal judges the claims of paragraphs, by descriptor; ``sounds`` are clips with a paragraph each."""
    counts = Counter()
    for verdicts in in_parallel(_verdicts, sounds, "checking claims", len(sounds), workers):
        counts.update(verdicts)
    told = [field for field in FIELDS if any(counts[field, verdict] for verdict in Verdict)]
    judged = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNMEASURED)
    return {field: Support(*(counts[field, verdict] for verdict in judged)) for field in told}


def _verdicts(sound: tuple[MeasuredClip, str]) -> list[tuple[str, Verdict]]:
    clip, paragraph = sound
    wav = load_audio(clip.path, clip.start, clip.stop)
    claims = check_claims(paragraph, wav, clip.transcript or None, language=clip.language)
    return [(claim.field, claim.verdict) for claim in claims]
