"""Where a trained model folder comes from: the package, a local folder, or the hub at one fixed commit.

A hub model is downloaded by huggingface_hub into its own cache layout (one folder for each repository and commit), so
that neither another source nor a newer commit can be shadowed by what an old ``savedir`` holds. Only the files of a
model folder are asked for; everything else in the repository stays there.
"""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub

from speechbrain_xser import TINY, packaged_model
from speechbrain_xser.enclosed import NAMES, PATTERNS
from speechbrain_xser.errors import UnsafeModelError
from speechbrain_xser.sources import loading, resolve_source

HYPERPARAMS = "hyperparams.yaml"
METADATA = "metadata.json"
BRANCHES = "model.safetensors"
ADAPTER = "adapter"  # a PEFT adapter folder
CARD = "README.md"
MEAN_VOICE = "mean_voice.safetensors"  # of the training set; a folder may lack it
ADAPTER_WEIGHTS = "adapter_model.safetensors"  # the name that plain peft reads
ADAPTER_FILES = (f"{ADAPTER}/adapter_config.json", f"{ADAPTER}/{ADAPTER_WEIGHTS}")
FILES = (HYPERPARAMS, METADATA, BRANCHES, *ADAPTER_FILES, MEAN_VOICE, CARD, *PATTERNS)
NEVER_OPENED = frozenset(".py .pyc .so .bin .pt .pth .ckpt .pkl .pickle .npy .npz .joblib".split())
COMMIT = re.compile(r"[0-9a-f]{40}")


def model_folder(source: str | Path, revision: str | None = None, savedir: str | Path | None = None) -> str:
    """Finds, or downloads, a trained model folder.

    Arguments
    ---------
    source : str or Path
        A local folder, ``tiny`` for the packaged tiny model, ``packaged:NAME``, or a hub id ``owner/name``. A local
        folder that is called ``tiny`` goes first.
    revision : str, optional
        For a hub id: the commit, 40 hexadecimal digits. A branch or tag can be moved, so it is refused.
    savedir : str or Path, optional
        For a hub id: folder of the download cache (default: huggingface_hub's own). A local folder is read where it
        lies; nothing is copied.

    Returns
    -------
    str
        A local folder without code or pickles.

    Raises
    ------
    BackboneError
        If there is no such folder or hub model, or it cannot be reached; names the remedy.
    UnsafeModelError
        If a hub id comes without a commit, or the folder holds code or pickles.

    Example
    -------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> model_folder(folder) == folder
    True
    >>> model_folder("owner/name")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: hub model 'owner/name': revision is None; give the full commit (40 \
hexadecimal digits, as its page 'Files and versions' shows), or an existing folder
    """
    folder = packaged_model() if str(source) == TINY and not Path(source).is_dir() else resolve_source(source)
    if not Path(folder).is_dir():
        folder = _download(folder, revision, savedir)
    refuse_code(folder)
    return folder


def _download(name: str, revision: str | None, savedir: str | Path | None) -> str:
    if not COMMIT.fullmatch(revision or ""):
        raise UnsafeModelError(
            f"hub model {name!r}: revision is {revision}; give the full commit (40 hexadecimal digits, as its page "
            "'Files and versions' shows), or an existing folder"
        )
    with loading(name, revision):
        return huggingface_hub.snapshot_download(name, revision=revision, cache_dir=savedir, allow_patterns=list(FILES))


def refuse_code(folder: str | Path) -> None:
    """Refuses a model folder that holds code or pickles, which have no business there.

    Arguments
    ---------
    folder : str or Path
        A model folder.

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
    speechbrain_xser.errors.UnsafeModelError: ...: holds custom.py; a model folder has safetensors, YAML and JSON only
    """
    folder = Path(folder)
    places = [folder, *(folder / name for name in (ADAPTER, *NAMES))]
    files = [path for place in places for path in place.glob("*") if path.suffix in NEVER_OPENED]
    if files:
        names = ", ".join(sorted(str(path.relative_to(folder)) for path in files))
        raise UnsafeModelError(f"{folder}: holds {names}; a model folder has safetensors, YAML and JSON only")


def backbone_folder(source: str, revision: str | None = None) -> str:
    """The local folder that a backbone was, or will be, loaded from; nothing is downloaded.

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
    if Path(folder).is_dir():
        return folder
    with loading(folder, revision):
        return huggingface_hub.snapshot_download(
            folder, revision=revision, local_files_only=True, allow_patterns=["config.json", "*.safetensors", "*.bin"]
        )
