"""Cross-validation over speakers or sessions: no fold trains on the group that it tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Literal

from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.speakers import split_speakers
from speechbrain_xser.errors import ManifestError

PARTS = ("train", "valid", "test")


def fold_manifests(folds: Iterable[str]) -> list[str]:
    """Names of the manifests of a cross-validation: train, valid and test of each fold.

    Arguments
    ---------
    folds : iterable of str
        Names of the folds.

    Returns
    -------
    list of str
        Names such as ``fold_1/train``.

    Example
    -------
    >>> fold_manifests(["1"])
    ['fold_1/train', 'fold_1/valid', 'fold_1/test']
    """
    return [f"fold_{fold}/{part}" for fold in folds for part in PARTS]


def leave_one_out(
    utterances: Iterable[Utterance],
    fold_of: Callable[[Utterance], str],
    valid_by: Literal["speaker", "random"] = "speaker",
    valid_share: float = 0.2,
    seed: str = "1",
) -> Callable[[Utterance], tuple[str, ...]]:
    """Assigns each utterance to the test part of its own fold and to train or valid of every other fold.

    Arguments
    ---------
    utterances : iterable of Utterance
        All utterances of the corpus.
    fold_of : Callable
        Gives the fold that tests an utterance; each speaker belongs to one.
    valid_by : str
        "speaker": validation speakers occur in no other part of a fold; "random": clips are drawn, so train and valid
        have the same speakers.
    valid_share : float
        Share of a fold's training speakers or clips that is used for validation, rounded to the nearest number.
    seed : str
        Seed of the draw.

    Returns
    -------
    Callable
        Gives the manifests of an utterance; for :func:`prepare_once`.

    Raises
    ------
    ManifestError
        If an utterance has no speaker, or a speaker is in two folds.

    Example
    -------
    >>> clips = [Utterance(f"{s}{n}", "a.wav", speaker=s) for s in "abcd" for n in range(3)]
    >>> places = leave_one_out(clips, lambda clip: {"a": "1", "b": "1", "c": "2", "d": "2"}[clip.speaker], "random")
    >>> [sum(f"fold_1/{part}" in places(clip) for clip in clips) for part in PARTS]
    [5, 1, 6]
    """
    utterances = list(utterances)
    fold_of_speaker = _fold_of_speaker(utterances, fold_of)
    shares = {"train": 1 - valid_share, "valid": valid_share}
    sides = {}
    for fold in sorted(set(fold_of_speaker.values())):
        rest = [clip for clip in utterances if fold_of_speaker[clip.speaker] != fold]
        units = [clip.speaker if valid_by == "speaker" else clip.id for clip in rest]
        side_of = split_speakers(units, shares, f"{seed}:{fold}")
        sides[fold] = {clip.id: side_of[unit] for clip, unit in zip(rest, units, strict=True)}
    return lambda clip: tuple(f"fold_{fold}/{side.get(clip.id, 'test')}" for fold, side in sides.items())


def speaker_folds(speakers: dict[str, str | None], folds: int, seed: str = "1") -> dict[str, str]:
    """Distributes a corpus's speakers over folds, balancing women and men.

    Arguments
    ---------
    speakers : dict of str to str or None
        Gender by speaker. Pass all speakers of the corpus, also those without clips.
    folds : int
        At least 2, at most as many as there are speakers.
    seed : str
        Seed of the order.

    Returns
    -------
    dict of str to str
        Fold, from "1", by speaker.

    Raises
    ------
    ManifestError
        If there are fewer speakers than folds.

    Example
    -------
    >>> dealt = speaker_folds({"a": "male", "b": "male", "c": "female", "d": "female"}, 2)
    >>> dealt["a"] != dealt["b"], dealt["c"] != dealt["d"]
    (True, True)
    """
    if not 2 <= folds <= len(speakers):
        raise ManifestError(f"{folds} folds of {len(speakers)} speakers, expected 2 to {len(speakers)}.")

    def order(speaker: str) -> tuple[str, str]:
        return speakers[speaker] or "", sha256(f"{seed}:{speaker}".encode("utf-8", "surrogatepass")).hexdigest()

    return {speaker: str(rank % folds + 1) for rank, speaker in enumerate(sorted(speakers, key=order))}


def _fold_of_speaker(utterances: list[Utterance], fold_of: Callable[[Utterance], str]) -> dict[str, str]:
    folds: dict[str, str] = {}
    for clip in utterances:
        if clip.speaker is None:
            raise ManifestError(f"utterance {clip.id!r} has no speaker: folds need the speaker of each utterance.")
        if folds.setdefault(clip.speaker, fold_of(clip)) != fold_of(clip):
            raise ManifestError(f"speaker {clip.speaker!r} is in folds {folds[clip.speaker]} and {fold_of(clip)}.")
    return folds
