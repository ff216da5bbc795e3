"""Every system of the paper, by name, on every corpus that trains: files of a few lines over the recipes."""

from pathlib import Path

import pytest

from speechbrain_xser.cli.recipe_folder import recipe_yamls
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.reproduction.published import rows, systems
from speechbrain_xser.training.recipe_yaml import layer_files, load_recipe
from speechbrain_xser.training.run import merged
from speechbrain_xser.training.training_settings import TrainingSettings

ROOT = Path(__file__).parents[2]
CORPORA = [name for name, path in recipe_yamls(ROOT / "recipes").items() if "\nsystem:" in path.read_text("utf-8")]
PAPER = {  # the design's table: stages as they follow each other in two epochs of each, beta, bottleneck, LLM
    "ssl_hubert": ("asr asr emotion emotion", 1e-3, False, False),
    "ssl_wavlm": ("asr asr emotion emotion", 1e-3, False, False),
    "ssl_wav2vec2": ("asr asr emotion emotion", 1e-3, False, False),
    "ssl_whisper": ("asr asr emotion emotion", 1e-3, False, False),
    "llm_ser_sed_asr": ("asr ser_one asr ser_one", 1e-3, False, True),
    "fd_ser_asr": ("asr ser_asr asr ser_asr", 1e-3, True, True),
    "fd_ser_sed": ("ser_sed ser_sed", 1e-3, True, True),
    "fd_ser_sed_asr": ("asr ser asr ser", 1e-3, True, True),
    "two_stage": ("asr asr ser ser", 1e-3, True, True),
    "beta_1": ("asr ser asr ser", 1.0, True, True),
    "beta_1e-1": ("asr ser asr ser", 1e-1, True, True),
    "beta_1e-2": ("asr ser asr ser", 1e-2, True, True),
    "beta_1e-4": ("asr ser asr ser", 1e-4, True, True),
    "fd_ser_sed_asr_level": ("asr ser asr ser", 1e-3, True, True),
    "vib_two_stage_sft": ("asr asr emotion emotion", 1e-3, True, False),
}
ENCODERS = {"ssl_hubert": "hubert", "ssl_wavlm": "wavlm", "ssl_wav2vec2": "wav2vec2", "ssl_whisper": "whisper"}
OURS = {"fd_ser_sed_asr_level", "ssl_whisper"}  # in no table of the paper


@pytest.fixture(autouse=True)
def recipes_on_the_path(monkeypatch):
    """As recipes/train.py has its own folder on it."""
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))


def load(corpus: str, *lines: str) -> dict:
    path = ROOT / "recipes" / corpus / "hparams" / "train.yaml"
    return merged(load_recipe(path, "\n".join(["data_folder: none", *lines]))[0])


def test_the_systems_are_those_of_the_design_and_of_the_tables():
    assert set(layer_files("system", ROOT / "recipes")) == set(PAPER)
    assert set(systems((1, 2, 3))) == set(PAPER) - OURS
    assert set(systems((1, 2, 3), "ears")) == set(PAPER) - {name for name in PAPER if name.startswith("ssl")} - OURS | {
        "ssl_whisper"
    }


@pytest.mark.parametrize("system", PAPER)
@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("scale", ["tiny", "ears", "paper"])
@pytest.mark.slow
def test_a_name_is_a_whole_recipe(corpus, scale, system):
    stages, beta, bottleneck, llm = PAPER[system]
    hparams = load(corpus, f"system: {system}", f"scale: {scale}", "training: {steps_per_turn: null}")
    settings, model = TrainingSettings.from_hparams({**hparams, "epochs_per_stage": 2}), hparams["model"].keywords
    bottleneck_of = {name: branch.keywords["bottleneck"].keywords for name, branch in model["branches"].items()}
    content, descriptor = bottleneck_of.values()
    assert " ".join(stage.name for stage in settings.schedule().stages_by_epoch()) == stages
    assert settings.beta == beta
    assert (content["latent"] is not None, model["decoder"].func is LLMDecoder) == (bottleneck, llm)
    heard = ENCODERS.get(system, "whisper" if scale == "ears" else "hubert")
    assert heard in model["encoder"].keywords["source"]
    assert (model["standardization"] is None, not settings.objectives) == (scale != "ears", scale != "ears")
    assert descriptor["level_feature"] is (system == "fd_ser_sed_asr_level") and "level_feature" not in content
    assert system in str(hparams["output_folder"])


def test_every_file_says_which_row_it_is():
    ids = {f"able {table} system {row.id}" for table in (1, 2, 3) for row in rows(table) if row.system}
    told = "".join(
        " ".join(file.read_text().split("order:")[0].replace("#", "").split())
        for file in layer_files("system", ROOT / "recipes").values()
    )
    assert all(id in told for id in ids)


@pytest.mark.slow
def test_the_command_line_goes_over_the_system_and_the_system_over_the_scale():
    assert load("CREMA-D", "system: beta_1", "scale: tiny")["beta"] == 1.0
    assert load("CREMA-D", "system: beta_1", "scale: tiny", "beta: 7")["beta"] == 7
    assert load("CREMA-D", "scale: tiny")["beta"] == 1e-3 and load("CREMA-D")["beta"] == 1e-4


def test_a_value_inside_an_object_of_a_scale_can_be_overridden_and_another_object_put_in_its_place(tmp_path):
    (tmp_path / "hparams" / "scales").mkdir(parents=True)
    inside = "a: !new:fractions.Fraction\n        numerator: 1\n        denominator: 2\n"
    (tmp_path / "hparams" / "scales" / "some.yaml").write_text(f"objectives:\n    {inside}")
    (tmp_path / "train.yaml").write_text("scale: some\nobjectives: {}")
    for override, half in (("{a: {denominator: 3}}", "1/3"), ("{a: !new:decimal.Decimal {value: '0.3'}}", "0.3")):
        assert str(load_recipe(tmp_path / "train.yaml", {"objectives": override})[0]["objectives"]["a"]) == half


@pytest.mark.parametrize("kind", ["system", "scale"])
def test_an_unknown_name_is_refused_with_those_that_there_are(kind):
    with pytest.raises(SettingsError, match=f"no {kind} 'nonsense'; available: .*(two_stage|tiny)"):
        load("CREMA-D", f"{kind}: nonsense")


def test_a_system_that_a_recipe_has_no_place_for_is_refused(tmp_path):
    (tmp_path / "hparams" / "systems").mkdir(parents=True)
    (tmp_path / "hparams" / "systems" / "odd.yaml").write_text("colour: red")
    (tmp_path / "train.yaml").write_text("system: odd\nseed: 1")
    with pytest.raises(SettingsError, match="cannot be system 'odd': neither it nor what it includes has 'colour'"):
        load_recipe(tmp_path / "train.yaml")
