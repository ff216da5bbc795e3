"""Adds EmotionCoT's labels (Wang et al., 2026, ICLR) to prepared manifests, instead of the annotator's.

They exist for IEMOCAP, MELD, EARS and Expresso. EmotionCoT's pitch, volume, speed, intonation and emphasis replace the
manifest's; its gender and age only fill gaps; the emotion stays the corpus's.

    python recipes/EmotionCoT/prepare.py --labels=emotioncot.jsonl --manifests=results/IEMOCAP --save_folder=results/cot
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.emotioncot import Labels, match, read_labels
from speechbrain_xser.data.manifest import Utterance, stream_manifest
from speechbrain_xser.data.paragraphs import Wording, has_own_paragraphs
from speechbrain_xser.data.pipeline import DATA_ROOT
from speechbrain_xser.data.preparation import extend_summary, prepare_once
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.metrics.text_normalization import normalise

LICENCE = "see its authors' release; the clips are those of other corpora"

MANIFESTS = ("train", "valid", "test", "manifest")  # file names; other JSONL files are not manifests
MEASURED = ("pitch", "volume", "speed", "intonation", "emphasis")
KNOWN = ("gender", "age")


def prepare(
    labels: str | Path, manifests: str | Path, save_folder: str | Path, wording: Wording = "plain"
) -> dict[str, str]:
    """Writes the manifests again, with EmotionCoT's labels; a second call is quick and changes nothing.

    Arguments
    ---------
    labels : str | Path
        EmotionCoT's JSONL.
    manifests : str | Path
        A folder of manifests, possibly with folds below it, or one manifest.
    save_folder : str | Path
        Where the new manifests are written.
    wording : str
        Wording of the paragraphs: "plain" has three forms, "varied" hundreds, for an LLM that knows English.

    Returns
    -------
    dict[str, str]
        Path of each manifest by name.

    Raises
    ------
    ManifestError
        If a file is invalid, or no label belongs to any clip.
    """
    found = _find(Path(manifests))
    account: dict = {}
    places: dict[str, list[str]] = {}

    def build() -> Iterator[Utterance]:
        rows = {clip.id: clip for clip in _clips(found, places)}
        matches = match(list(read_labels(labels)), {clip.wav for clip in rows.values()})
        if not matches.labels:
            raise ManifestError(f"No label of {labels} belongs to a clip of {manifests}: is it another corpus's?")
        unread: Counter[str] = Counter()
        for clip in rows.values():
            yield _joined(clip, matches.labels.get(clip.wav), unread)
        account["emotioncot"] = {
            "joined": sum(clip.wav in matches.labels for clip in rows.values()),
            "ambiguous": matches.ambiguous,
            "labels_without_a_clip": matches.unmatched,
            "unread": dict(unread.most_common()),
        }

    return prepare_once(
        save_folder,
        {"labels": str(labels)},
        [Path(labels), *found.values()],
        build,
        list(found),
        lambda clip: places[clip.id],
        [lambda _: extend_summary(save_folder, account)],
        wording,
    )


def _find(manifests: Path) -> dict[str, Path]:
    """Manifests by name."""
    if manifests.is_file():
        return {manifests.stem: manifests}
    paths = sorted(path for path in manifests.rglob("*.jsonl") if path.stem in MANIFESTS)
    if not paths:
        raise ManifestError(
            f"No manifest in {manifests}, expected {', '.join(MANIFESTS)}.jsonl: prepare the corpus first."
        )
    return {path.relative_to(manifests).with_suffix("").as_posix(): path for path in paths}


def _clips(manifests: dict[str, Path], places: dict[str, list[str]]) -> Iterator[Utterance]:
    """Yields every clip once, however many manifests it is in, with paths that are valid anywhere."""
    for name, path in manifests.items():
        for clip in stream_manifest(path):
            known = clip.id in places
            places.setdefault(clip.id, []).append(name)
            if not known:
                yield (
                    clip
                    if clip.wav.startswith(DATA_ROOT)
                    else clip._replace(wav=str((path.parent / clip.wav).resolve()))
                )


def _joined(clip: Utterance, labels: Labels | None, unread: Counter[str]) -> Utterance:
    if labels is None:
        return clip
    unread.update(labels.unread)
    own = has_own_paragraphs(clip)
    measured = {field: value for field in MEASURED if (value := getattr(_spoken(labels, clip), field)) is not None}
    known = {field: getattr(clip, field) or getattr(labels, field) for field in KNOWN}
    clip = clip._replace(**measured, **known)
    return clip if own else clip._replace(description=None, caption=None)


def _spoken(labels: Labels, clip: Utterance) -> Labels:
    """The labels, with only those emphasised words that are in the clip's own transcript."""
    words = set(normalise(clip.transcript).split())
    said = tuple(word for word in labels.emphasis or () if set(normalise(word).split()) <= words and normalise(word))
    return labels._replace(emphasis=said or None)


if __name__ == "__main__":
    prepare_command(prepare)
