"""Resolves the source of a backbone, and recognises a backbone by its fingerprint.

A source is ``packaged:NAME``, ``setup:NAME``, a local folder or GGUF file, or a hub id. Nothing is downloaded here:
only the syntax of a hub id is checked, so that a YAML can be loaded without a network.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_xser.errors import BackboneError, XserError, is_panic
from speechbrain_xser.utils.folders import whole_folder
from speechbrain_xser.utils.out_of_memory import is_out_of_memory
from speechbrain_xser.utils.user_cache import SET_UP, user_cache

if TYPE_CHECKING:
    from torch import Tensor

PACKAGED = Path(__file__).parents[1] / "packaged"
IN_CHECKOUT = Path(__file__).parents[2] / "recipes" / "Tiny" / "backbones"  # further ones, too large for the wheel
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
HUB_ID = re.compile(rf"{_NAME}(?:/{_NAME})?")


def resolve_source(source: str | Path) -> str:
    """Turns a source into a folder, a GGUF file or a hub id.

    ``packaged:NAME`` is a folder inside this package and ``setup:NAME`` one that ``xser setup small`` made. A local
    folder takes precedence over a hub id of the same name.

    Raises
    ------
    BackboneError
        If the name is unknown or not set up yet, or the source is neither a folder nor written like a hub id.

    Example
    -------
    >>> resolve_source("facebook/hubert-large-ls960-ft")
    'facebook/hubert-large-ls960-ft'
    >>> resolve_source("./nowhere/at/all")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.BackboneError: './nowhere/at/all' is neither a folder here nor a hub id \
    (owner/name); give an existing folder, a hub id, packaged:NAME or setup:NAME
    """
    source = str(source)
    if source.startswith("packaged:"):
        return str(_packaged_folder(source.removeprefix("packaged:")))
    if source.startswith("setup:"):
        return str(_set_up_folder(source.removeprefix("setup:")))
    if source and (Path(source).is_dir() or is_gguf(source)):
        return source
    if HUB_ID.fullmatch(source) and ".." not in source:
        return source
    raise BackboneError(
        f"{source!r} is neither a folder here nor a hub id (owner/name); give an existing folder, a hub id, "
        "packaged:NAME or setup:NAME"
    )


def is_gguf(source: str | Path) -> bool:
    """Whether a source is a file of llama.cpp on this machine."""
    return Path(source).suffix == ".gguf" and Path(source).is_file()


def place_of(source: str) -> tuple[str, dict[str, str]]:
    """What ``from_pretrained`` takes for a resolved source: a folder or a hub id, and the GGUF file in the folder.

    Example
    -------
    >>> path = getfixture("tmp_path") / "model.gguf"
    >>> path.touch()
    >>> place_of(str(path)) == (str(path.parent), {"gguf_file": "model.gguf"})
    True
    >>> place_of("owner/name")
    ('owner/name', {})
    """
    return (str(Path(source).parent), {"gguf_file": Path(source).name}) if is_gguf(source) else (source, {})


def _packaged_folder(name: str) -> Path:
    """The folder of a packaged model; the name cannot lead out of the package or the checkout's recipes."""
    found = {path.name: path for place in (IN_CHECKOUT, PACKAGED) for path in place.glob("*") if path.is_dir()}
    if name not in found:
        raise BackboneError(f"there is no packaged model {name!r}; available: {', '.join(sorted(found)) or 'none'}")
    return found[name]


def _set_up_folder(name: str) -> Path:
    """The folder of a backbone that ``xser setup small`` downloads."""
    if name not in SET_UP:
        raise BackboneError(f"`xser setup small` brings no {name!r}; it brings: {', '.join(SET_UP)}")
    folder = Path(whole_folder(user_cache() / name))
    if not folder.is_dir():
        raise BackboneError(f"{name} is not in {user_cache()}; say `xser setup small` once")
    return folder


@contextmanager
def loading(source: str, revision: str | None = None) -> Iterator[None]:
    """Turns whatever transformers raises for a missing or broken source into one error that names the remedy.

    A broken file can end in an error of any type: the tokenizer library knows only ``Exception``, and panics.
    """
    try:
        yield
    except XserError:
        raise
    except BaseException as error:
        if is_out_of_memory(error) or not (isinstance(error, Exception) or is_panic(error)):
            raise  # the source is fine; the caller says how to use less memory
        revision = revision or "main"
        where = f"{source!r}" if Path(source).exists() else f"{source!r} (revision {revision})"
        remedy = "check that the folder is a complete Hugging Face model folder"
        if is_gguf(source):
            remedy = "check that the file is whole, and of an architecture that transformers reads from GGUF"
        elif not Path(source).is_dir():
            remedy = "give a folder that contains it, or download it once while online, "
            remedy += f"e.g. `hf download {source} --revision {revision}`"
        first_line = str(error).strip().split("\n")[0] or type(error).__name__
        raise BackboneError(f"cannot load {where}: {first_line}; {remedy}") from error


def refuse_incomplete(source: str, report: Mapping, unused: Iterable[str] = ()) -> None:
    """Raises a ``BackboneError`` if weights do not fill their model, since random ones would silently give nonsense.

    ``report`` comes from transformers' ``from_pretrained(..., output_loading_info=True)``; weights in ``unused`` may be
    missing.
    """
    missing = sorted(set(report["missing_keys"]) - set(unused))
    misshaped = sorted(str(key) for key in report["mismatched_keys"])
    if missing or misshaped:
        raise BackboneError(
            f"'{source}' lacks {len(missing)} weights {missing[:3]} and has {len(misshaped)} of another shape "
            f"{misshaped[:3]}; it is not the model that its config.json describes"
        )


def fingerprint(backbone: str | Path | Mapping[str, Tensor]) -> str:
    """SHA-256 of a backbone, by which a trained folder recognises the one it was made with.

    For a model folder, ``config.json`` and the weight files count, sorted by name; a GGUF file counts alone; for a
    state dict, the names, dtypes, shapes and values. A folder without weights raises a ``BackboneError``.

    Example
    -------
    >>> import torch
    >>> one, other = {"w": torch.zeros(2)}, {"w": torch.tensor([0.0, 1e-7])}
    >>> fingerprint(one) == fingerprint(dict(one)), fingerprint(one) == fingerprint(other)
    (True, False)
    """
    digest = hashlib.sha256()
    if isinstance(backbone, Mapping):
        import torch  # loaded already, by whoever has tensors

        for name, tensor in sorted(backbone.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()
    for path in counted_files(Path(backbone)):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


_DECISIVE = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer.model")


def counted_files(folder: Path) -> list[Path]:
    """The files that determine a backbone's output: the weights (``.bin`` if no safetensors) and ``_DECISIVE``."""
    if is_gguf(folder):
        return [folder]
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not weights:
        raise BackboneError(f"'{folder}' contains no weights (*.safetensors or *.bin); give a model folder")
    return [path for path in [*(folder / name for name in _DECISIVE), *weights] if path.exists()]
