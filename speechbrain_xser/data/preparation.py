"""What every recipe's ``prepare.py`` shares: finding clips, and writing the splits once.

A preparation is done if a small file beside the manifests has the digest of its inputs. That file is written last and
moved into place, so an interrupted run starts again and a finished one changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.faults import Fault, FaultCounter
from speechbrain_xser.data.formats import EXPECTED, has_sound_suffix
from speechbrain_xser.data.manifest import Utterance, open_manifest
from speechbrain_xser.data.paragraphs import Wording, with_paragraphs
from speechbrain_xser.data.summary import Summary
from speechbrain_xser.data.tables import TABLE_SUFFIXES
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.commandline import claimed
from speechbrain_xser.utils.files import file_digest, remove_unfinished, written_beside

logger = logging.getLogger(__name__)

DONE = "prepared.json"
SUMMARY = "summary.json"
LOCK = ".prepare.lock"
VERSION = 3  # raising it prepares everything again
TEXTS = (*TABLE_SUFFIXES, ".txt")  # compared by their content
FEWEST_CLIPS = 1000  # counted before the share of faults is judged, unless the corpus is smaller
UNREADABLE_SHARE = 0.01  # a larger share of faults stops the preparation


def find_audio(folder: str | Path) -> dict[str, Path]:
    """Finds the clips in a folder, but not in its subfolders.

    Arguments
    ---------
    folder : str | Path
        The folder; files of every suffix in ``data.formats.SUFFIXES`` count.

    Returns
    -------
    dict[str, Path]
        Path by file name without suffix, sorted by name.

    Raises
    ------
    ManifestError
        If the folder or its clips are missing, or two files differ only in their suffix.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "b.wav").touch(), Path(folder, "a.opus").touch(), Path(folder, "a.txt").touch()
    ...     list(find_audio(folder))
    (None, None, None)
    ['a', 'b']
    """
    if not Path(folder).is_dir():
        raise ManifestError(f"No folder {folder}: pass the corpus's own folder as data_folder.")
    files = sorted(path for path in Path(folder).iterdir() if has_sound_suffix(path))
    if not files:
        raise ManifestError(f"No clip in {folder}, expected {EXPECTED}: was the corpus unpacked?")
    found: dict[str, Path] = {}
    for path in files:
        if path.stem in found:
            raise ManifestError(f"Found {found[path.stem].name} and {path.name} in {folder}: remove one of the two.")
        found[path.stem] = path
    return found


def by_split(utterance: Utterance) -> tuple[str, ...]:
    """The manifest of an utterance that is in one split: the split's name.

    Example
    -------
    >>> by_split(Utterance("a", "a.wav", split="test"))
    ('test',)
    """
    return (utterance.split,) if utterance.split else ()


def prepare_once(
    save_folder: str | Path,
    options: dict,
    files: Iterable[Path],
    build: Callable[[], Iterable[Utterance | Dropped]],
    manifests: Sequence[str] = ("train", "valid", "test"),
    places: Callable[[Utterance], Iterable[str]] = by_split,
    finish: Collection[Callable[[dict[str, str]], object]] = (),
    wording: Wording = "plain",
) -> dict[str, str]:
    """Builds and writes a corpus's manifests, unless that was done already with the same options and files.

    Utterances are written one by one, so a corpus need not fit into memory. A second process that prepares the same
    folder waits and finds it done.

    Arguments
    ---------
    save_folder : str or Path
        Where ``{manifest}.jsonl``, ``summary.json`` and ``prepared.json`` are written.
    options : dict
        Everything else that determines the manifests; JSON values.
    files : Iterable[Path]
        The input files. Their names and folder names are compared; for tables and texts also the content; for sound and
        archives, which can be terabytes, the size and the time of the last change.
    build : Callable
        Returns the utterances and what is dropped; called only if something is new. Missing paragraphs are written from
        the records.
    manifests : sequence of str
        Names of the manifests, possibly with a folder, such as ``fold_1/train``. None may stay empty.
    places : Callable
        Gives the manifests of an utterance; its ``split`` becomes the last part of the manifest's name.
    finish : collection of Callable
        Each is called with the manifests' paths when all are written, before the preparation counts as done. A
        different number of them prepares everything again.
    wording : str
        Wording of the paragraphs: "plain" or "varied".

    Returns
    -------
    dict[str, str]
        Path of each manifest.

    Raises
    ------
    ManifestError
        If a manifest would be empty, or an utterance is invalid.
    TrainingError
        If more than 1 % of the clips are faults (``Dropped.fault``).

    Example
    -------
    >>> calls = []
    >>> def build():
    ...     calls.append("called")
    ...     return [Utterance("a", "a.wav", split="train"), Dropped("b", "too short")]
    >>> folder = getfixture("tmp_path")
    >>> first = prepare_once(folder, {"seed": 1}, [], build, ["train"])
    >>> first == prepare_once(folder, {"seed": 1}, [], build, ["train"]), calls
    (True, ['called'])
    """
    done, digest = Path(save_folder, DONE), _digest({**options, "wording": wording, "finish": len(finish)}, files)
    with claimed(save_folder, wait=True, lock=LOCK):
        if (paths := _found(done, digest)) is not None:
            return paths
        done.unlink(missing_ok=True)
        paths = {name: str(Path(save_folder, f"{name}.jsonl")) for name in manifests}
        for path in (done, Path(save_folder, SUMMARY), *paths.values()):
            remove_unfinished(path)
        summary = _write(paths, build(), places, wording)
        with written_beside(Path(save_folder, SUMMARY)) as file:
            json.dump(summary.as_dict(), file, indent=1, ensure_ascii=False)
        for last in finish:
            last(paths)
        with written_beside(done) as file:
            json.dump({"digest": digest, "manifests": {name: f"{name}.jsonl" for name in paths}}, file, indent=1)
    logger.info("%s\n%s", save_folder, summary.text())
    return paths


def extend_summary(save_folder: str | Path, entries: dict) -> None:
    """Adds a recipe's entries to ``summary.json``, from the ``finish`` of :func:`prepare_once`.

    Arguments
    ---------
    save_folder : str or Path
        Folder of the summary.
    entries : dict
        JSON values.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / SUMMARY).write_text('{"dropped": {}}')
    >>> extend_summary(folder, {"cut": 3})
    >>> json.loads((folder / SUMMARY).read_text())
    {'dropped': {}, 'cut': 3}
    """
    path = Path(save_folder, SUMMARY)
    summary = json.loads(path.read_text(encoding="utf-8"))
    with written_beside(path) as file:
        json.dump(summary | entries, file, indent=1, ensure_ascii=False)


def _digest(options: dict, files: Iterable[Path]) -> str:
    listing = [[path.parent.name, path.name, *_state(path)] for path in files]
    return sha256(json.dumps([VERSION, Utterance._fields, options, listing], sort_keys=True).encode()).hexdigest()


def _state(path: Path) -> tuple[int, int | str]:
    """What shows that a file changed; correcting a label can leave its size the same."""
    found = path.stat()
    return found.st_size, file_digest(path) if path.suffix.lower() in TEXTS else found.st_mtime_ns


def _found(done: Path, digest: str) -> dict[str, str] | None:
    """The manifests of a preparation with the same options and files, if all of them exist."""
    if not done.exists():
        return None
    state = json.loads(done.read_text(encoding="utf-8"))
    paths = {name: done.parent / file for name, file in state["manifests"].items()}
    if state["digest"] != digest or not all(path.exists() for path in paths.values()):
        return None
    return {name: str(path) for name, path in paths.items()}


def _write(
    paths: dict[str, str],
    clips: Iterable[Utterance | Dropped],
    places: Callable[[Utterance], Iterable[str]],
    wording: Wording,
) -> Summary:
    """Writes every utterance into its manifests and counts; no manifest is put in place before all are complete."""
    summary, faults, seen = Summary(paths), FaultCounter(FEWEST_CLIPS, UNREADABLE_SHARE), 0
    with ExitStack() as stack:
        writers = {name: stack.enter_context(_opened(path)) for name, path in paths.items()}
        for seen, clip in enumerate(clips, start=1):
            faults.total = max(seen, FEWEST_CLIPS)
            if isinstance(clip, Dropped):
                summary.drop(clip)
                faults.add([Fault(clip.id, clip.detail or clip.reason)] if clip.fault else [])
                continue
            clip, names = with_paragraphs(clip, wording), tuple(places(clip))
            for name in names:
                writers[name](clip._replace(split=name.rpartition("/")[2]))
            summary.add(clip, names)
        faults.total = seen
        faults.add([])
        if summary.empty:
            named = ", ".join(paths[name] for name in summary.empty)
            raise ManifestError(f"No utterance for {named}: the corpus folder is too incomplete.")
    return summary


def _opened(path: str):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return open_manifest(path)
