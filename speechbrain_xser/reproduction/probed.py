"""The probes of a reproduction's models, one a seed."""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.probing.model import probe_model
from speechbrain_xser.probing.probes import Probe
from speechbrain_xser.reproduction.kept import kept, weights_digest
from speechbrain_xser.reproduction.plan import Plan, Run, manifest


def probe_seeds(plan: Plan, system: str) -> list[list[Probe]]:
    """Probes the model of each seed, of the first fold where there are several.

    Arguments
    ---------
    plan : Plan
        Its folder holds the finished runs.
    system : str
        Which system.

    Returns
    -------
    list of list of Probe
    """
    return [_probes(plan, Run(plan.corpus, system, seed, plan.folds[0])) for seed in plan.seeds]


def _probes(plan: Plan, run: Run) -> list[Probe]:
    folder = plan.out / run.name / "model"
    found = kept(plan.out / run.name / "probes.json", weights_digest(folder), lambda: _made(plan, run, folder))
    return [Probe(*values) for values in found]


def _made(plan: Plan, run: Run, folder: Path) -> list[tuple]:
    train, test = (str(manifest(plan, run, split)) for split in ("train", "test"))
    cache = plan.features if plan.caches else None
    return [tuple(probe) for probe in probe_model(folder, train, test, plan.data_folder, feature_cache=cache)]
