"""Opens a GGUF file and reads the values in its header."""

from __future__ import annotations

from pathlib import Path

from gguf import GGUFReader

from speechbrain_xser.errors import BackboneError


def opened(path: Path, architecture: str | None = None) -> GGUFReader:
    """Opens a GGUF file; a ``BackboneError`` if it cannot be read or has another architecture than the one expected."""
    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError) as error:
        raise BackboneError(f"{path}: cannot be read as GGUF ({error}); it is truncated, or of another kind") from error
    if (found := value(reader, "general.architecture")) != architecture and architecture is not None:
        raise BackboneError(f"{path}: holds a {found!r} model, expected {architecture!r}")
    return reader


def value(reader: GGUFReader, name: str) -> object:
    """A value in the header, as a Python object; None if it is missing."""
    field = reader.get_field(name)
    return None if field is None else field.contents()
