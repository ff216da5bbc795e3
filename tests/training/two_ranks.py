"""Run by torchrun: trains on each rank and writes what it saw to ``rank-N.json``."""

import hashlib
import json
import sys
from pathlib import Path

import torch
from speechbrain.utils.distributed import ddp_init_group, run_on_main
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.training.distributed import rank
from tests.training.runner import make, tiny_data, tiny_hparams


def observe(brain, loaders, poison_at=None, noise=True):
    """Trains and tells each step's loss, the weights' digest, and how often this rank wrote."""
    losses, writes, save, fit_batch = [], [], brain.recovery.save, brain.fit_batch
    brain.recovery.save = lambda *arguments: writes.append(save(*arguments))
    brain.on_fit_batch_end = lambda batch, report, loss, should_step: losses.append(report.loss)
    if not noise:
        brain.model.eval()
        brain.model.train = lambda mode=True: brain.model

    def poisoned(batch):
        here = rank() == 1 and brain.optimizer_step == poison_at
        return fit_batch(batch._replace(wavs=batch.wavs * float("nan")) if here else batch)

    brain.fit_batch = poisoned
    brain.fit(loaders.train, loaders.valid)
    digest = hashlib.sha256()
    for tensor in brain.model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return {
        "losses": losses,
        "weights": digest.hexdigest(),
        "writes": len(writes),
        "skipped": brain.stepper.guard.skipped,
    }


def main(folder: Path) -> None:
    """Three small runs: one with a poisoned step, one with an unreadable clip, one without noise."""
    torch.set_num_threads(1)
    ddp_init_group(RunOptions.from_dictionary({"distributed_backend": "gloo"}))
    data = run_on_main(tiny_data, [folder])
    plain = {"distributed_backend": "gloo"}
    output = folder / "run"
    found = {"stages": observe(*make(tiny_hparams(data, output / "stages"), **plain), poison_at=1)}

    clips = read_manifest(data["train_manifest"])
    run_on_main(write_manifest, [folder / "broken.jsonl", [clips[0]._replace(wav="missing.wav"), *clips[1:]]])
    broken = {"train_manifest": str(folder / "broken.jsonl"), "grad_accumulation_factor": 1, "max_unreadable": 0.5}
    found["broken"] = observe(*make(tiny_hparams(data, output / "broken", **broken), **plain))
    found["exact"] = observe(*make(tiny_hparams(data, output / "exact"), **plain), noise=False)
    (folder / f"rank-{rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
