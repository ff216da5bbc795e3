"""Where a trained model folder comes from: the package, a local folder, or the hub at one fixed commit.

A hub model is downloaded by huggingface_hub into its own cache layout (one folder for each repository and commit), so
that neither another source nor a newer commit can be shadowed by what an old ``savedir`` holds. Only the files of a
model folder are downloaded, nothing else in the repository. Which commit that is stands in a record
(:mod:`speechbrain_xser.model_folder.pin`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import huggingface_hub

from speechbrain_xser import SMALL, TINY, packaged_model
from speechbrain_xser.errors import CheckpointError, UnsafeModelError
from speechbrain_xser.model_folder.enclosed import CODE, NAMES, PATTERNS, TRUSTED
from speechbrain_xser.model_folder.pin import COMMIT, pin, pinned
from speechbrain_xser.utils.folders import whole_folder
from speechbrain_xser.utils.sources import is_gguf, loading, resolve_source

SETTINGS = "settings.json"
HYPERPARAMS = "hyperparams.yaml"
METADATA = "metadata.json"
BRANCH_WEIGHTS = "model.safetensors"
ADAPTER = "adapter"  # a PEFT adapter folder
CARD = "README.md"
MEAN_VOICE = "mean_voice.safetensors"  # of the training set; a folder may lack it
DOMAIN = "domain.safetensors"  # what tells clips like the training set's from others; a folder may lack it
RELIABILITY = "reliability.json"  # how often answers of a certain sureness were right; a folder may lack it
ADAPTER_WEIGHTS = "adapter_model.safetensors"  # the name that plain peft reads
ADAPTER_FILES = (f"{ADAPTER}/adapter_config.json", f"{ADAPTER}/{ADAPTER_WEIGHTS}")
MEASURED = (MEAN_VOICE, DOMAIN, RELIABILITY)  # after the training; the folder is whole without them
FILES = (SETTINGS, HYPERPARAMS, METADATA, BRANCH_WEIGHTS, *ADAPTER_FILES, *MEASURED, CARD, *PATTERNS)
WEIGHT_FILES = (BRANCH_WEIGHTS, f"{ADAPTER}/{ADAPTER_WEIGHTS}", *MEASURED)  # with checksums; beside the backbones
CODE_FILES = tuple(f"{name}/*{CODE}" for name in TRUSTED)
NEVER_OPENED = frozenset(".py .pyc .so .bin .pt .pth .ckpt .pkl .pickle .npy .npz .joblib".split())
CHECKPOINTS = "checkpoints"  # in the output folder of a training
SHOWN = 3  # models that a message names


def model_folder(
    source: str | Path,
    revision: str | None = None,
    savedir: str | Path | None = None,
    trust_remote_code: bool = False,
) -> str:
    """Finds, or downloads, a trained model folder.

    Arguments
    ---------
    source : str or Path
        A local folder, ``small`` or ``tiny`` for a model of the package, ``packaged:NAME``, or a hub id
        ``owner/name``. A local folder with the name ``small`` or ``tiny`` takes precedence.
    revision : str, optional
        For a hub id: the commit, 40 hexadecimal digits, which is recorded. A branch or tag can be moved, so it is
        refused. None for the recorded commit; where there is no record, the newest one is looked up once and recorded.
    savedir : str or Path, optional
        For a hub id: folder of the download cache and of the record (default: huggingface_hub's own cache, and the
        user's). A local folder is read where it lies; nothing is copied.
    trust_remote_code : bool
        Whether an LLM inside may bring classes of its own, as Python. A hub model then needs its commit.

    Returns
    -------
    str
        A local folder without pickles, and without code that is not trusted.

    Raises
    ------
    BackboneError
        If there is no such folder or hub model, or it cannot be reached; names the remedy.
    CheckpointError
        If the folder belongs to a run whose model has a folder of its own; names that folder.
    UnsafeModelError
        If ``revision`` can be moved, the record is damaged, or the folder holds code or pickles.

    Example
    -------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> model_folder(folder) == folder
    True
    >>> model_folder("owner/name", revision="main")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: hub model 'owner/name': revision is 'main', which can be moved; give the \
full commit (40 hexadecimal digits, as its page 'Files and versions' shows), or none: then today's is recorded
    """
    short = str(source) in (SMALL, TINY) and not Path(source).is_dir()
    folder = packaged_model(str(source)) if short else resolve_source(whole_folder(source))
    if Path(folder).is_file():
        raise CheckpointError(f"{folder}: is the file of an LLM, no trained model folder; give it as llm_source.")
    if not Path(folder).is_dir():
        folder = _download(folder, revision, savedir, CODE_FILES if trust_remote_code else ())
    refuse_run(folder)
    refuse_code(folder, TRUSTED if trust_remote_code else ())
    return folder


def model_files(folder: str | Path) -> list[Path]:
    """The files of a model folder that determine its answers: all but the card (the metadata covers the backbones).

    Arguments
    ---------
    folder : str or Path
        A local model folder.

    Returns
    -------
    list of Path
        The files that exist.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "model.safetensors").touch(), (folder / "README.md").touch()
    (None, None)
    >>> [path.name for path in model_files(folder)]
    ['model.safetensors']
    """
    return [path for name in FILES if name != CARD and (path := Path(folder, name)).is_file()]


def _download(name: str, revision: str | None, savedir: str | Path | None, more: Collection[str] = ()) -> str:
    def snapshot(commit: str | None) -> str:
        with loading(name, commit):
            patterns = [*FILES, *more]
            return huggingface_hub.snapshot_download(name, revision=commit, cache_dir=savedir, allow_patterns=patterns)

    def newest() -> str:
        with loading(name, None):  # a snapshot may be an old one where the hub cannot be reached
            return huggingface_hub.HfApi().model_info(name, revision="main").sha

    if revision is None and not more:
        return snapshot(pinned(name, savedir, newest))
    if not COMMIT.fullmatch(revision or ""):
        raise UnsafeModelError(_moving(name, revision))
    folder = snapshot(revision)
    pin(name, savedir, revision)
    return folder


def _moving(name: str, revision: str | None) -> str:
    """What is said of a revision that can be moved."""
    full = "the full commit (40 hexadecimal digits, as its page 'Files and versions' shows)"
    if revision is None:
        return f"hub model {name!r}: trust_remote_code is given, but no revision; give {full} whose code you have read"
    return (
        f"hub model {name!r}: revision is {revision!r}, which can be moved; give {full}, or none: then today's is "
        "recorded"
    )


def refuse_run(folder: str | Path) -> None:
    """Refuses a folder that is not a trained model but contains one, or is part of one; names the right folder.

    Arguments
    ---------
    folder : str or Path
        A local folder.

    Raises
    ------
    CheckpointError
        Names what to give instead.

    Example
    -------
    >>> run = getfixture("tmp_path")
    >>> (run / "model").mkdir()
    >>> (run / "model" / "metadata.json").touch()
    >>> refuse_run(run / "model")
    >>> refuse_run(run)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ... is not a trained model, but contains one: give ...model.
    """
    folder = Path(folder)
    if (folder / METADATA).is_file():
        return
    inside = sorted(path.parent for path in folder.glob(f"[!.]*/{METADATA}"))
    if inside:
        named = ", or ".join(map(str, inside[:SHOWN])) + (", ..." if len(inside) > SHOWN else "")
        raise CheckpointError(f"{folder} is not a trained model, but contains {_few(len(inside))}: give {named}.")
    if (folder.absolute().parent / METADATA).is_file():
        raise CheckpointError(f"{folder} is a part of a trained model: give {folder.parent}.")
    if (folder / CHECKPOINTS).is_dir():
        raise CheckpointError(
            f"{folder} is the folder of a training run that has not written its model yet: give the training "
            "command again; it continues and writes it."
        )


def _few(count: int) -> str:
    return "one" if count == 1 else str(count)


def refuse_code(folder: str | Path, trusted: Collection[str] = ()) -> None:
    """Refuses a model folder that holds code or pickles, which do not belong there.

    Arguments
    ---------
    folder : str or Path
        A model folder.
    trusted : collection of str
        Backbones inside that may have Python.

    Raises
    ------
    UnsafeModelError
        Names the files.

    Example
    -------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> refuse_code(folder)
    >>> _ = (Path(folder) / "custom.py").write_text("print('hello')")
    >>> refuse_code(folder)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: ...: contains custom.py; a model folder has safetensors, \
YAML and JSON only
    """
    folder = Path(folder)
    places = [folder, *(folder / name for name in (ADAPTER, *NAMES))]
    files = [path for place in places for path in place.glob("*") if path.suffix in NEVER_OPENED]
    files = [path for path in files if path.suffix != CODE or path.parent.name not in trusted]
    if files:
        names = ", ".join(sorted(str(path.relative_to(folder)) for path in files))
        raise UnsafeModelError(f"{folder}: contains {names}; a model folder has safetensors, YAML and JSON only")


def backbone_folder(source: str, revision: str | None = None) -> str:
    """The local folder or GGUF file that a backbone was, or will be, loaded from; nothing is downloaded.

    Arguments
    ---------
    source : str
        ``packaged:NAME``, a local folder or a hub id.
    revision : str, optional
        Of a hub id.

    Returns
    -------
    str
        The folder; for a hub id, the one in huggingface_hub's cache.

    Raises
    ------
    BackboneError
        If it is not on this machine.

    Example
    -------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> backbone_folder(folder) == folder
    True
    """
    folder = resolve_source(source)
    if Path(folder).is_dir() or is_gguf(folder):
        return folder
    with loading(folder, revision):
        return huggingface_hub.snapshot_download(
            folder, revision=revision, local_files_only=True, allow_patterns=["config.json", "*.safetensors", "*.bin"]
        )
