"""One of two ranks: only the second is sent SIGTERM, in the second batch of a validation of 4 and 3 batches."""

import json
import os
import signal
from pathlib import Path

import torch
from speechbrain.utils.distributed import ddp_init_group
from speechbrain.utils.run_opts import RunOptions

from tests.training.runner import make, tiny_hparams


def evaluate_and_signal(rank: int, port: int, data: dict, folder: Path) -> None:
    """Trains an epoch; both ranks are to end in its validation."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    ddp_init_group(RunOptions.from_dictionary({"distributed_backend": "gloo"}))
    hparams = tiny_hparams(data, folder / "run", valid_batch_size=1, batch_size=2, grad_accumulation_factor=1)
    brain, loaders = make(hparams, distributed_backend="gloo")
    evaluate_batch, told = brain.evaluate_batch, {"signalled": False, "evaluated": 0}

    def signalled(batch, stage):
        loss = evaluate_batch(batch, stage)
        told["evaluated"] += 1
        if rank == 1 and told["evaluated"] == 2:
            told["signalled"] = True
            os.kill(os.getpid(), signal.SIGTERM)
        return loss

    brain.evaluate_batch = signalled
    try:
        brain.fit(loaders.train, loaders.valid)
    finally:
        (folder / f"rank-{rank}.json").write_text(json.dumps(told))
