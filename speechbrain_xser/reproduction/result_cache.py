"""Caches slow results in a run's folder, as long as their inputs stay the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from speechbrain_xser.model_folder.locate import model_files
from speechbrain_xser.reproduction.plan import Plan, Run, manifest
from speechbrain_xser.utils.files import files_digest, written_beside


def kept(path: Path, digest: str, make: Callable[[], object]) -> object:
    """The result in a JSON file if it has this digest; otherwise the result of ``make``, which is then stored.

    Example
    -------
    >>> path = getfixture("tmp_path") / "sum.json"
    >>> kept(path, "1+1", lambda: 2), kept(path, "1+1", lambda: 3), kept(path, "1+2", lambda: 3)
    (2, 2, 3)
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["digest"] == digest:
            return found["result"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # missing or incomplete: made again
    result = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as file:
        json.dump({"digest": digest, "result": result}, file)
    return result


def kept_by_seed(plan: Plan, system: str, name: str, make: Callable[[Run, Path], object]) -> list[object]:
    """The result of ``make`` for each seed's model (of the first of several folds), cached in the run's folder.

    A result is valid as long as the model's files and the manifests of training and test are the same.
    """
    runs = [Run(plan.corpus, system, seed, plan.folds[0]) for seed in plan.seeds]
    folders = [plan.out / run.name for run in runs]

    def digest(run: Run, folder: Path) -> str:
        manifests = (manifest(plan, run, split) for split in ("train", "test"))
        return files_digest([*model_files(folder), *filter(Path.is_file, manifests)])

    return [
        kept(folder / name, digest(run, folder / "model"), partial(make, run, folder / "model"))
        for run, folder in zip(runs, folders, strict=True)
    ]
