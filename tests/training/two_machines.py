"""Run by torchrun on four ranks: two machines of two, whose second rank has no weight file; each writes what it got."""

import hashlib
import json
import os
import sys
from pathlib import Path

import torch
from speechbrain.utils.run_opts import RunOptions
from torch import nn

from speechbrain_xser.decoder.llm import load_llm
from speechbrain_xser.errors import XserError
from speechbrain_xser.lobes.backbone import FAMILIES, load_backbone
from speechbrain_xser.lobes.word_recognizer import WhisperRecognizer
from speechbrain_xser.training.distributed import rank
from speechbrain_xser.training.node import Node, once_a_machine
from speechbrain_xser.training.process_group import joined
from speechbrain_xser.utils.weight_reading import read_by

MACHINES = RANKS = 2
DAMAGED, ONCE = "damaged", "once"


def loaded(folder: Path, kind: str) -> nn.Module:
    """A backbone as a run loads it; ``kind`` is a family and a dtype."""
    name, dtype = kind.split()
    if name == "llm":
        return load_llm(str(folder / name), dtype=dtype)
    if name == "recognizer":
        return WhisperRecognizer(str(folder / name), dtype=dtype).whisper
    return load_backbone(str(folder / name), None, dtype, load_weights=True)


def kinds() -> list[str]:
    return [f"{name} {dtype}" for name in (*FAMILIES, "llm", "recognizer") for dtype in ("float32", "bfloat16")]


def described(model: nn.Module) -> str:
    """A digest of all that is in a model and of what it does not save, its mode, and torch's next random number."""
    found = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} {tensor.requires_grad}".encode())
        found.update(tensor.detach().reshape(-1).view(torch.uint8).numpy())
    found.update(repr(getattr(model, "generation_config", None)).encode())
    return f"{found.hexdigest()} {model.training} {torch.rand(1).item()}"


def main(folder: Path) -> None:
    """Loads everything, and what is damaged on the first machine alone; asks the first rank of its machine twice."""
    torch.set_num_threads(1)
    with joined(RunOptions()):
        machine, local = divmod(rank(), RANKS)
        os.environ |= {"LOCAL_RANK": str(local), "LOCAL_WORLD_SIZE": str(RANKS)}
        own = folder / f"machine-{machine}" / f"rank-{local}"
        torch.manual_seed(1)
        with read_by(Node("cpu").model):
            found = {kind: described(loaded(own, kind)) for kind in kinds()}
            try:
                found[DAMAGED] = described(load_backbone(str(own / DAMAGED), None, "float32", load_weights=True))
            except XserError as error:
                found[DAMAGED] = f"{type(error).__name__}: {error}"
        found[ONCE] = [once_a_machine(rank) for _ in range(2)]
        (folder / f"rank-{rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
