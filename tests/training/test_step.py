"""One optimiser step: exact accumulation, numbers that are not finite, memory, unreadable clips."""

from pathlib import Path

import pytest
import torch

from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.errors import CheckpointError, ManifestError, PromptError, SettingsError, TrainingError
from speechbrain_xser.training.checkpoint import CheckpointStore
from tests.training.runner import make, tiny_data, tiny_hparams

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"))


def prepared(data, output, factor=1, **values):
    """A brain that is about to train, and a window of 4 clips with texts of unequal lengths."""
    brain, loaders = make(tiny_hparams(data, output, batch_size=4 // factor, grad_accumulation_factor=factor, **values))
    brain.train_sampler, brain.steps_per_epoch = loaders.train.batch_sampler, len(loaders.train)
    brain.on_fit_start()
    brain.modules.train()
    batch = max(loaders.train, key=lambda batch: len(batch.ids))
    texts = ("by the door", "kids are talking by the door", "dogs", "the way he talks about people")
    utterances = [u._replace(transcript=text) for u, text in zip(batch.utterances, texts, strict=True)]
    return brain, batch._replace(utterances=tuple(utterances))


def weights(brain):
    return {name: tensor.clone() for name, tensor in brain.model.state_dict().items()}


def same(before, after):
    return all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("order", ["two_stage", "one_stage"])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_gradient_of_micro_batches_is_that_of_the_whole_window(data, tmp_path, order, factor):
    gradients = []
    for count in (1, factor):
        brain, batch = prepared(data, tmp_path / str(count), order=order, beta=0.1, beta_warmup_fraction=0.0)
        brain.grad_accumulation_factor = count
        brain.modules.eval()  # no noise and no dropout, so that only the sums differ
        brain.stepper.optimizers.zero_grad = lambda: None
        brain.stepper.max_norm = 0.0
        brain.fit_batch(batch)
        gradients.append({n: p.grad.clone() for n, p in brain.model.named_parameters() if p.grad is not None})

    whole, split = gradients
    assert whole.keys() == split.keys() and len(whole) > 10
    scale = max(gradient.abs().max() for gradient in whole.values())
    assert all((whole[name] - split[name]).abs().max() < 1e-6 * max(1, scale) for name in whole)


@pytest.mark.parametrize(("batch_size", "steps"), [(2, 2), (100, 1)])  # 7 clips: 4 + 3, or all of them at once
def test_a_tail_window_and_a_window_longer_than_the_epoch_take_a_step(data, tmp_path, batch_size, steps):
    brain, loaders = make(tiny_hparams(data, tmp_path, batch_size=batch_size, grad_accumulation_factor=2))
    before = weights(brain)

    brain.fit(loaders.train)

    moments = brain.stage_optimizers.state_tensors()
    assert {value.item() for name, value in moments.items() if name.endswith("/step")} == {float(steps)}
    assert not same(before, weights(brain))


def test_a_window_that_is_not_finite_changes_nothing_is_counted_and_named(data, tmp_path, caplog):
    brain, batch = prepared(data, tmp_path, factor=2)
    before = weights(brain)
    poisoned = batch.wavs.clone()
    poisoned[3] = float("nan")

    loss = brain.fit_batch(batch._replace(wavs=poisoned))

    assert not torch.isfinite(loss)
    assert same(before, weights(brain))
    assert brain.stepper.guard.skipped == 1
    assert batch.ids[3] in caplog.text and batch.ids[0] not in caplog.text
    brain.fit_batch(batch)
    assert not same(before, weights(brain))
    assert all(tensor.isfinite().all() for tensor in weights(brain).values())


def overflowing_gradient(brain):
    """What fp16's first steps do, in float32."""
    parameter = next(p for n, p in brain.model.named_parameters() if n.startswith("branches.content"))
    return parameter.register_hook(lambda gradient: gradient * float("inf")).remove


def overflowing_scale(brain):
    """A loss scale as fp16 has it, far too large."""
    brain.scaler = brain.stepper.scaler = torch.GradScaler("cpu", init_scale=2.0**127)
    return lambda: brain.scaler.load_state_dict({**brain.scaler.state_dict(), "scale": 1.0})


@pytest.mark.parametrize("overflow", [overflowing_gradient, overflowing_scale])
def test_a_gradient_that_overflows_behind_a_finite_loss_is_skipped_and_the_run_saves_and_resumes(
    data, tmp_path, caplog, overflow
):
    brain, batch = prepared(data, tmp_path, factor=2, ckpt_interval_steps=1)
    before, end = weights(brain), overflow(brain)

    loss = brain.fit_batch(batch)  # and saves

    assert not torch.isfinite(loss) and same(before, weights(brain)) and brain.stepper.guard.skipped == 1
    assert all(name in caplog.text for name in batch.ids) and "a finite loss" in caplog.text
    assert "another rank" not in caplog.text
    end()
    brain.fit_batch(batch)
    resumed, _ = prepared(data, tmp_path, factor=2)
    assert not same(before, weights(resumed)) and same(weights(brain), weights(resumed))
    assert (resumed.optimizer_step, resumed.stepper.guard.skipped) == (2, 1)
    assert resumed.tally.state() == brain.tally.state() and resumed.tally.state()["steps"] == 1


def test_a_run_with_a_number_that_no_checkpoint_can_hold_is_refused_before_its_first_step(data, tmp_path):
    brain, loaders = make(tiny_hparams(data, tmp_path), max_grad_norm=float("inf"))
    with pytest.raises(CheckpointError, match="cannot hold run.max_grad_norm, which is inf"):
        brain.fit(loaders.train)
    assert brain.optimizer_step == 0


def test_too_many_windows_in_a_row_that_are_not_finite_stop_the_training(data, tmp_path):
    brain, batch = prepared(data, tmp_path, nonfinite_patience=1)
    poisoned = batch._replace(wavs=batch.wavs * float("nan"))
    brain.fit_batch(poisoned)

    with pytest.raises(TrainingError, match="2 steps in a row"):
        brain.fit_batch(poisoned)


def test_bf16_trains_in_autocast_and_keeps_float32_weights(data, tmp_path):
    brain, loaders = make(tiny_hparams(data, tmp_path), precision="bf16")
    before = weights(brain)
    brain.fit(loaders.train)

    assert not same(before, weights(brain))
    assert {tensor.dtype for tensor in weights(brain).values()} == {torch.float32}


def test_fp16_on_a_cpu_is_refused_in_our_own_words(data, tmp_path):
    with pytest.raises(SettingsError, match="fp16.*not yet supported on CPU"):
        make(tiny_hparams(data, tmp_path), precision="fp16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="fp16 needs a CUDA GPU")
def test_fp16_on_a_gpu_scales_the_loss_and_takes_every_step_that_is_finite(data, tmp_path):
    brain, loaders = make(tiny_hparams(data, tmp_path, epochs_per_stage=3), precision="fp16", device="cuda")
    before = weights(brain)
    brain.fit(loaders.train)

    assert brain.scaler.is_enabled()
    moments = brain.stage_optimizers.state_tensors()
    taken = {name.split("/")[0]: value.item() for name, value in moments.items() if name.endswith("/step")}
    assert sum(taken.values()) == 2 * 3 * 4 - brain.stepper.guard.skipped > 0  # stages, epochs, steps of an epoch
    assert not same(before, weights(brain))
    assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in weights(brain).values())


def test_out_of_memory_names_batch_and_knob_and_leaves_a_checkpoint_of_the_last_whole_step(data, tmp_path):
    brain, batch = prepared(data, tmp_path, ckpt_interval_steps=0)
    brain.fit_batch(batch)

    def too_large(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    brain.model.decoder.forward = too_large
    shape = f"{len(batch.ids)} clips padded to {batch.wavs.shape[1]} samples"
    with pytest.raises(TrainingError, match=f"{shape}.*grad_accumulation_factor"):
        brain.fit_batch(batch)
    assert CheckpointStore(tmp_path / "checkpoints").latest().step == 1


def test_unreadable_clips_are_skipped_and_counted_and_too_many_stop_the_training(data, tmp_path):
    utterances = read_manifest(data["train_manifest"])
    broken = [u._replace(wav=f"{tmp_path}/missing.wav") if index < 2 else u for index, u in enumerate(utterances)]
    write_manifest(tmp_path / "broken.jsonl", broken)
    hparams = tiny_hparams(data, tmp_path, train_manifest=str(tmp_path / "broken.jsonl"), grad_accumulation_factor=1)

    brain, loaders = make({**hparams, "max_unreadable": 0.3})
    brain.fit(loaders.train)
    assert brain.faults.count == 2

    brain, loaders = make({**hparams, "output_folder": str(tmp_path / "strict"), "max_unreadable": 0.0})
    with pytest.raises(TrainingError, match="2 of 7 clips cannot be read"):
        brain.fit(loaders.train)


def test_nothing_waits_for_the_device_between_the_first_forward_and_the_end_of_a_step(data, tmp_path, monkeypatch):
    brain, batch = prepared(data, tmp_path, factor=4)
    waits = []
    for name in ("item", "tolist", "cpu", "__bool__", "__float__"):
        original = getattr(torch.Tensor, name)

        def spy(tensor, *arguments, _original=original, _name=name, **keywords):
            if tensor.is_floating_point() and tensor.grad_fn is not None:
                waits.append(_name)
            return _original(tensor, *arguments, **keywords)

        monkeypatch.setattr(torch.Tensor, name, spy)
    brain.fit_batch(batch)

    assert waits == []


def test_a_text_longer_than_the_context_is_refused_with_the_ids_of_its_batch(data, tmp_path):
    brain, batch = prepared(data, tmp_path)
    long = batch.utterances[0]._replace(transcript="by the door " * 2000)
    with pytest.raises(PromptError, match=f"tokens of prompt, audio and answer.*The rows are.*{batch.ids[0]}"):
        brain.fit_batch(batch._replace(utterances=(long, *batch.utterances[1:])))


def test_an_utterance_without_the_text_that_a_stage_learns_stops_a_run_before_its_first_step(data, tmp_path):
    utterances = read_manifest(data["train_manifest"])
    wanting = [*utterances[:-1], utterances[-1]._replace(transcript=None)]
    path = Path(data["train_manifest"]).with_name("wanting.jsonl")
    write_manifest(str(path), wanting)
    with pytest.raises(ManifestError, match=f"{utterances[-1].id!r} has no transcript"):
        make(tiny_hparams({**data, "train_manifest": str(path)}, tmp_path))
