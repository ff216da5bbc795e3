"""Fills in descriptors for any manifest: measures every clip once, then decides low and high by the training clips.

Measuring takes most of the time, so it runs on all cores and is saved clip by clip; an interrupted run continues where
it stopped. Manifests are read and written line by line. What cannot be known stays null: age and emotion without a
classifier, gender if the voice is unclear, emphasis without a transcript. Existing values are kept.
"""

from __future__ import annotations

import json
import logging
import os
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Literal, NamedTuple

from tqdm import tqdm

from speechbrain_xser.annotator.classifier import Classifier, Estimate, estimate
from speechbrain_xser.annotator.cutoffs import Cutoffs, corpus_cutoffs, reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.gender import speaker_gender
from speechbrain_xser.annotator.measured_clips import MeasuredClip, Rows, each_clip, read_rows
from speechbrain_xser.annotator.measures import Measures, measure
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.data.member import sound_digest
from speechbrain_xser.data.paragraphs import Wording, has_own_paragraphs, with_paragraphs
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.journal import Journal
from speechbrain_xser.utils.parallel import in_parallel

logger = logging.getLogger(__name__)

TRAIN = "train"
ESTIMATES = "estimates.sqlite"


class Measured(NamedTuple):
    """What a worker returns for one clip."""

    key: str
    found: Measures | str  # a string says why the clip cannot be read


def annotate(
    manifests: dict[str, str],
    journal: str | os.PathLike,
    data_folder: str | os.PathLike | None = None,
    language: str = "en",
    cutoffs: Literal["corpus", "reference"] = "corpus",
    workers: int | None = None,
    wording: Wording = "plain",
    classifier: Classifier | None = None,
) -> dict[str, int]:
    """Fills in the descriptor columns and both paragraphs of manifests, in place.

    Arguments
    ---------
    manifests : dict of str to str
        Paths by name. The cut-offs for a manifest come from the ``train`` manifest beside it (``fold_1/train`` for
        ``fold_1/test``), or from the manifest itself if there is none.
    journal : str or path-like
        Where the measures are stored, as a :class:`~speechbrain_xser.utils.journal.Journal`. ``cutoffs.json`` and, with
        a classifier, ``estimates.sqlite`` are written beside it.
    data_folder : str, path-like or None
        Replaces ``{data_root}`` in paths.
    language : str
        Language of the transcripts.
    cutoffs : str
        "corpus": SpeechCraft's percentiles over the training clips; "reference": the package's fixed cut-offs.
    workers : int or None
        Clips measured at once; None for one per core.
    wording : str
        Wording of the paragraphs: "plain" or "varied".
    classifier : Classifier or None
        Fills in emotion and age where they are null; without one they stay null.

    Returns
    -------
    dict of str to int
        How many clips there are, how many were measured now, and how many could not be read.

    Raises
    ------
    ManifestError
        If a manifest is invalid, or a classifier's label is outside its vocabulary.
    JournalError
        If the file is not a journal, is damaged, or is in use.
    """
    digest = cache(sound_digest)  # manifests are read several times
    rows = {name: partial(read_rows, path, data_folder, language, digest) for name, path in manifests.items()}
    bounds: dict[str, Cutoffs] = {}
    with ExitStack() as stack:
        measured = stack.enter_context(Journal(journal, Measures))
        estimates = stack.enter_context(Journal(Path(journal).with_name(ESTIMATES), Estimate)) if classifier else None
        counts = _measure_missing(rows, measured, workers)
        if estimates is not None:
            _estimate_missing(rows, measured, estimates, classifier)
        genders = _speaker_genders(rows, measured)
        for name, path in manifests.items():
            group = _training(name, manifests)
            if group not in bounds:
                bounds[group] = _bounds(group, rows[group], measured, genders, cutoffs)
            describe = partial(_described, measured, genders, bounds[group], wording)
            filled = ((_estimated(row, clip, estimates, classifier), clip) for row, clip in rows[name]())
            write_manifest(path, (describe(row, clip) for row, clip in filled))
    with written_beside(Path(journal).with_name("cutoffs.json")) as file:
        json.dump({name: found.as_dict() for name, found in bounds.items()}, file, indent=1)
    logger.info("annotated: %s", counts)
    return counts


def annotation(
    wanted: bool,
    save_folder: str | os.PathLike,
    data_folder: str | os.PathLike,
    language: str = "en",
    wording: Wording = "plain",
) -> list[Callable[[dict[str, str]], object]]:
    """The annotator as the last step of a preparation, if it is wanted.

    Arguments
    ---------
    wanted : bool
        The recipe's ``annotate`` setting.
    save_folder : str or path-like
        Where ``measures.sqlite`` is written; existing measures are reused.
    data_folder : str or path-like
        Replaces ``{data_root}`` in paths.
    language : str
        Language of the transcripts.
    wording : str
        Wording of the paragraphs.

    Returns
    -------
    list of Callable
        Pass it to ``prepare_once`` as ``finish``; empty if the annotator is not wanted.

    Example
    -------
    >>> annotation(False, "results", "corpus"), annotation(True, "results", "corpus")[0].keywords["language"]
    ([], 'en')
    """
    journal = Path(save_folder, "measures.sqlite")
    step = partial(annotate, journal=journal, data_folder=data_folder, language=language, wording=wording)
    return [step] if wanted else []


def _measure_missing(rows: dict[str, Rows], journal: Journal[Measures], workers: int | None) -> dict[str, int]:
    """Measures the clips that the journal lacks, saving each at once."""
    counts = Counter(clips=sum(1 for _ in each_clip(rows)), measured=0, unreadable=0)
    total = sum(clip.key not in journal for _, clip in each_clip(rows))
    missing = (clip for _, clip in each_clip(rows) if clip.key not in journal)
    for key, found in in_parallel(_measured, missing, "measuring", total, workers):
        if isinstance(found, Measures):
            journal.add(key, found)
            counts["measured"] += 1
        else:
            logger.warning("not annotated: %s", found)
            counts["unreadable"] += 1
    return dict(counts)


def _measured(clip: MeasuredClip) -> Measured:
    try:
        wave = load_audio(clip.path, clip.start, clip.stop)
        return Measured(clip.key, measure(wave, clip.transcript, clip.language))
    except AudioError as error:
        return Measured(clip.key, str(error))


def _estimate_missing(
    rows: dict[str, Rows], measured: Journal[Measures], estimates: Journal[Estimate], classifier: Classifier
) -> None:
    """Runs the classifier on readable clips whose emotion or age is null."""
    asked = ((row, clip) for row, clip in each_clip(rows) if clip.key in measured and None in (row.emotion, row.age))
    for _, clip in tqdm(asked, desc="classifying", unit="clip", disable=None):
        if (key := _estimate_key(clip, classifier)) not in estimates:
            estimates.add(key, estimate(classifier, load_audio(clip.path, clip.start, clip.stop)))


def _estimate_key(clip: MeasuredClip, classifier: Classifier) -> str:
    return f"{clip.key} {classifier.name}"


def _estimated(
    row: Utterance, clip: MeasuredClip, estimates: Journal[Estimate] | None, classifier: Classifier | None
) -> Utterance:
    """The row with the classifier's labels where it had none."""
    if estimates is None or (key := _estimate_key(clip, classifier)) not in estimates:
        return row
    found, own = estimates[key], has_own_paragraphs(row)
    filled = row._replace(emotion=row.emotion or found.emotion, age=row.age or found.age)
    return filled if own else filled._replace(description=None, caption=None)


def _training(name: str, manifests: dict[str, str]) -> str:
    """The manifest that the cut-offs for another come from."""
    train = f"{name.rpartition('/')[0]}/{TRAIN}".lstrip("/")
    return train if train in manifests else name


def _speaker_genders(rows: dict[str, Rows], journal: Journal[Measures]) -> dict[str, str]:
    """Estimates the gender of each speaker for whom no metadata gives it, from all of the speaker's clips."""
    odds: dict[str, array] = defaultdict(lambda: array("d"))
    for row, clip in each_clip(rows):
        if row.gender is None and row.speaker is not None and clip.key in journal:
            if (found := journal[clip.key].gender_log_odds) is not None:
                odds[row.speaker].append(found)
    genders = {speaker: speaker_gender(found) for speaker, found in odds.items()}
    return {speaker: gender for speaker, gender in genders.items() if gender is not None}


def _bounds(group: str, rows: Rows, journal: Journal[Measures], genders: dict[str, str], cutoffs: str) -> Cutoffs:
    if cutoffs == "reference":
        return reference_cutoffs()
    clips = ((journal[clip.key], row.gender or genders.get(row.speaker)) for row, clip in rows() if clip.key in journal)
    return corpus_cutoffs(clips, f"percentiles of {group}")


def _described(
    journal: Journal[Measures],
    genders: dict[str, str],
    cutoffs: Cutoffs,
    wording: Wording,
    row: Utterance,
    clip: MeasuredClip,
) -> Utterance:
    """The row with missing descriptors filled in, and new paragraphs unless it has human-written ones."""
    if clip.key not in journal:
        return row
    return described(row, journal[clip.key], cutoffs, wording, row.gender or genders.get(row.speaker))


def described(row: Utterance, measures: Measures, cutoffs: Cutoffs, wording: Wording, gender: str | None) -> Utterance:
    """A row with missing descriptors filled in by measures, and new paragraphs unless it has human-written ones.

    Example
    -------
    >>> described(Utterance("a", "a.wav"), Measures(level_decibels=-60.0), reference_cutoffs(), "plain", None).volume
    'low'
    """
    found = descriptors_of(measures, cutoffs, row.transcript, gender)
    own = has_own_paragraphs(row)
    row = row._replace(**{field: value for field, value in found.items() if getattr(row, field) is None})
    return row if own else with_paragraphs(row._replace(description=None, caption=None), wording)
