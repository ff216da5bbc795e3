"""Descriptors for any manifest: every clip is measured once, then low and high are decided over the training part.

Measuring is the long part: it runs on all cores, is written down clip by clip, and a killed run goes on where it was.
What cannot be known stays null: age and emotion always, gender where the voice is unclear, emphasis without a
transcript. Values that a manifest has already are kept.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from speechbrain_xser.annotator.cutoffs import Cutoffs, corpus_cutoffs, reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.gender import speaker_gender
from speechbrain_xser.annotator.journal import Journal
from speechbrain_xser.annotator.measures import Measures, measure
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.files import written_beside
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.paragraphs import has_own_paragraphs, with_paragraphs
from speechbrain_xser.data.parallel import in_parallel
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import AudioError

logger = logging.getLogger(__name__)

VERSION = 1  # of the measurements; another one measures everything again
TRAIN = "train"


class Clip(NamedTuple):
    """What a worker needs of one clip."""

    key: str  # equal for an equal file, segment, transcript, language and version
    path: str
    start: float | None
    stop: float | None
    transcript: str | None
    language: str


def annotate(
    manifests: dict[str, str],
    journal: str | os.PathLike,
    data_folder: str | os.PathLike | None = None,
    language: str = "en",
    cutoffs: Literal["corpus", "reference"] = "corpus",
    workers: int | None = None,
) -> dict[str, int]:
    """Fills the descriptor columns and both paragraphs of manifests, in place.

    Arguments
    ---------
    manifests : dict of str to str
        Paths by name. The bounds of a manifest come from the one named ``train`` beside it (``fold_1/train`` for
        ``fold_1/test``), from itself where there is none.
    journal : str or path-like
        Where the measures are kept, a JSONL file; ``cutoffs.json`` is written beside it.
    data_folder : str, path-like or None
        What ``{data_root}`` stands for.
    language : str
        Of the transcripts.
    cutoffs : str
        "corpus": SpeechCraft's percentiles over the training clips; "reference": the fixed bounds of the package.
    workers : int or None
        Clips at a time, None for one a core.

    Returns
    -------
    dict of str to int
        How many clips were there, measured now, and could not be read.

    Raises
    ------
    ManifestError
        If a manifest is wrong.
    """
    utterances = {name: read_manifest(path) for name, path in manifests.items()}
    folders = {name: os.path.dirname(os.path.abspath(path)) for name, path in manifests.items()}
    places = {
        (name, utterance.id): clip_of(utterance, data_folder, folders[name], language)
        for name, rows in utterances.items()
        for utterance in rows
    }
    clips = {clip.key: clip for clip in places.values()}
    with Journal(journal) as measured:
        counts = _measure_missing(clips, measured, workers)
        genders = _speaker_genders(utterances, places, measured)
        bounds: dict[str, Cutoffs] = {}
        for name, rows in utterances.items():
            group = _training(name, manifests)
            if group not in bounds:
                bounds[group] = _bounds(group, utterances[group], places, measured, genders, cutoffs)
            described = [_described(row, measured, places[name, row.id], genders, bounds[group]) for row in rows]
            write_manifest(manifests[name], described)
    with written_beside(Path(journal).with_name("cutoffs.json")) as file:
        json.dump({name: found.as_dict() for name, found in bounds.items()}, file, indent=1)
    logger.info("annotated: %s", counts)
    return counts


def annotated(
    save_folder: str | os.PathLike, data_folder: str | os.PathLike, language: str = "en"
) -> Callable[[dict[str, str]], None]:
    """The annotator as the last step of a preparation.

    Arguments
    ---------
    save_folder : str or path-like
        Where ``measures.jsonl`` goes; measures that are there are used.
    data_folder : str or path-like
        What ``{data_root}`` stands for.
    language : str
        Of the transcripts.

    Returns
    -------
    Callable
        For ``prepare_once``.

    Example
    -------
    >>> annotated("results", "corpus").keywords["language"]
    'en'
    """
    return partial(annotate, journal=Path(save_folder, "measures.jsonl"), data_folder=data_folder, language=language)


def clip_of(
    utterance: Utterance, data_folder: str | os.PathLike | None, folder: str | os.PathLike, language: str = "en"
) -> Clip:
    """Where an utterance's sound is, and the key of its measures.

    Arguments
    ---------
    utterance : Utterance
        Of a manifest.
    data_folder : str, path-like or None
        What ``{data_root}`` stands for.
    folder : str or path-like
        Where the manifest lies.
    language : str
        Of the transcript.

    Returns
    -------
    Clip

    Example
    -------
    >>> clip_of(Utterance("a", "a.wav"), None, "/corpus").path
    '/corpus/a.wav'
    """
    path = resolve(utterance, data_folder, folder)
    size = os.path.getsize(path) if os.path.exists(path) else -1
    known = [VERSION, path, size, utterance.start, utterance.stop, utterance.transcript, language]
    key = sha256(json.dumps(known).encode()).hexdigest()[:24]
    return Clip(key, path, utterance.start, utterance.stop, utterance.transcript, language)


def _measure_missing(clips: dict[str, Clip], journal: Journal, workers: int | None) -> dict[str, int]:
    """Measures what the journal lacks and writes it down as it comes."""
    missing = [clip for key, clip in clips.items() if key not in journal]
    counts = Counter(clips=len(clips), measured=0, unreadable=0)
    for clip, found in zip(missing, in_parallel(_measured, missing, "measuring", len(missing), workers), strict=True):
        if isinstance(found, Measures):
            journal.add(clip.key, found)
            counts["measured"] += 1
        else:
            logger.warning("not annotated: %s", found)
            counts["unreadable"] += 1
    return dict(counts)


def _measured(clip: Clip) -> Measures | str:
    try:
        return measure(load_audio(clip.path, clip.start, clip.stop), clip.transcript, clip.language)
    except AudioError as error:
        return str(error)


def _training(name: str, manifests: dict[str, str]) -> str:
    """The manifest that the bounds of another come from."""
    train = f"{name.rpartition('/')[0]}/{TRAIN}".lstrip("/")
    return train if train in manifests else name


def _speaker_genders(utterances: dict[str, list[Utterance]], places: dict, journal: Journal) -> dict[str, str]:
    """Estimated gender of each speaker whose gender no clip tells, all of the speaker's clips together."""
    odds: dict[str, dict[str, float]] = defaultdict(dict)
    for name, rows in utterances.items():
        for row in rows:
            key = places[name, row.id].key
            if row.gender is None and row.speaker is not None and key in journal:
                if (found := journal[key].gender_log_odds) is not None:
                    odds[row.speaker][key] = found
    genders = {speaker: speaker_gender(found.values()) for speaker, found in odds.items()}
    return {speaker: gender for speaker, gender in genders.items() if gender is not None}


def _bounds(
    group: str, rows: list[Utterance], places: dict, journal: Journal, genders: dict[str, str], cutoffs: str
) -> Cutoffs:
    if cutoffs == "reference":
        return reference_cutoffs()

    def clips() -> Iterator[tuple[Measures, str | None]]:
        for row in rows:
            if (key := places[group, row.id].key) in journal:
                yield journal[key], row.gender or genders.get(row.speaker)

    return corpus_cutoffs(clips(), f"percentiles of {group}")


def _described(row: Utterance, journal: Journal, clip: Clip, genders: dict[str, str], cutoffs: Cutoffs) -> Utterance:
    """The row with what it lacked, and new paragraphs unless it has a human's."""
    if clip.key not in journal:
        return row
    found = descriptors_of(journal[clip.key], cutoffs, row.transcript, row.gender or genders.get(row.speaker))
    own = has_own_paragraphs(row)
    row = row._replace(**{field: value for field, value in found.items() if getattr(row, field) is None})
    return row if own else with_paragraphs(row._replace(description=None, caption=None))
