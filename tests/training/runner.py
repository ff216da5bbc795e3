"""Trains a tiny model in this process, for tests that start, kill and compare whole processes."""

import functools
import multiprocessing
import os
import signal
from pathlib import Path

import torch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.model import build_model
from speechbrain_xser.testing import tiny_lobes, tiny_manifest
from speechbrain_xser.training.run import make_brain, make_loaders, make_model, merged
from tests.warmed import PATIENCE

START = multiprocessing.get_context("forkserver")
START.set_forkserver_preload([__name__])


def tiny_data(folder: Path, train: int = 7, valid: int = 3, max_new_tokens: int = 4) -> dict:
    """Backbones and manifests, as hyperparameters."""
    model = functools.partial(build_model, **tiny_lobes(folder, max_new_tokens=max_new_tokens))
    manifests = {
        f"{split}_manifest": tiny_manifest(folder, clips, seed=clips, split=split)
        for split, clips in (("train", train), ("valid", valid))
    }
    return {"model": model, "data_folder": None, **manifests}


def tiny_hparams(data: dict, output: Path, **values) -> dict:
    """4 steps an epoch, one epoch of each stage, a checkpoint every 2 steps."""
    small = {
        "output_folder": str(output),
        "epochs_per_stage": 1,
        "batch_size": 1,
        "grad_accumulation_factor": 2,
        "num_workers": 0,
        "ckpt_interval_steps": 2,
        "ckpt_interval_minutes": 0,
        "stage1_learning_rate": 0.01,
        "stage2_learning_rate": 0.01,
        "beta_warmup_fraction": 0.1,
        "search_limit": 1,
    }
    return merged({**small, **data, **values})


REWARDED = {"order": "one_stage", "stages": ["ser", "rl_sed"], "answers_per_clip": 4}  # over answers that may end
LONG_ENOUGH = 24  # tokens within which some random answers end and some do not: rewards differ


def make(hparams: dict, **options):
    """Brain and loaders."""
    Path(hparams["output_folder"]).mkdir(parents=True, exist_ok=True)
    model = make_model(hparams)
    loaders = make_loaders(hparams, model, hparams["grad_accumulation_factor"])
    run_opts = RunOptions.from_dictionary({"device": "cpu", "noprogressbar": True, **options})
    return make_brain(hparams, run_opts, model, len(loaders.train.dataset)), loaders


def train(hparams: dict, signal_at: int | None = None, number: int = signal.SIGKILL) -> None:
    """Trains; at a step, sends this process a signal."""
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # of the loader's workers, as in a run on Linux
    brain, loaders = make(hparams)
    fit_batch = brain.fit_batch

    def fit_or_die(batch):
        if brain.position.step(brain.steps_per_epoch) == signal_at:
            os.kill(os.getpid(), number)
        return fit_batch(batch)

    brain.fit_batch = fit_or_die
    brain.fit(loaders.train, loaders.valid)


def train_in_process(hparams: dict, *arguments) -> int:
    """The same in a process of its own; its exit code, negative for a signal."""
    process = START.Process(target=train, args=(hparams, *arguments))
    process.start()
    process.join(PATIENCE)
    return process.exitcode


def final_weights(output: Path) -> dict:
    """The weights in the newest checkpoint."""
    from speechbrain_xser.training.checkpoint import CheckpointStore, load_tensors

    return load_tensors(CheckpointStore(output / "checkpoints").latest(), "model")
