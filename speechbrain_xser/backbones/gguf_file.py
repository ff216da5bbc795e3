"""Opens a GGUF file and reads the values of its head."""

from __future__ import annotations

from pathlib import Path

from gguf import GGUFReader

from speechbrain_xser.errors import BackboneError


def opened(path: Path, architecture: str) -> GGUFReader:
    """Opens a file that holds a model of this architecture.

    Raises
    ------
    BackboneError
        If it cannot be read, or holds another.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.gguf"
    >>> _ = path.write_bytes(b"GGU")
    >>> opened(path, "llama")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BackboneError: ...a.gguf: cannot be read as GGUF (...); it is truncated, or of another kind
    """
    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError) as error:
        raise BackboneError(f"{path}: cannot be read as GGUF ({error}); it is truncated, or of another kind") from error
    if (found := value(reader, "general.architecture")) != architecture:
        raise BackboneError(f"{path}: holds a {found!r} model, expected {architecture!r}")
    return reader


def value(reader: GGUFReader, name: str) -> object:
    """A value of the file's head, as Python has it; None where it is not there."""
    field = reader.get_field(name)
    return None if field is None else field.contents()
