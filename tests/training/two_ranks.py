"""Run by torchrun: trains on each rank and writes what it saw to ``rank-N.json``."""

import functools
import hashlib
import json
import logging
import shutil
import sys
from pathlib import Path

import torch
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.data.pipeline import ClipItems
from speechbrain_xser.errors import XserError
from speechbrain_xser.stages import STAGES
from speechbrain_xser.testing import tiny_lobes
from speechbrain_xser.training.checkpoint import CheckpointStore
from speechbrain_xser.training.collapse import Heard, active_units, moments
from speechbrain_xser.training.data_parallel import data_parallel
from speechbrain_xser.training.distributed import from_rank, rank
from speechbrain_xser.training.process_group import joined
from speechbrain_xser.training.recovery import Recovery
from speechbrain_xser.training.run import export
from speechbrain_xser.training.validation import Evaluation
from tests.training.runner import LONG_ENOUGH, REWARDED, make, tiny_data, tiny_hparams

STOPPED_AT = 3  # a step in mid-epoch, after a checkpoint


def observe(brain, loaders, poison_at=None, noise=True, stop_at=None):
    """Trains and tells each step's loss and clips, the weights' digest, and how often this rank wrote."""
    losses, clips, writes, save, fit_batch = [], [], [], brain.recovery.save, brain.fit_batch
    brain.recovery.save = lambda *arguments: writes.append(save(*arguments))
    brain.on_fit_batch_end = lambda batch, report, loss, should_step: losses.append(report.loss)
    if not noise:
        brain.model.eval()
        brain.model.train = lambda mode=True: brain.model

    def observed(batch):
        if brain.optimizer_step == stop_at:
            raise KeyboardInterrupt
        clips.append(batch.ids)
        here = rank() == 1 and brain.optimizer_step == poison_at
        return fit_batch(batch._replace(wavs=batch.wavs * float("nan")) if here else batch)

    brain.fit_batch = observed
    try:
        brain.fit(loaders.train, loaders.valid)
    except KeyboardInterrupt:
        pass
    return {
        "losses": losses,
        "clips": clips,
        "weights": digest(brain.model),
        "writes": len(writes),
        "skipped": brain.stepper.guard.skipped,
        "unreadable": brain.faults.count,
    }


def digest(model) -> str:
    found = hashlib.sha256()
    for tensor in model.state_dict().values():
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()


class Warnings(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []
        logging.getLogger().addHandler(self)

    def emit(self, record):
        self.messages.append(record.getMessage())


def refusal(work) -> str:
    """What a run says that does not begin."""
    try:
        work()
    except (XserError, ZeroDivisionError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def apart(data: dict, output: Path) -> dict:
    """Two machines without a common folder: stopped in mid-epoch, resumed, evaluated and exported."""
    hparams = tiny_hparams(data, output / f"machine-{rank()}", epochs_per_stage=1)
    observe(*make(hparams), stop_at=STOPPED_AT)
    brain, loaders = make(hparams)
    found = observe(brain, loaders)
    brain.evaluate(loaders.valid)
    folder = export(hparams, brain, None)
    return {**found, "folder": folder, "best": digest(brain.model), "here": sorted(map(str, output.glob("*/model")))}


def sharded(data: dict, output: Path) -> dict:
    """The LLM divided among the ranks: an epoch of each stage without noise, and a test."""
    hparams = tiny_hparams(data, output / "sharded", shard=True, valid_batch_size=1)  # of two and one clips
    observe(*make(hparams), noise=False, stop_at=STOPPED_AT)
    brain, loaders = make(hparams)
    found = observe(brain, loaders, noise=False)
    brain.evaluate(loaders.valid)
    answers = {answer.utterance.id: answer.text for answer in brain.evaluation.answers}
    divided = [parameter for parameter in brain.model.decoder.parameters() if hasattr(parameter, "to_local")]
    share = sum(each.to_local().numel() for each in divided) / sum(each.numel() for each in divided)
    return {**found, "answers": answers, "share": share}


def damaged(output: Path) -> dict[str, int]:
    """Disks of their own: the first rank's newest checkpoint is the newer one, and damaged."""
    recovery = Recovery(CheckpointStore(output / f"disk-{rank()}"), torch.nn.Linear(2, 1), {})
    step = (9, 5)[rank()]
    saved = recovery.save(step, None, {}, {"step": step}, {"ua": step / 10})
    if rank() == 0:
        file = saved.folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    return {"resumed": recovery.resume(None, {})["step"], "best": recovery.load_best().step}


def exchanged(dtype: str) -> dict[str, list]:
    """A gradient of each rank before and after they exchange it, and what they send."""
    sent, all_reduce = [], torch.distributed.all_reduce
    torch.distributed.all_reduce = lambda tensor, **given: sent.append(str(tensor.dtype)) or all_reduce(tensor, **given)
    model, inputs = torch.nn.Linear(32, 1, bias=False), torch.randn(32, generator=torch.Generator().manual_seed(rank()))
    wrapped = data_parallel(model, None, dtype)
    try:
        wrapped(inputs).sum().backward()
    finally:
        torch.distributed.all_reduce = all_reduce
    return {"own": inputs.tolist(), "mean": model.weight.grad[0].tolist(), "sent": sent}


def pooled() -> dict[str, int]:
    """A branch of one unit, whose mean stands still on each rank, at another place."""
    sums = moments(torch.full((1, 4, 1), float(rank())), torch.tensor([4]))
    evaluation = Evaluation(STAGES["ser"])
    evaluation.heard = [Heard("content", 1.0, sums, None, 3)]
    return {"alone": active_units([sums]), "together": evaluation.diagnostics()["content active"]}


def refusals(data: dict, output: Path) -> dict[str, str]:
    """What ends with a word before the first step."""
    other = {1: {"train_manifest": data["valid_manifest"], "stage2_learning_rate": 0.5}}.get(rank(), {})
    brain, loaders = make(tiny_hparams({**data, **other}, output / f"other-{rank()}"))
    found = {"settings": refusal(lambda: brain.fit(loaders.train, loaders.valid))}
    brain, loaders = make(tiny_hparams(data, output / f"steps-{rank()}"))
    brain.recovery.resume = lambda *_: {**brain._state(), "offset": rank()}
    found["steps"] = refusal(lambda: brain.fit(loaders.train, loaders.valid))

    found["unreadable folder"] = refusal(lambda: from_rank(1, lambda: _fail("no folder /corpus")))
    found["fault"] = refusal(lambda: from_rank(1, lambda: 1 // 0))
    return found


def passes(data: dict, output: Path) -> int:
    """How often this rank goes through all rows of a manifest before it can train."""
    begun, values = [], ClipItems.values
    ClipItems.values = lambda items: begun.append(items) or values(items)
    try:
        make(tiny_hparams(data, output / "passes"))
    finally:
        ClipItems.values = values
    return len(begun)


def _fail(told: str) -> None:
    raise XserError(told)


def without_weights(model: functools.partial, folder: Path) -> functools.partial:
    """The same model, from copies of the backbones that have no weight file: another rank has to read them."""
    ignored = shutil.ignore_patterns("*.safetensors")
    for name in ("encoder", "llm"):
        shutil.copytree(folder / name, folder / "without" / name, ignore=ignored)
    return functools.partial(model, **tiny_lobes(folder / "without", max_new_tokens=4))


def main(folder: Path) -> None:
    """Small runs: with a poisoned step, an unreadable clip, no noise, no common folder, rewards; and refusals."""
    torch.set_num_threads(1)
    warned = Warnings()
    with joined(RunOptions()):
        data = run_on_main(tiny_data, [folder])
        output = folder / "run"
        found = {"stages": observe(*make(tiny_hparams(data, output / "stages")), poison_at=1)}
        found["stages"]["warned"] = [text for text in warned.messages if "Step skipped" in text]

        clips = read_manifest(data["train_manifest"])
        lost = [clip._replace(wav="missing.wav") if place < 2 else clip for place, clip in enumerate(clips)]
        run_on_main(write_manifest, [folder / "broken.jsonl", lost])
        broken = {"train_manifest": str(folder / "broken.jsonl"), "batch_size": 2, "grad_accumulation_factor": 1}
        make_broken = functools.partial(tiny_hparams, data, **broken)
        found["broken"] = observe(*make(make_broken(output / "broken", max_unreadable=0.5)))
        found["exact"] = observe(*make(tiny_hparams(data, output / "exact")), noise=False)
        observe(*make(tiny_hparams(data, output / "halfway")), noise=False, stop_at=STOPPED_AT)
        without = {"model": without_weights(data["model"], folder)} if rank() == 1 else {}
        found["sharded"] = sharded({**data, **without}, output)
        found["apart"] = apart(data, output)
        longer = run_on_main(tiny_data, [folder / "longer"], {"max_new_tokens": LONG_ENOUGH})
        found["rewarded"] = observe(*make(tiny_hparams(longer, output / "rewarded", **REWARDED)))
        found["poisoned"] = observe(*make(tiny_hparams(longer, output / "poisoned", **REWARDED)), poison_at=1)
        rounded = tiny_hparams(data, output / "rounded", gradient_dtype="bfloat16")
        found["rounded"] = {**observe(*make(rounded), noise=False), "gradients": exchanged("bfloat16")}
        found["exact"]["gradients"] = exchanged("float32")
        found["damaged"], found["pooled"], found["passes"] = damaged(output), pooled(), passes(data, output)
        found["refused"] = refusals(data, output)
        brain, loaders = make(make_broken(output / "limit", max_unreadable=0.2))  # one of seven
        found["refused"]["unreadable"] = refusal(lambda: brain.fit(loaders.train, loaders.valid))
        (folder / f"rank-{rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
