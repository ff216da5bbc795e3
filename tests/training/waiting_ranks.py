"""Run by torchrun: the first rank prepares for longer than a collective may take."""

import sys
import time
from datetime import timedelta
from pathlib import Path

import torch

from speechbrain_xser.training.distributed import first_rank_alone, rank

LIMIT, WORK = timedelta(seconds=2), 5  # of a collective; seconds of the preparation


def main(folder: Path) -> None:
    """Each rank writes what it found once the preparation is over."""
    torch.distributed.init_process_group("gloo", timeout=LIMIT)

    def prepare():
        time.sleep(WORK)
        (folder / "manifest").write_text("prepared")

    first_rank_alone(prepare)
    (folder / f"rank-{rank()}").write_text((folder / "manifest").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
