"""The data doctor: finds what would make training wrong before a run, clip by clip, and names it.

A serious finding means that training or its scores would be wrong; the others are worth a look.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.data.corpus_facts import Figures
from speechbrain_xser.data.examination import Examination, examine
from speechbrain_xser.data.manifest import Utterance, readers
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.errors import LabelError, ManifestError
from speechbrain_xser.utils.parallel import in_parallel
from speechbrain_xser.utils.plain_table import plain_table

SILENT_PEAK = 1e-4  # of full scale; below three 16-bit steps there is no speech
EXAMPLES = 5
SERIOUS = {  # whether training or its scores would be wrong
    "wrong record": True,
    "label outside its set": True,
    "duplicate id": True,
    "missing": True,
    "unreadable": True,
    "silent": True,
    "too long": True,
    "too short": True,
    "speaker in two splits": True,
    "audio in two splits": True,
    "count differs from the corpus": True,
    "duplicate audio": False,
    "empty transcript": False,
    "clipped": False,
    "other sample rate": False,
    "several channels": False,
}


class Finding(NamedTuple):
    """One kind of fault, and the clips that have it."""

    kind: str  # one of SERIOUS
    serious: bool  # training or its scores would be wrong
    clips: tuple[str, ...]  # ids, with what was found


class Report(NamedTuple):
    """What the data doctor found."""

    clips: int
    hours: float
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing serious was found."""
        return not any(finding.serious for finding in self.findings)

    def as_dict(self) -> dict:
        """The report as plain values, for JSON."""
        findings = [{**finding._asdict(), "clips": list(finding.clips)} for finding in self.findings]
        return {"healthy": self.healthy, "clips": self.clips, "hours": round(self.hours, 3), "findings": findings}

    def text(self) -> str:
        """The report as a table, followed by the first clips of each finding."""
        rows = [("found", "serious", "clips")]
        rows += [(found.kind, "yes" if found.serious else "no", str(len(found.clips))) for found in self.findings]
        named = [
            f"{found.kind}: {clip}" for found in self.findings for clip in (*found.clips[:EXAMPLES], *_more(found))
        ]
        verdict = "Nothing serious." if self.healthy else "Do not train on this."
        return "\n".join([plain_table(rows), *named, f"{self.clips} clips, {self.hours:.2f} hours. {verdict}"])


def check(
    manifests: str | os.PathLike | Sequence[str | os.PathLike],
    data_folder: str | os.PathLike | None = None,
    published: Figures | None = None,
    min_seconds: float = 0.3,
    max_seconds: float = 30.0,
    workers: int | None = None,
) -> Report:
    """Checks every record and every clip of one or more manifests.

    Arguments
    ---------
    manifests : path or sequence of paths
        JSONL manifests; several count as the splits of one corpus.
    data_folder : str, path-like or None
        Replaces ``{data_root}`` in paths; None for relative paths.
    published : Figures or None
        Counts to compare with; the manifests must then be the whole corpus.
    min_seconds, max_seconds : float
        Shorter or longer clips cannot be trained on.
    workers : int or None
        Clips examined at once; None for one per core.

    Returns
    -------
    Report

    Raises
    ------
    ManifestError
        If a manifest is not a text file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train.jsonl"
    >>> _ = path.write_text('{"id": "a", "wav": "gone.wav"}')
    >>> report = check(path, workers=1)
    >>> report.healthy, [finding.kind for finding in report.findings]
    (False, ['missing', 'empty transcript'])
    """
    paths = [manifests] if isinstance(manifests, str | os.PathLike) else list(manifests)
    found: dict[str, list[str]] = defaultdict(list)
    entries = [entry for path in paths for entry in _entries(path, found)]
    work = partial(_examined, data_folder)
    examinations = list(in_parallel(work, entries, "examining", len(entries), workers))
    for entry, examination in zip(entries, examinations, strict=True):
        _judge(entry.utterance, examination, (min_seconds, max_seconds), found)
    _compare(entries, examinations, found)
    if published is not None:
        found["count differs from the corpus"] += _miscounted(entries, published)
    hours = sum(examination.seconds for examination in examinations) / 3600
    findings = (Finding(kind, serious, tuple(found[kind])) for kind, serious in SERIOUS.items() if found[kind])
    return Report(len(entries), hours, tuple(findings))


class _Entry(NamedTuple):
    """A clip, and where its record is."""

    side: str  # the manifest's name
    folder: str  # where the manifest lies
    utterance: Utterance


def _more(finding: Finding) -> list[str]:
    rest = len(finding.clips) - EXAMPLES
    return [f"and {rest} more"] if rest > 0 else []


def _entries(path: str | os.PathLike, found: dict[str, list[str]]) -> list[_Entry]:
    """The records that can be read; the faults of the others are added to ``found``."""
    entries, seen = [], set()
    for read in readers(path):
        try:
            utterance = read()
        except LabelError as error:
            found["label outside its set"].append(str(error))
        except ManifestError as error:
            found["wrong record"].append(str(error))
        else:
            if utterance.id in seen:
                found["duplicate id"].append(f"{utterance.id} in {path}")
            seen.add(utterance.id)
            entries.append(_Entry(Path(path).stem, os.path.dirname(os.path.abspath(path)), utterance))
    return entries


def _examined(data_folder: str | os.PathLike | None, entry: _Entry) -> Examination:
    return examine(entry.utterance, data_folder, entry.folder)


def _judge(utterance: Utterance, clip: Examination, limits: tuple[float, float], found: dict[str, list[str]]) -> None:
    """Adds the faults of one clip by itself."""
    if utterance.transcript is None:
        found["empty transcript"].append(utterance.id)
    if clip.fault is not None:
        found["missing" if clip.missing else "unreadable"].append(f"{utterance.id}: {clip.fault}")
        return
    shortest, longest = limits
    wrong = {
        "silent": (clip.peak < SILENT_PEAK, f"peak {clip.peak:g}"),
        "clipped": (clip.clipped, f"peak {clip.peak:g}"),
        "too short": (clip.seconds < shortest, f"{clip.seconds:.2f} s"),
        "too long": (clip.seconds > longest, f"{clip.seconds:.2f} s"),
        "other sample rate": (clip.sample_rate != SAMPLE_RATE, f"{clip.sample_rate} Hz"),
        "several channels": (clip.channels > 1, f"{clip.channels} channels"),
    }
    for kind, (is_so, what) in wrong.items():
        if is_so:
            found[kind].append(f"{utterance.id}: {what}")


def _compare(entries: list[_Entry], examinations: list[Examination], found: dict[str, list[str]]) -> None:
    """Adds the faults between clips: one sound or one speaker in two places."""
    sounds, speakers = defaultdict(list), defaultdict(set)
    for entry, clip in zip(entries, examinations, strict=True):
        if clip.digest and clip.peak >= SILENT_PEAK:
            sounds[clip.digest].append(entry)
        if entry.utterance.speaker:
            speakers[entry.utterance.speaker].add(entry.side)
    for same in sounds.values():
        if len(same) > 1:
            across = len({entry.side for entry in same}) > 1
            named = " = ".join(f"{entry.utterance.id} ({entry.side})" for entry in same)
            found["audio in two splits" if across else "duplicate audio"].append(named)
    for speaker, sides in speakers.items():
        if len(sides) > 1:
            found["speaker in two splits"].append(f"{speaker}: {', '.join(sorted(sides))}")


def _miscounted(entries: list[_Entry], known: Figures) -> list[str]:
    """Counts that differ from the published ones."""
    emotions = Counter(entry.utterance.emotion for entry in entries)
    sides = Counter(entry.side for entry in entries)
    counts = [("clips", len(entries), known.clips)]
    counts += [(emotion, emotions[emotion], count) for emotion, count in known.emotions.items()]
    counts += [(side, sides[side], count) for side, count in known.splits.items()]
    return [f"{known.corpus}: {found} {name}, published {count}" for name, found, count in counts if found != count]
