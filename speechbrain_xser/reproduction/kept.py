"""Results that take their time, kept in a run's folder for as long as what they were made of is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from speechbrain_xser.hub import BRANCHES
from speechbrain_xser.reproduction.plan import Plan, Run
from speechbrain_xser.utils.files import written_beside


def kept(path: Path, digest: str, make: Callable[[], object]) -> object:
    """What a file holds of this digest, else what ``make`` gives, which the file holds from then on.

    Arguments
    ---------
    path : Path
        A JSON file; its folder is made.
    digest : str
        Of all that the result depends on.
    make : Callable
        Gives what fits into JSON.

    Returns
    -------
    object

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
        pass  # not there, or half a file: made again
    result = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as file:
        json.dump({"digest": digest, "result": result}, file)
    return result


def kept_by_seed(plan: Plan, system: str, name: str, make: Callable[[Run, Path], object]) -> list[object]:
    """What ``make`` gives of each seed's model, of the first fold where there are several, kept in the run's folder.

    Arguments
    ---------
    plan : Plan
        Its folder holds the finished runs.
    system : str
        Which system.
    name : str
        Of the file that keeps it.
    make : Callable
        Takes a run and its trained folder, gives what fits into JSON.

    Returns
    -------
    list of object
        One a seed, as JSON has it.
    """
    runs = [Run(plan.corpus, system, seed, plan.folds[0]) for seed in plan.seeds]
    folders = [plan.out / run.name for run in runs]
    return [
        kept(folder / name, weights_digest(folder / "model"), partial(make, run, folder / "model"))
        for run, folder in zip(runs, folders, strict=True)
    ]


def weights_digest(folder: Path) -> str:
    """Of a model folder's branches.

    Arguments
    ---------
    folder : Path
        A trained model.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "model.safetensors").write_bytes(b"")
    >>> weights_digest(folder)[:8]
    'e3b0c442'
    """
    return hashlib.sha256((folder / BRANCHES).read_bytes()).hexdigest()
