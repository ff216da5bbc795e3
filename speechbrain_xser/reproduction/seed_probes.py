"""The probes of a reproduction's models, one set for each seed."""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.probing.model_probes import probe_model
from speechbrain_xser.probing.probes import Probe
from speechbrain_xser.reproduction.plan import Plan, Run, manifest
from speechbrain_xser.reproduction.result_cache import kept_by_seed


def probe_seeds(plan: Plan, system: str) -> list[list[Probe]]:
    """Probes the model of each seed."""

    def made(run: Run, folder: Path) -> list[tuple]:
        train, test = (str(manifest(plan, run, split)) for split in ("train", "test"))
        cache = plan.features if plan.caches else None
        return [tuple(probe) for probe in probe_model(folder, train, test, plan.data_folder, feature_cache=cache)]

    return [[Probe(*values) for values in found] for found in kept_by_seed(plan, system, "probes.json", made)]
