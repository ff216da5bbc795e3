"""The checksums of a model folder's own weight files, which its ``metadata.json`` holds.

The backbones have fingerprints, wherever they lie. The price is one more reading of the weights before they are loaded:
about 0.7 ms a megabyte.
"""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.model_folder.locate import MEASURED, METADATA, WEIGHT_FILES
from speechbrain_xser.model_folder.metadata import read_metadata, write_metadata
from speechbrain_xser.utils.checksums import check_checksum, checksums


def write_checksums(folder: str | Path) -> None:
    """Writes the checksums of a folder's weight files into its metadata, after one of them was written or changed.

    Raises
    ------
    CheckpointError, UnsafeModelError
        If the metadata cannot be read.
    """
    path = Path(folder, METADATA)
    write_metadata(path, read_metadata(path)._replace(files=checksums(Path(folder), WEIGHT_FILES)))


def check_weight_files(folder: str | Path) -> None:
    """Refuses a model folder with a weight file whose bytes are not those that were written.

    Arguments
    ---------
    folder : str or Path
        A model folder. What it lacks is left to what loads it.

    Raises
    ------
    CheckpointError
        Names the file; also if the metadata is of another format, or has no checksum of a file.
    UnsafeModelError
        If the metadata is missing.

    Example
    -------
    >>> import shutil
    >>> from speechbrain_xser import packaged_model
    >>> folder = shutil.copytree(packaged_model("tiny"), getfixture("tmp_path") / "model")
    >>> check_weight_files(folder)
    >>> _ = (folder / "mean_voice.safetensors").write_bytes(bytes(392))
    >>> check_weight_files(folder)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ...mean_voice.safetensors: damaged (SHA-256 ..., expected ...);
    copy or download it again, or remove it
    """
    expected = read_metadata(Path(folder, METADATA)).files
    for name in WEIGHT_FILES:
        if not (path := Path(folder, name)).is_file():
            continue
        remedy = "copy or download it again" + (", or remove it" if name in MEASURED else "")
        if name not in expected:
            raise CheckpointError(f"{path}: no checksum in {METADATA}, expected one of each weight file; {remedy}")
        try:
            check_checksum(path, expected[name])
        except (CheckpointError, OSError) as error:
            raise CheckpointError(f"{error}; {remedy}") from error
