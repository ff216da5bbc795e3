"""A value of the command line is read whole, whatever it holds, by every command."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hyperpyyaml import load_hyperpyyaml

from speechbrain_xser.cli import recipe_command, reproduce
from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.reproduction.plan import Plan, Run, command
from speechbrain_xser.testing import tiny_manifest
from speechbrain_xser.training import command as training
from speechbrain_xser.training.arguments import read_words
from speechbrain_xser.training.recipe_yaml import load_recipe

ROOT = Path(__file__).parents[2]
NAMES = ["b=1", "=", "a==b=", "a b", "a,b", "a: b", "a #b", "#b", "it's", "-b", "--b", "2024", "1e3", "2024-01-02"]
NAMES += ["true", "[a]", "{a}x", "*a", "&a", "@a", "%a", "a\\b", "größe-語", "1-1", "a\nb", "- a", "|"]


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "output_folder: results\ndata_folder: !PLACEHOLDER\nsave_folder: !ref <output_folder>/save\n"
        "start_from: null\nseed: 1\nmanifest: !ref <data_folder>/train.jsonl\nsame: !ref <data_folder>\n"
    )
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_training_takes_a_name_whole_and_so_do_the_keys_that_refer_to_it(recipe, name):
    words = [str(recipe), f"--output_folder={name}", "--device=cpu", f"--data_folder={name}", "--seed=7"]
    path, run_opts, values = read_words(words)
    hparams, given = load_recipe(path, values)
    assert (hparams["output_folder"], hparams["data_folder"], hparams["same"]) == (name, name, name)
    assert (hparams["save_folder"], hparams["manifest"]) == (f"{name}/save", f"{name}/train.jsonl")
    assert hparams["seed"] == 7 and run_opts.device == "cpu" and given["output_folder"] == name


@pytest.mark.parametrize("name", NAMES)
def test_the_same_name_goes_through_xser_train_and_through_a_reproduction(recipe, name, monkeypatch):
    seen = []
    monkeypatch.setattr(training, "main", seen.extend)
    done = CliRunner().invoke(xser, ["train", str(recipe), f"--data-folder={name}"])
    assert done.exit_code == 0 and read_words(seen).values == {"data_folder": name}

    values = reproduce._pairs((f"train_manifest={name}",))
    plan = Plan("MELD", "tiny", "trained", name, Path("out"), ROOT / "recipes", ("two_stage",), (1,), values=values)
    _, *words = command(plan, Run("MELD", "two_stage", 1))
    assert read_words(words).values.items() >= {"data_folder": name, "train_manifest": name}.items()


@pytest.mark.parametrize("name", NAMES)
def test_a_preparation_takes_a_name_whole(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []

    def prepare(data_folder: str, save_folder: str, label: str = "") -> dict:
        seen.extend([save_folder, label])
        Path("summary.json").write_text('{"manifests": {}, "dropped": {}}')
        return {"train": "train.jsonl"}

    words = [f"--data_folder={tmp_path}", f"--save-folder={name}", f"--label={name}"]
    with pytest.raises(SystemExit):
        recipe_command.prepare_command(prepare, words)
    assert seen == [name, name]


@pytest.mark.slow
def test_xser_evaluate_takes_names_whole(tmp_path):
    folder = tmp_path / "a=b, c #d"
    manifest = tiny_manifest(folder, clips=2)
    answers = folder / "answers=1.jsonl"
    done = CliRunner().invoke(xser, ["evaluate", manifest, "--device=cpu", f"--answers={answers}", "--json"])
    assert done.exit_code == 0 and len(answers.read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_whole_run_writes_into_a_folder_with_an_equals_sign(tmp_path, monkeypatch):
    """As far as the experiment's folder and the copy of its values."""
    monkeypatch.setattr(training, "run", lambda hparams, run_opts: None)
    output = tmp_path / "b=1 #2, c"
    words = [str(ROOT / "tests" / "training" / "tiny.yaml"), f"--output_folder={output}", "--device=cpu"]
    manifests = [f"--{split}_manifest=/nowhere/{split}=1.jsonl" for split in ("train", "valid")]
    training.main([*words, *manifests, "--backbones=x=y"])
    with open(output / "hyperparams.yaml", encoding="utf-8") as written:
        assert load_hyperpyyaml(written)["output_folder"] == str(output)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_what_is_yaml_stays_yaml(recipe):
    recipe.write_text("seed: 1\nrate: 0.5\non: True\nlist: [1]\nname: a\nprepare: !name:os.getcwd\nnone: null\n")
    given = {"seed": "3", "rate": "2e-4", "on": "false", "list": "[a, 2]", "name": '"#q"'}
    given |= {"prepare": "null", "none": "1"}
    found, _ = load_recipe(recipe, given)
    assert found == {"seed": 3, "rate": 2e-4, "on": False, "list": ["a", 2], "name": "#q", "prepare": None, "none": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed="], "--seed has no value"),
        (["--seed"], "--seed has no value"),
        (["--seed", "--data_folder=a"], "--seed has no value"),
        (["--data_folder", "a", "b"], "'b' is not an option; expected --key=value"),
        (["--data_folder=\udcff"], "is not UTF-8"),
        (["--seed=[1"], "cannot be loaded"),
        (["--dev=cpu"], "no key 'dev'"),
    ],
)
def test_what_is_no_value_is_one_clear_line(recipe, words, message):
    with pytest.raises(SettingsError, match=message):
        load_recipe(*read_words([str(recipe), *words])[::2])


def test_words_in_pairs_flags_and_options_of_speechbrain_are_told_apart(recipe):
    words = ["--noprogressbar", str(recipe), "--seed", "-5", "--precision", "bf16", "--max_grad_norm=-1", "--debug"]
    path, run_opts, values = read_words(words)
    assert path == str(recipe) and values == {"seed": "-5"}
    assert run_opts.noprogressbar and run_opts.debug
    assert (run_opts.precision, run_opts.max_grad_norm) == ("bf16", -1)
    assert run_opts.overridden_args == {"noprogressbar", "precision", "max_grad_norm", "debug"}


def test_a_mapping_that_is_text_is_refused_with_its_braces(tmp_path):
    (tmp_path / "training.yaml").write_text("beta: 1\n")
    (tmp_path / "recipe.yaml").write_text("training: !include:training.yaml {}\n")
    with pytest.raises(SettingsError, match="expected a mapping in braces"):
        load_recipe(tmp_path / "recipe.yaml", {"training": "beta: 2"})
