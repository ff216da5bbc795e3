"""Puts a trained folder into the package: weights in bfloat16 on the disk, the LLM in float32 where it is loaded.

    python recipes/Small/package.py results/small/fd_ser_sed_asr/model

The encoder's means and spreads stay in float32: a mean of 10 beside a spread of 0.1 does not survive eight bits. An LLM
in bfloat16 is slow on processors that have no such type.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from safetensors.torch import load_file, save_file
from torch import Tensor

from speechbrain_xser import SMALL, packaged_model
from speechbrain_xser.model_folder.hyperparams import write_settings
from speechbrain_xser.model_folder.locate import ADAPTER, ADAPTER_WEIGHTS, BRANCH_WEIGHTS, FILES, SETTINGS
from speechbrain_xser.model_folder.settings import read_settings
from speechbrain_xser.model_folder.weight_checksums import check_weight_files, write_checksums
from speechbrain_xser.utils.commandline import one_line_errors
from speechbrain_xser.utils.folders import written_folder

EXACT = "standardization."


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False))
@click.option("--out", default=packaged_model(SMALL), help="Where to; by default the package's own folder.")
@one_line_errors()
def main(model: str, out: str) -> None:
    """Writes MODEL, a trained folder, as the package ships it."""
    print(f"{package(model, out) / 1e6:.1f} MB in {out}")


def package(model: str | Path, out: str | Path) -> int:
    """Copies the files of a model folder, with smaller weights.

    Arguments
    ---------
    model : str | Path
        A trained folder.
    out : str | Path
        Replaced.

    Returns
    -------
    int
        Bytes that were written.

    Raises
    ------
    CheckpointError
        If a weight file of the model is damaged, or `out` cannot be written; then it stays as it was.

    Example
    -------
    >>> out = getfixture("tmp_path") / "xser-small"
    >>> size = package(packaged_model("tiny"), out)
    >>> size == sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    True
    """
    check_weight_files(model)
    with written_folder(out) as staging:
        for name in FILES:
            if (path := Path(model, name)).is_file():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, staging / name)
        _portable(staging)
        for name in (BRANCH_WEIGHTS, f"{ADAPTER}/{ADAPTER_WEIGHTS}"):
            if (staging / name).is_file():
                tensors = load_file(staging / name)
                save_file({key: _rounded(key, tensor) for key, tensor in tensors.items()}, staging / name)
        write_checksums(staging)
    return sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())


def _portable(folder: Path) -> None:
    """Loads the LLM in float32, whatever it was trained in."""
    settings = read_settings(folder / SETTINGS)
    settings["model"]["decoder"]["dtype"] = "float32"
    write_settings(folder, settings)


def _rounded(name: str, tensor: Tensor) -> Tensor:
    return tensor if name.startswith(EXACT) or not tensor.is_floating_point() else tensor.bfloat16()


if __name__ == "__main__":
    main()
