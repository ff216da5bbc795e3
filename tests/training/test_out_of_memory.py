"""Out of memory, wherever it happens: named with what was done, what helps, and no checkpoint is half changed."""

import errno
import functools

import pytest
import torch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser import ExplainableEmotionRecognizer, packaged_model
from speechbrain_xser.errors import BackboneError, OutOfMemoryError, TrainingError
from speechbrain_xser.training import stepping, window
from speechbrain_xser.training.checkpoint import CheckpointStore, load_tensors
from speechbrain_xser.training.run import make_brain, make_model
from speechbrain_xser.utils.commandline import one_line_errors
from speechbrain_xser.utils.out_of_memory import is_out_of_memory
from speechbrain_xser.utils.sources import loading
from tests.training.runner import make, tiny_data, tiny_hparams

ALLOCATORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    torch.distributed.DistBackendError("NCCL error: unhandled cuda error. Cuda failure 2 'out of memory'"),
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]
SHORT = ALLOCATORS[0]


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def begun(data, tmp_path):
    """A brain after its first step, which is saved, and a batch for the second."""
    brain, loaders = make(tiny_hparams(data, tmp_path, ckpt_interval_steps=1))
    brain.train_sampler, brain.steps_per_epoch = loaders.train.batch_sampler, len(loaders.train)
    brain.on_fit_start()
    brain.modules.train()
    batch = next(iter(loaders.train))
    brain.fit_batch(batch)
    return brain, batch, CheckpointStore(tmp_path / "checkpoints")


@pytest.mark.parametrize("error", ALLOCATORS, ids=lambda error: type(error).__name__)
def test_every_allocator_s_error_is_known_and_no_other(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes differ")) and not is_out_of_memory(TrainingError("Out of memory"))


def test_out_of_memory_in_the_optimiser_s_step_is_named_and_never_saved(begun, monkeypatch):
    brain, batch, store = begun
    before = load_tensors(store.latest(), "model")
    optimizer = brain.stage_optimizers.by_stage["asr"]

    def half_a_step(*_, **__):
        with torch.no_grad():
            optimizer.param_groups[0]["params"][0].add_(1.0)
        raise SHORT

    monkeypatch.setattr(optimizer, "step", half_a_step)
    with pytest.raises(TrainingError, match="Out of memory while AdamW stepped in stage 'asr'.*--memory"):
        brain.fit_batch(batch)
    saved = load_tensors(store.latest(), "model")
    assert store.latest().step == 1 and all(saved[name].equal(before[name]) for name in before)


@pytest.mark.parametrize("where", ["forward", "backward", "counts of all ranks", "norms of all ranks"])
def test_out_of_memory_before_the_optimiser_steps_names_the_batch_and_leaves_a_checkpoint(begun, monkeypatch, where):
    brain, batch, store = begun
    places = {
        "forward": (brain.model.decoder, "forward"),
        "backward": (torch.Tensor, "backward"),
        "counts of all ranks": (window, "sum_over_ranks"),
        "norms of all ranks": (stepping, "sum_over_ranks"),
    }
    monkeypatch.setattr(*places[where], failing(SHORT))
    with pytest.raises(TrainingError, match=f"{len(batch.ids)} clips padded to .*{batch.ids[0]}.*--batch_size"):
        brain.fit_batch(batch)
    assert store.latest().step == 1


def test_a_batch_that_ran_out_of_memory_is_named_even_if_no_checkpoint_can_be_written(begun, monkeypatch):
    brain, batch, store = begun
    monkeypatch.setattr(brain.model.decoder, "forward", failing(SHORT))
    monkeypatch.setattr("speechbrain_xser.training.checkpoint.save_file", failing(MemoryError()))
    named = f"{len(batch.ids)} clips padded to .*No checkpoint of this step could be written: Out of memory while"
    with pytest.raises(TrainingError, match=named):
        brain.fit_batch(batch)
    assert store.latest().step == 1


@pytest.mark.parametrize("part", ["forward", "generate"])
def test_out_of_memory_in_a_validation_names_the_batch_and_its_own_knob(data, tmp_path, monkeypatch, part):
    brain, loaders = make(tiny_hparams(data, tmp_path))
    monkeypatch.setattr(brain.model.decoder, part, failing(SHORT))
    brain.train_sampler, brain.steps_per_epoch = loaders.train.batch_sampler, len(loaders.train)
    with pytest.raises(TrainingError, match="clips padded to .*valid-.*valid_batch_size"):
        brain.evaluate(loaders.valid)


def test_another_runtime_error_passes_as_it_is(begun, monkeypatch):
    brain, batch, _ = begun
    monkeypatch.setattr(brain.model.decoder, "forward", failing(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="^shapes differ$"):
        brain.fit_batch(batch)


@pytest.mark.slow
def test_out_of_memory_while_a_run_loads_or_moves_its_model_is_named(data, tmp_path, monkeypatch):
    hparams = tiny_hparams(data, tmp_path)
    with pytest.raises(TrainingError, match="Out of memory while the model was loaded.*--memory"):
        make({**hparams, "model": functools.partial(failing(SHORT), **hparams["model"].keywords)})
    model = make_model(hparams)
    monkeypatch.setattr(torch.nn.ModuleDict, "to", failing(SHORT))
    with pytest.raises(TrainingError, match="Out of memory while the model was moved"):
        make_brain(hparams, RunOptions.from_dictionary({"device": "cpu"}), model, utterances=7)


def test_a_source_that_is_well_is_not_blamed_for_the_memory_that_it_needs():
    with pytest.raises(torch.OutOfMemoryError), loading("owner/name"):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(BackboneError, match="offline"), loading("owner/name"):
        raise OSError("offline")


def test_out_of_memory_while_a_recognizer_is_loaded_or_explains_is_named(monkeypatch):
    run_opts = {"device": "cpu"}
    recognizer = ExplainableEmotionRecognizer.from_hparams(packaged_model(), run_opts=run_opts, speech_check=False)
    monkeypatch.setattr(recognizer.mods.model.decoder, "generate", failing(SHORT))
    with pytest.raises(OutOfMemoryError, match="clips were explained.*--batch-size"):
        recognizer.explain_batch(torch.ones(1, 16000) * torch.arange(16000) % 7 / 100)
    monkeypatch.setattr("speechbrain_xser.decoder.llm.AutoModelForCausalLM.from_pretrained", failing(SHORT))
    with pytest.raises(OutOfMemoryError, match="xser-tiny was loaded.*smaller dtype"):
        ExplainableEmotionRecognizer.from_hparams(packaged_model(), run_opts={"device": "cpu"})


def test_a_command_that_runs_out_of_memory_ends_with_one_line(capsys):
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nMore lines.")
    [line] = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2 and line.startswith("error: Out of memory (CUDA out of memory.")
