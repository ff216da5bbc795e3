"""Run by torchrun: the first rank prepares for longer than a collective may take, and then fails to."""

import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
from speechbrain.utils.distributed import run_on_main

from speechbrain_xser.training.distributed import first_rank_alone, rank

LIMIT, WORK = timedelta(seconds=2), 5  # of a collective; seconds of the preparation


def main(folder: Path) -> None:
    """Each rank writes what it found once the preparation is over, and what a failing one raised."""
    torch.distributed.init_process_group("gloo", timeout=LIMIT)

    def prepare():
        time.sleep(WORK)
        run_on_main((folder / "manifest").write_text, ["prepared"])

    def fail():
        raise OSError("no corpus")

    first_rank_alone(prepare)
    found = (folder / "manifest").read_text()
    try:
        first_rank_alone(fail)
    except Exception as error:
        (folder / f"rank-{rank()}").write_text(f"{found}, {type(error).__name__}: {error}")
    torch.distributed.barrier()  # nobody ends before the others have written


if __name__ == "__main__":
    main(Path(sys.argv[1]))
