"""Prepares the public part of EMOSEC: the 600 Mandarin clips that SECap (Xu et al., 2024, AAAI) published.

Reads ``wav.scp``, ``text.txt`` and ``fid2captions.json`` of SECap's ``dataset`` folder. Each clip has a transcript and
one caption by a human listener, which becomes the ``description``; ``caption`` stays null, because no human wrote a
paragraph with the transcript in it. Speakers, genders and emotion classes are not published and stay null. There is
only a test set: without speakers, no fair training part can be split off, and the paper evaluates zero-shot.

    python recipes/EMOSEC/prepare.py --data_folder=corpora/SECap --save_folder=results/EMOSEC
"""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.durations import probe
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.preparation import prepare_once
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.user_file import json_value

LICENCE = "none is stated; ask its authors"
FIGURES = {"clips": 600}  # what SECap published

LISTS = ("wav.scp", "text.txt", "fid2captions.json")


def read_list(path: Path) -> dict[str, str]:
    """A Kaldi list: a name on each line, followed by a space or a tab and its value.

    Arguments
    ---------
    path : Path
        ``wav.scp`` or ``text.txt``, UTF-8.

    Returns
    -------
    dict of str to str
        Values by name, without surrounding white space.

    Raises
    ------
    ManifestError
        If a line has no value, or a name is repeated.

    Example
    -------
    >>> path = getfixture("tmp_path") / "text.txt"
    >>> _ = path.write_text("tx_xiao_1 我,你。 \\ntx_emulate_2\\t嗯 好\\n", encoding="utf-8")
    >>> read_list(path)
    {'tx_xiao_1': '我,你。', 'tx_emulate_2': '嗯 好'}
    """
    found: dict[str, str] = {}
    for line in filter(str.strip, path.read_text(encoding="utf-8-sig").split("\n")):
        name, *rest = line.split(maxsplit=1)
        if not rest or name in found:
            fault = "is there twice" if rest else "says nothing of it"
            raise ManifestError(f"{path}: {line!r} {fault}, expected a name, white space and text, each name once.")
        found[name] = rest[0].strip()
    return found


def find_lists(data_folder: str | Path) -> Path:
    """The folder with the three lists: the one given, or ``dataset`` in it.

    Raises
    ------
    ManifestError
        If a list is missing.

    Example
    -------
    >>> find_lists("/nowhere")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.ManifestError: No wav.scp, text.txt, fid2captions.json in /nowhere or its dataset folder: \
hand over a clone of SECap's repository.
    """
    folders = (Path(data_folder, "dataset"), Path(data_folder))
    for folder in folders:
        if all((folder / name).is_file() for name in LISTS):
            return folder
    missing = ", ".join(name for name in LISTS if not any((folder / name).is_file() for folder in folders))
    raise ManifestError(
        f"No {missing or 'folder with all three lists'} in {data_folder} or its dataset folder: hand over a clone of "
        "SECap's repository."
    )


def read_clips(data_folder: str | Path) -> list[Utterance]:
    """The clips of the three lists, in the captions' order.

    Arguments
    ---------
    data_folder : str | Path
        As for :func:`prepare`.

    Returns
    -------
    list of Utterance
        Without durations.

    Raises
    ------
    ManifestError
        If the lists name different clips.
    """
    folder = find_lists(data_folder)
    wavs, texts = read_list(folder / "wav.scp"), read_list(folder / "text.txt")
    captions = json_value((folder / "fid2captions.json").read_text(encoding="utf-8-sig"), str(folder))
    _check_same({"wav.scp": wavs, "text.txt": texts, "fid2captions.json": captions}, folder)
    below = (folder / "wav").relative_to(data_folder).as_posix()
    return [
        Utterance(
            id=f"emosec-{name}",
            wav=f"{{data_root}}/{below}/{Path(wavs[name]).name}",
            transcript=texts[name],
            description=" ".join(caption.split()),
            split="test",
        )
        for name, caption in captions.items()
    ]


def _check_same(lists: dict[str, dict], folder: Path) -> None:
    """Refuses lists of different clips; otherwise a clip missing in one list would be dropped silently."""
    every = set().union(*lists.values())
    for name, entries in lists.items():
        if missing := sorted(every - set(entries)):
            raise ManifestError(f"{folder / name}: {len(missing)} clips of the other lists are missing: {missing[:3]}.")


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    annotate: bool = False,
) -> dict[str, str]:
    """Writes ``test.jsonl``; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        A clone of SECap's repository, or its folder ``dataset``.
    save_folder : str | Path
        Where the manifest is written.
    annotate : bool
        Whether the annotator fills in gender, pitch, volume, speed, intonation and emphasis; these clips decide what is
        low and high.

    Returns
    -------
    dict[str, str]
        Path of the manifest, as ``test``.

    Raises
    ------
    ManifestError
        If the folder is not SECap's.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    clips = read_clips(data_folder)
    wavs = [Path(data_folder, clip.wav.removeprefix("{data_root}/")) for clip in clips]
    return prepare_once(
        save_folder,
        {"clips": [list(clip) for clip in clips]},
        [wav for wav in wavs if wav.exists()],
        lambda: probe(clips, data_folder, len(clips)),
        ["test"],
        finish=annotation(annotate, save_folder, data_folder, "zh"),
    )


if __name__ == "__main__":
    prepare_command(prepare)
