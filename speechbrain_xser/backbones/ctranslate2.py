"""Reads the variables of a CTranslate2 model file (binary version 6) without its library, which is a separate runtime.

Source: ``python/ctranslate2/specs/model_spec.py`` of CTranslate2 (Klein et al., 2020, The OpenNMT Neural Machine
Translation Toolkit: 2020 Edition). All numbers are little-endian; a text is its length including a closing zero
(uint16), then its bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechbrain_xser.errors import BackboneError

VERSION = 6
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # by their number in the file


class CTranslate2Model(NamedTuple):
    """The content of a model file."""

    specification: str  # "WhisperSpec"
    revision: int  # of the specification
    variables: dict[str, np.ndarray]  # by name; aliases share an array


def read_model(path: str | Path) -> CTranslate2Model:
    """Reads a ``model.bin``; a ``BackboneError`` for another version, a truncated file or an unknown dtype."""
    try:
        return _read(_Cursor(Path(path).read_bytes()))
    except (struct.error, ValueError, KeyError) as error:
        raise BackboneError(
            f"{path}: cannot be read as a CTranslate2 model of binary version {VERSION} ({error}); it is truncated, "
            "or of another kind"
        ) from error


class _Cursor:
    """A position in the file's bytes that advances as they are read."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def numbers(self, layout: str) -> tuple:
        """Numbers in a layout of :mod:`struct`, without padding between them."""
        found = struct.unpack_from(f"<{layout}", self.content, self.place)
        self.place += struct.calcsize(f"<{layout}")
        return found

    def text(self) -> str:
        """A text, without its closing zero."""
        (length,) = self.numbers("H")
        (found,) = self.numbers(f"{length}s")
        return found[:-1].decode()

    def array(self) -> np.ndarray:
        """A variable: rank, shape, dtype, number of bytes, values."""
        (rank,) = self.numbers("B")
        shape = self.numbers(f"{rank}I")
        number, size = self.numbers("BI")
        kind = np.dtype(TYPES[number]).newbyteorder("<")
        values = np.frombuffer(self.content, kind, size // kind.itemsize, self.place)
        self.place += size
        return values.reshape(shape)


def _read(file: _Cursor) -> CTranslate2Model:
    (version,) = file.numbers("I")
    if version != VERSION:
        raise ValueError(f"its version is {version}")
    specification = file.text()
    revision, count = file.numbers("II")
    variables = {file.text(): file.array() for _ in range(count)}
    (aliases,) = file.numbers("I")
    for _ in range(aliases):
        alias, name = file.text(), file.text()
        variables[alias] = variables[name]
    return CTranslate2Model(specification, revision, variables)
