"""What SpeechBrain asks of lists of recipes (its ``tests/recipes/*.csv``), and that the rows run."""

import csv
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml

from speechbrain_xser.training.recipe_yaml import load_recipe
from tests.recipes.lists import files

ROOT = Path(__file__).parents[2]
LISTS = sorted((ROOT / "tests" / "recipes").glob("*.csv"))
COLUMNS = (
    "Task Dataset Script_file Hparam_file Data_prep_file Readme_file Result_url HF_repo test_debug_flags "
    "test_debug_checks performance"
).split()
MUST_BE_THERE = ("Task", "Dataset", "Script_file", "Hparam_file", "Readme_file", "test_debug_flags")
FILES = ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file")
TRAINING = "recipes/train.py"


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, skipinitialspace=True))


ROWS = [row for path in LISTS for row in rows(path)]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row["Hparam_file"])


def test_the_lists_are_made_from_the_folder_of_recipes():
    made = files(ROOT / "recipes")
    stale = [name for name, text in made.items() if not (ROOT / name).is_file() or (ROOT / name).read_text() != text]
    stale += [str(path.relative_to(ROOT)) for path in LISTS if str(path.relative_to(ROOT)) not in made]
    assert not stale, "make recipe-lists writes them anew; of a corpus that is gone, remove the list"


def test_every_yaml_of_a_recipe_has_one_row_in_the_list_of_its_corpus():
    listed = {path.stem: sorted(row["Hparam_file"] for row in rows(path)) for path in LISTS}
    there: dict[str, list[str]] = {}
    for path in sorted((ROOT / "recipes").glob("*/hparams/*.yaml")):
        there.setdefault(path.parts[-3], []).append(str(path.relative_to(ROOT)))
    assert listed == there


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_a_list_has_speechbrain_s_columns_and_its_own_corpus(path):
    assert list(rows(path)[0]) == COLUMNS
    assert {row["Dataset"] for row in rows(path)} == {path.stem}


@each_row
def test_a_row_is_filled_in_and_its_files_are_there(row):
    assert all(row[column].strip() for column in MUST_BE_THERE)
    assert [row[column] for column in FILES if row[column] and not (ROOT / row[column]).is_file()] == []


@each_row
def test_links_of_a_row_stand_in_its_readme(row):
    text = (ROOT / row["Readme_file"]).read_text(encoding="utf-8")
    assert all(link in text for column in ("Result_url", "HF_repo") for link in row[column].split())


@each_row
def test_a_figure_of_a_row_stands_in_the_documents(row):
    documents = [ROOT / row["Readme_file"], ROOT / "docs" / "results" / "README.md"]
    text = " ".join(path.read_text(encoding="utf-8") for path in documents)
    assert all(figure in text for figure in re.findall(r"\d+\.\d", row["performance"]))


@each_row
def test_the_flags_of_a_row_load(row, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    yaml, _, given = sb.parse_arguments([str(ROOT / row["Hparam_file"]), *shlex.split(row["test_debug_flags"])])
    if row["Script_file"] == TRAINING:
        assert load_recipe(yaml, given)[1]
    else:
        with open(yaml, encoding="utf-8") as file:
            assert load_hyperpyyaml(file, given)


@pytest.mark.parametrize("row", [row for row in ROWS if "tests/tmp/samples" in row["test_debug_flags"]], ids=str)
def test_a_row_that_needs_samples_has_a_script_that_makes_them(row):
    name = row["Hparam_file"].removeprefix("recipes/").removesuffix(".yaml").replace("/", "_")
    script = ROOT / "tests" / "recipes" / "setup" / "recipes_train" / name
    assert script.stat().st_mode & 0o100 and "tests/recipes/setup/samples.py" in script.read_text(encoding="utf-8")


@pytest.mark.training
def test_the_row_of_real_speech_runs_and_leaves_the_files_that_it_names(tmp_path, monkeypatch):
    (row,) = rows(ROOT / "tests" / "recipes" / "CREMA-D.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    runpy.run_path(str(ROOT / "tests" / "recipes" / "setup" / "samples.py"), run_name="__main__")
    flags = [*shlex.split(row["test_debug_flags"]), "--device=cpu", f"--output_folder={tmp_path / 'out'}"]
    monkeypatch.setattr(sys, "argv", [row["Script_file"], str(ROOT / row["Hparam_file"]), *flags])
    runpy.run_path(str(ROOT / row["Script_file"]), run_name="__main__")
    expected = re.search(r"file_exists=\[(.*?)\]", row["test_debug_checks"])[1].split(",")
    assert [name for name in expected if not (tmp_path / "out" / name).exists()] == []
