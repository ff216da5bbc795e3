"""What a run needs of a GPU is said, and a run that cannot fit is stopped, before its model is made, without a GPU."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.training import device_memory
from speechbrain_xser.training.command import run
from speechbrain_xser.training.device_memory import PRESETS
from speechbrain_xser.training.training_settings import TrainingSettings
from tests.training.runner import tiny_data, tiny_hparams

PRESET_FILES = Path(__file__).parents[2] / "hparams" / "memory"


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
        hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run", **{"batch_size": 4, **values})
        run(hparams, RunOptions.from_dictionary({"device": "cuda:0"}))

    return begin


def test_the_need_is_said_before_the_model_is_made(begun, capsys):
    with pytest.raises(Reached):
        begun(10**12)
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("A step of 4 clips of up to ")]
    assert line.endswith("cuda:0 has 1000.0 GB.")


def test_a_gpu_that_is_too_small_is_refused_with_the_preset_to_take(begun, monkeypatch):
    needs = {None: 5_000, "24gb_checkpointing": 3_000, "24gb_4bit": 2_000}
    names = {changes["batch_size"]: name for name, changes in PRESETS.items()}

    def largest_step(lobes, settings, clips, batch_size=None, **changes):
        return device_memory.Need(4, 2.0, device_memory.StepBytes(needs[names.get(batch_size)], 0))

    monkeypatch.setattr(device_memory, "largest_step", largest_step)
    for card, told in ((4_000, "--memory=24gb_checkpointing"), (2_500, "--memory=24gb_4bit"), (900, "no preset")):
        with pytest.raises(TrainingError, match=f"only 0.0 GB: .*{told}"):
            begun(card)
    with pytest.raises(Reached):
        begun(5_000)


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
    assert samples.tolist() == sorted(samples.tolist(), reverse=True) and len(answers) == 4


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
def test_the_presets_are_those_of_the_files(name):
    values = YAML().load((PRESET_FILES / f"{name}.yaml").read_text())
    assert {key: values[key] for key in PRESETS[name]} == dict(PRESETS[name])


def test_an_encoder_of_the_user_s_own_is_not_counted():
    lobes = {"encoder": device_memory.CUSTOM, "decoder": {"source": "packaged:llama-tiny"}}
    assert device_memory.largest_step(lobes, TrainingSettings(), None) is None
