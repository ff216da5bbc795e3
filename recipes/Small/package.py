"""Puts a trained folder into the package: the same folder with weights of half the size.

    python recipes/Small/package.py results/small/fd_ser_sed_asr/model speechbrain_xser/packaged/xser-small

Weights become bfloat16, which is more exact than what they were trained to; mean and spread of the encoder's states
stay float32, because all else is multiplied by them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from speechbrain_xser.model_folder.locate import ADAPTER, ADAPTER_WEIGHTS, BRANCH_WEIGHTS, FILES
from speechbrain_xser.utils.commandline import one_line_errors
from speechbrain_xser.utils.folders import written_folder

KEPT = "standardization."


@one_line_errors()
def main(source: str, target: str) -> None:
    """Copies the files of a trained folder.

    Arguments
    ---------
    source : str
        The trained folder.
    target : str
        Where the copy goes; a folder already in its place is replaced.
    """
    with written_folder(target) as staging:
        for name in FILES:
            if (path := Path(source, name)).is_file():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).write_bytes(path.read_bytes())
        for name in (BRANCH_WEIGHTS, f"{ADAPTER}/{ADAPTER_WEIGHTS}"):
            tensors = load_file(staging / name)
            halved = {key: one if key.startswith(KEPT) else one.to(torch.bfloat16) for key, one in tensors.items()}
            save_file(halved, staging / name, metadata={"format": "pt"})


if __name__ == "__main__":
    main(*sys.argv[1:])
