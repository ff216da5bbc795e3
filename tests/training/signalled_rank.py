"""Run by each of two ranks: only the second is sent SIGTERM, in the second batch of a validation of 4 and 3 batches."""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from speechbrain.utils.distributed import ddp_init_group, run_on_main
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.training.distributed import rank
from tests.training.runner import make, tiny_data, tiny_hparams


def main(folder: Path) -> None:
    """Trains an epoch; both ranks are to end in its validation."""
    torch.set_num_threads(1)
    ddp_init_group(RunOptions.from_dictionary({"distributed_backend": "gloo"}))
    data = run_on_main(tiny_data, [folder], {"train": 2, "valid": 7})
    hparams = tiny_hparams(data, folder / "run", valid_batch_size=1, grad_accumulation_factor=1)
    brain, loaders = make(hparams, distributed_backend="gloo")
    evaluate_batch, told = brain.evaluate_batch, {"signalled": False, "evaluated": 0}

    def signalled(batch, stage):
        loss = evaluate_batch(batch, stage)
        told["evaluated"] += 1
        if rank() == 1 and told["evaluated"] == 2:
            told["signalled"] = True
            os.kill(os.getpid(), signal.SIGTERM)
        return loss

    brain.evaluate_batch = signalled
    try:
        brain.fit(loaders.train, loaders.valid)
    finally:
        (folder / f"rank-{rank()}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
