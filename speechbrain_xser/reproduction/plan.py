"""Which runs a table needs, and the command for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from speechbrain_xser.data.corpus_facts import read_corpus
from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.training.recipe_yaml import layer_files, read_layer

SETTINGS = ("trained", "fine-tuned", "zero-shot")
SCALES = ("tiny", "ears", "paper")  # files of hparams/scales
CACHED = ("tiny", "ears")  # their encoders' layers fit on a disk, for a small corpus
PRETRAINING = "SpeechCraft"
OWN = ("data_folder", "output_folder", "save_folder", "scale", "system", "seed", "fold", "start_from", "feature_cache")


class Plan(NamedTuple):
    """What to reproduce."""

    corpus: str  # a folder of recipes
    scale: str  # one of SCALES
    setting: str  # one of SETTINGS
    data_folder: str
    out: Path  # runs, features and the report
    recipes: Path  # the folder of recipes
    systems: tuple[str, ...]
    seeds: tuple[int, ...]
    pretraining_folder: str | None = None  # of SpeechCraft, for the settings that start from it
    values: Mapping[str, str] = {}  # further keys of the recipe's YAML
    pretraining_values: Mapping[str, str] = {}  # the same for SpeechCraft's recipe
    without: tuple[str, ...] = ()  # description metrics to skip

    @property
    def folds(self) -> tuple[int | None, ...]:
        """Folds that the corpus's recipe trains on; a single None if its YAML has no key ``fold``."""
        recipe = self.recipes / self.corpus
        if not is_trained_by_fold(recipe / "hparams" / "train.yaml"):
            return (None,)
        return tuple(range(1, 1 + read_corpus(recipe / "prepare.py").folds))

    @property
    def caches(self) -> bool:
        """Whether the frozen encoder's layers are cached: only if those of a corpus fit on a disk."""
        return self.scale in CACHED

    @property
    def features(self) -> Path:
        """Folder of the cached layers."""
        return self.out / "features"


def is_trained_by_fold(recipe: Path) -> bool:
    """Whether a recipe's YAML exists and has a key ``fold``."""
    return recipe.is_file() and "fold" in (YAML().load(recipe.read_text(encoding="utf-8")) or {})


class Run(NamedTuple):
    """One training or evaluation, in its own folder.

    Example
    -------
    >>> Run("IEMOCAP", "two_stage", 1, 3).name
    'IEMOCAP/two_stage/seed1/fold3'
    """

    corpus: str
    system: str
    seed: int
    fold: int | None = None

    @property
    def name(self) -> str:
        """Its folder, relative to the reproduction's."""
        return "/".join([self.corpus, self.system, f"seed{self.seed}", *([f"fold{self.fold}"] if self.fold else [])])


def phases(plan: Plan) -> list[list[Run]]:
    """The runs, in phases that wait for each other; within a phase seed after seed, so that a table fills row by row.

    With a setting that starts from SpeechCraft, the runs on SpeechCraft come first.

    Raises
    ------
    ReproductionError
        If a system or the setting is unknown, a value cannot be set, or SpeechCraft's folder is needed and not given.

    Example
    -------
    >>> recipes = getfixture("tmp_path")
    >>> (recipes / "hparams" / "systems").mkdir(parents=True)
    >>> (recipes / "hparams" / "systems" / "beta_1.yaml").touch()
    >>> plan = Plan("CREMA-D", "tiny", "trained", "data", Path("out"), recipes, ("beta_1",), (1, 2))
    >>> [run.name for run in phases(plan)[0]]
    ['CREMA-D/beta_1/seed1', 'CREMA-D/beta_1/seed2']
    """
    known = layer_files("system", plan.recipes)
    if unknown := [system for system in plan.systems if system not in known]:
        raise ReproductionError(f"There is no system {unknown[0]!r}; available: {', '.join(known)}.")
    _check_values(plan)
    if plan.corpus == PRETRAINING:
        raise ReproductionError(f"{PRETRAINING} is only for pretraining: choose another corpus, with its folder.")
    if plan.setting not in SETTINGS:
        raise ReproductionError(f"Unknown setting {plan.setting!r}; expected one of {', '.join(SETTINGS)}.")
    order = [(system, seed) for seed in plan.seeds for system in plan.systems]
    own = [Run(plan.corpus, system, seed, fold) for system, seed in order for fold in plan.folds]
    if plan.setting == "trained":
        return [own]
    if plan.pretraining_folder is None:
        raise ReproductionError(f"The setting {plan.setting!r} starts from {PRETRAINING}: give its folder too.")
    return [[Run(PRETRAINING, system, seed) for system, seed in order], own]


def _check_values(plan: Plan) -> None:
    """Refuses a value that the plan sets itself, or that distinguishes its systems."""
    for key in (*plan.values, *plan.pretraining_values):
        if key in OWN:
            raise ReproductionError(f"{key} is set by the reproduction itself; choose another key.")
        telling = [name for name in plan.systems if key in read_layer("system", name, plan.recipes)]
        if telling:
            raise ReproductionError(f"{key} is what system {telling[0]!r} is, expected a key that no system sets.")


def is_evaluation(plan: Plan, run: Run) -> bool:
    """Whether a run only evaluates a model trained on SpeechCraft."""
    return run.corpus != PRETRAINING and plan.setting == "zero-shot"


def command(plan: Plan, run: Run, ranks: int = 1) -> list[str]:
    """The command of a run, without the interpreter; a training may have several ranks."""
    begun = plan.out / Run(PRETRAINING, run.system, run.seed).name / "model"
    save_folder = plan.out / run.corpus / "manifests"
    if is_evaluation(plan, run):
        answers = plan.out / run.name / "test_answers.jsonl"
        options = {"model": begun, "data-folder": plan.data_folder, "answers": answers}
        return ["-m", "speechbrain_xser.cli", "evaluate", str(manifest(plan, run, "test")), *_options(options)]
    yaml = plan.recipes / run.corpus / "hparams" / "train.yaml"
    if not yaml.is_file():
        raise ReproductionError(f"{yaml}: there is no such recipe; use --recipes to name the folder of recipes.")
    options = {
        "data_folder": plan.pretraining_folder if run.corpus == PRETRAINING else plan.data_folder,
        "output_folder": plan.out / run.name,
        "save_folder": save_folder,
        "scale": plan.scale,
        "system": run.system,
        "seed": run.seed,
        **({"annotate": "true"} if run.corpus != PRETRAINING else {}),
        **({"fold": run.fold} if run.fold else {}),
        **({"start_from": begun} if run.corpus != PRETRAINING and plan.setting == "fine-tuned" else {}),
        **({"feature_cache": plan.features} if plan.caches and run.corpus != PRETRAINING else {}),
        **(plan.pretraining_values if run.corpus == PRETRAINING else plan.values),
    }
    if ranks > 1:
        return ["-m", "speechbrain_xser.cli", "train", str(yaml), f"--ranks={ranks}", *_options(options)]
    return [str(plan.recipes / "train.py"), str(yaml), *_options(options)]


def preparation(plan: Plan) -> list[str]:
    """The command that writes a corpus's manifests, with the annotator's descriptors, without the interpreter."""
    options = {"data_folder": plan.data_folder, "save_folder": plan.out / plan.corpus / "manifests", **plan.values}
    return [str(plan.recipes / plan.corpus / "prepare.py"), *_options(options), "--annotate"]


def manifest(plan: Plan, run: Run, split: str) -> Path:
    """The manifest of a run's split: named in ``values``, or written by the corpus's preparation.

    Example
    -------
    >>> plan = Plan("IEMOCAP", "tiny", "trained", "data", Path("out"), Path("."), (), ())
    >>> str(manifest(plan, Run("IEMOCAP", "two_stage", 1, 3), "test"))
    'out/IEMOCAP/manifests/fold_3/test.jsonl'
    """
    folder = plan.out / run.corpus / "manifests" / (f"fold_{run.fold}" if run.fold else "")
    return Path(plan.values.get(f"{split}_manifest", folder / f"{split}.jsonl"))


def _options(values: Mapping[str, object]) -> list[str]:
    return [f"--{key}={value}" for key, value in values.items()]
