"""SpeechBrain's lists of recipes, ``tests/recipes/CORPUS.csv``, made from the folder of recipes.

    python tests/recipes/lists.py  # or: make recipe-lists

A YAML has one row. Its recipe is one of ``recipes/train.py`` over made-up samples; where a column shall say something
else, the YAML's comments say so: ``#| column: value``.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLES = "tests/tmp/samples"
TRAINED = (
    "file_exists=[env.log,hyperparams.yaml,log.txt,train_log.txt,test_answers.jsonl,model/hyperparams.yaml,"
    "model/model.safetensors,model/adapter/adapter_model.safetensors]"
)
FLAGS = (
    f"--scale=tiny --prepare=null --data_folder=null --train_manifest={SAMPLES}/train.jsonl "
    f"--valid_manifest={SAMPLES}/valid.jsonl --test_manifest={SAMPLES}/valid.jsonl --feature_cache=null "
    "--epochs_per_stage=1"
)
STATED = re.compile(r"^#\| (\w+): (.*)$", re.MULTILINE)
SETUP = "#!/bin/sh\n# Before the row of {corpus} is run.\npython tests/recipes/setup/samples.py\n"


def row(yaml: Path) -> dict[str, str]:
    """The row of one YAML, by SpeechBrain's columns in their order."""
    folder = f"recipes/{yaml.parts[-3]}"
    standard = {
        "Task": "Emotion_explanation",
        "Dataset": yaml.parts[-3],
        "Script_file": "recipes/train.py",
        "Hparam_file": f"{folder}/hparams/{yaml.name}",
        "Data_prep_file": f"{folder}/prepare.py",
        "Readme_file": f"{folder}/README.md",
        "Result_url": "",
        "HF_repo": "",
        "test_debug_flags": FLAGS,
        "test_debug_checks": TRAINED,
        "performance": "",
    }
    stated = dict(STATED.findall(yaml.read_text(encoding="utf-8")))
    if unknown := stated.keys() - standard.keys():
        raise ValueError(f"{yaml}: {', '.join(unknown)} is no column, expected one of {', '.join(standard)}")
    return standard | stated


def files(recipes: Path) -> dict[str, str]:
    """The content of every list, and of every script that makes samples before a row is run, by path."""
    rows: dict[str, list[dict[str, str]]] = {}
    found = recipes.glob("*/hparams/*.yaml")
    for yaml in sorted(found, key=lambda path: (path.parts[-3], path.name != "train.yaml", path.name)):
        rows.setdefault(yaml.parts[-3], []).append(row(yaml))
    made = {f"tests/recipes/{corpus}.csv": _text(listed) for corpus, listed in rows.items()}
    for each in (each for listed in rows.values() for each in listed if SAMPLES in each["test_debug_flags"]):
        name = each["Hparam_file"].removeprefix("recipes/").removesuffix(".yaml").replace("/", "_")
        made[f"tests/recipes/setup/recipes_train/{name}"] = SETUP.format(corpus=each["Dataset"])
    return made


def _text(rows: list[dict[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def main() -> None:
    """Writes them."""
    for name, text in files(ROOT / "recipes").items():
        (ROOT / name).write_text(text, encoding="utf-8")
        if "/setup/" in name:
            (ROOT / name).chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
