"""What a run needs of a GPU is said, and a run that cannot fit is stopped, before its model is made, without a GPU."""

import functools
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import Batch, dataset
from speechbrain_xser.errors import TrainingError
from speechbrain_xser.model import build_model
from speechbrain_xser.testing import tiny_lobes
from speechbrain_xser.training import device_memory
from speechbrain_xser.training.command import run
from speechbrain_xser.training.device_memory import PRESETS
from speechbrain_xser.training.loaders import train_loader
from speechbrain_xser.training.run import lobes
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.training.window import answers_of, split
from tests.training.runner import tiny_data, tiny_hparams

HPARAMS = Path(__file__).parents[2] / "hparams"
ALL_AT_ONCE = {"batch_size": 7, "grad_accumulation_factor": 1}  # of the seven clips
OF_LOBES = ("encoder_dtype", "quantization", "checkpointing")
UNCOUNTED = {"precision", "valid_batch_size"}  # keys of a preset that no count depends on


class Reached(Exception):
    """The model is about to be made."""


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Runs to the point where the model is made, on a GPU of so many bytes."""

    def begin(card: int, **values):
        def reached(*_):
            raise Reached

        monkeypatch.setattr("speechbrain_xser.training.command.make_model", reached)
        for place in ("run", "device_memory"):
            monkeypatch.setattr(f"speechbrain_xser.training.{place}.device_bytes", lambda _: card)
        hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run", **{**ALL_AT_ONCE, **values})
        run(hparams, RunOptions.from_dictionary({"device": "cuda:0"}))

    return begin


def test_the_need_is_said_before_the_model_is_made(begun, capsys):
    with pytest.raises(Reached):
        begun(10**12)
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("A step of 7 clips of up to ")]
    assert line.endswith("cuda:0 has 1000.0 GB.")


def test_a_gpu_that_is_too_small_is_refused_with_the_preset_to_take(begun, monkeypatch):
    needs = {None: 5_000, "24gb_checkpointing": 3_000, "24gb_4bit": 2_000}
    names = {changes["batch_size"]: name for name, changes in PRESETS.items()}

    def largest_step(lobes, settings, clips, accumulation):
        return device_memory.Need(4, 2.0, device_memory.StepBytes(needs[names.get(settings.batch_size)], 0))

    monkeypatch.setattr(device_memory, "largest_step", largest_step)
    for card, told in ((4_000, "--memory=24gb_checkpointing"), (2_500, "--memory=24gb_4bit"), (900, "no preset")):
        with pytest.raises(TrainingError, match=f"only 0.0 GB: .*{told}"):
            begun(card)
    with pytest.raises(Reached):
        begun(5_000)


def test_ranks_end_together_if_the_smallest_of_their_gpus_is_too_small(begun, monkeypatch):
    """One alone would wait for the others to count what fits instead."""
    need = device_memory.Need(7, 2.0, device_memory.StepBytes(5 * 10**9, 0))
    monkeypatch.setattr(device_memory, "largest_step", lambda *_: need)
    monkeypatch.setattr(device_memory, "gather_lists", lambda own: [*own, (4 * 10**9, "cuda:1"), (6 * 10**9, "cuda:2")])
    with pytest.raises(TrainingError, match=r"; cuda:1 has only 4\.0 GB: no preset"):
        begun(8 * 10**9)


def test_the_need_counts_weights_gradients_and_moments_as_they_are(begun, monkeypatch):
    found = []
    original = device_memory.step_bytes
    monkeypatch.setattr(device_memory, "step_bytes", lambda *given: found.append(given) or original(*given))
    with pytest.raises(TrainingError):
        begun(1)
    (model, samples, answers, _, _), *_ = found
    parameters = list(model.parameters())
    trained = sum(one.numel() for one in parameters if one.requires_grad)
    whole = sum(one.numel() * one.element_size() for one in parameters) + 12 * trained
    assert original(*found[0]).static == whole
    assert {one.device.type for one in parameters} == {"meta"}
    assert len(samples) == len(answers) == 7


def test_a_quantised_weight_counts_its_bits(begun, monkeypatch):
    found = []
    original = device_memory.step_bytes
    monkeypatch.setattr(device_memory, "step_bytes", lambda *given: found.append(given) or original(*given))
    with pytest.raises(TrainingError):
        begun(1)
    model, *rest = found[0]
    base = [part.base_layer.weight for part in model.decoder.modules() if hasattr(part, "base_layer")]
    saved = sum(weight.numel() * (weight.element_size() - 1) for weight in base)
    assert original(model, *rest[:3], None).static - original(model, *rest[:3], "8bit").static == saved > 0


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_are_those_of_the_files_over_the_defaults(name):
    files = ("model", "training", f"memory/{name}")
    model, training, preset = (YAML().load((HPARAMS / f"{file}.yaml").read_text()) for file in files)
    values = {**model, **training, **preset}
    assert {key: values[key] for key in PRESETS[name]} == dict(PRESETS[name])
    assert preset.keys() - UNCOUNTED <= PRESETS[name].keys()


@pytest.mark.parametrize("name", PRESETS)
def test_the_preset_advised_is_counted_as_the_preset_is_whatever_the_run_has(begun, monkeypatch, name):
    made, quantised = [], []
    twin, original = device_memory._twin, device_memory.step_bytes
    monkeypatch.setattr(device_memory, "_twin", lambda lobes: made.append(lobes) or twin(lobes))
    monkeypatch.setattr(device_memory, "step_bytes", lambda *given: quantised.append(given[-1]) or original(*given))
    with pytest.raises(TrainingError):
        begun(1)
    encoder, decoder = (made[1 + list(PRESETS).index(name)][part] for part in ("encoder", "decoder"))
    found = {"encoder_dtype": encoder["dtype"], **decoder}
    assert {key: found[key] for key in OF_LOBES} == {key: PRESETS[name][key] for key in OF_LOBES}
    assert quantised == [None] * 4 + ["4bit"] * 2  # of two stages each: as the run is, and under both presets


@pytest.mark.parametrize(("pool_windows", "accumulation", "ranks"), [(0, 1, 1), (10, 1, 1), (0, 2, 1), (0, 1, 2)])
def test_the_need_is_that_of_the_costliest_micro_batch_that_a_rank_meets(
    tmp_path, monkeypatch, pool_windows, accumulation, ranks
):
    monkeypatch.setattr("speechbrain_xser.training.loaders.world_size", lambda: ranks)
    told = {"transcript": "a happy voice", "caption": "a happy voice"}
    clips = dataset([Utterance(f"{n}", f"{n}.wav", duration=8.0 if n % 10 == 0 else 1.0, **told) for n in range(40)])
    settings = TrainingSettings(batch_size=4, pool_windows=pool_windows, epochs_per_stage=1)
    values = lobes({"model": functools.partial(build_model, **tiny_lobes(tmp_path))})
    need = device_memory.largest_step(values, settings, clips, accumulation)
    model, met = device_memory._twin(values), []
    for rank in range(ranks):
        monkeypatch.setattr("speechbrain_xser.training.loaders.rank", lambda rank=rank: rank)
        sampler = train_loader(clips, model, settings, accumulation).batch_sampler
        for epoch, stage in enumerate(settings.schedule().stages_by_epoch(), 1):
            sampler.start(epoch)
            met += [(part, stage) for window in sampler for part in split(as_batch(clips, window), accumulation)]
    counted = [device_memory.step_bytes(model, part.samples, answers_of(part, stage), stage) for part, stage in met]
    longs = [int((part.samples > 16000).sum()) for part, _ in met]
    assert need.bytes == max(counted, key=lambda one: one.total) and need.seconds == 8.0
    assert (max(longs) == 4) == bool(pool_windows)  # of the four: they meet where the whole epoch is sorted, else apart


def as_batch(clips, window):
    """A window as the loader gives it, without sound."""
    utterances = [clips.data[clips.data_ids[place]]["utterance"] for place in window]
    samples = torch.tensor([int(one.duration * 16000) for one in utterances])
    return Batch(tuple(one.id for one in utterances), torch.zeros(len(window), 1), samples, tuple(utterances))


def test_an_encoder_of_the_user_s_own_is_not_counted():
    lobes = {"encoder": device_memory.CUSTOM, "decoder": {"source": "packaged:llama-tiny"}}
    assert device_memory.largest_step(lobes, TrainingSettings(), None) is None
