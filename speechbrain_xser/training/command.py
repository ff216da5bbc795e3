"""A training from its command line, step by step; ``recipes/train.py`` and ``xser train`` both run it on each rank.

SpeechBrain's own parts read the command line, join the ranks and keep a copy of the hyperparameters; the steps are in
``training/run.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process, infer_device, run_on_main
from speechbrain.utils.logger import get_logger
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.errors import LostRankError, SettingsError, XserError
from speechbrain_xser.metrics.answers import write_answers
from speechbrain_xser.model_folder.locate import CHECKPOINTS
from speechbrain_xser.training.arguments import CommandLine, read_words
from speechbrain_xser.training.corpora import licence_beside
from speechbrain_xser.training.determinism import deterministic
from speechbrain_xser.training.experiment_loggers import check_loggers
from speechbrain_xser.training.process_group import is_launched, is_started_again, joined
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.run import (
    check_backbones,
    check_memory,
    check_precision,
    evaluation_scores,
    export,
    make_brain,
    make_loaders,
    make_model,
    merged,
    run_option,
    summary,
)
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.utils.commandline import FAULTY_INPUT, claimed, one_line_errors
from speechbrain_xser.utils.devices import checked_device
from speechbrain_xser.utils.restart_note import note_end

logger = get_logger(__name__)

SCRIPT = "train.py"  # the name of the copied script, as that of every recipe
PLACE = (
    "Checkpoints are written to %s/step-..., in safetensors and JSON, each complete or not there; there is no "
    "save/CKPT+... of SpeechBrain's Checkpointer. The same command goes on from the newest."
)


class Recipe(NamedTuple):
    """A recipe as its YAML and the command line give it."""

    hparams: dict  # merged
    overrides: dict  # of the command line


@one_line_errors()
def main(arguments: Sequence[str]) -> None:
    """Prepares, trains, evaluates the best checkpoint, and writes the trained folder.

    Arguments
    ---------
    arguments : sequence of str
        A recipe's YAML, values for its keys (``--key=value``) and SpeechBrain's run options.

    Raises
    ------
    SystemExit
        With 2 for unusable input, 130 after Ctrl-C, 143 after SIGTERM.

    Example
    -------
    >>> main([str(getfixture("tmp_path") / "nowhere.yaml")])  # "error: ...nowhere.yaml cannot be loaded ..."
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """
    with noting_errors():
        words = read_words(arguments)
        recipe = read_recipe(words)
        if is_launched():
            prepare(recipe.hparams)  # the ranks of a machine in turn: no collective waits for hours of it
        with joined(words.run_opts), noting_errors():  # before the others learn that this rank has ended
            checked_device(words.run_opts["device"])
            with claimed(recipe.hparams["output_folder"], wait=is_started_again()):
                begin_folder(recipe.hparams["output_folder"], words.recipe, recipe.overrides)
                run(recipe.hparams, words.run_opts)


def read_recipe(words: CommandLine) -> Recipe:
    """The values of a run, checked before anything is prepared or loaded.

    Raises
    ------
    SettingsError
        If the YAML is no recipe, or a value of it or of the command line is wrong.
    """
    hparams, overrides = load_recipe(words.recipe, words.values)
    hparams = licence_beside(words.recipe) | merged(hparams)
    if missing := [key for key in ("output_folder", "train_manifest", "valid_manifest", "model") if key not in hparams]:
        raise SettingsError(f"{words.recipe}: has no {', '.join(missing)}, expected a recipe. Name one, e.g. CREMA-D.")
    TrainingSettings.from_hparams(hparams)
    check_loggers(hparams.get("train_logger"))
    return Recipe(hparams, overrides)


def check_words(words: Sequence[str]) -> None:
    """Reads a command line as each rank will, so that a wrong one ends before any rank starts."""
    read_recipe(read_words(words))


@contextmanager
def noting_errors() -> Iterator[None]:
    """Leaves a note for later starts of the ranks, if a run ends so that the same command would end so again."""
    try:
        yield
    except (LostRankError, ConnectionError):
        raise
    except (XserError, OSError):
        note_end(FAULTY_INPUT)
        raise


def prepare(hparams: Mapping) -> None:
    """Runs the recipe's preparation, if it has one; a second process waits for the first and finds it done."""
    check_backbones(hparams)
    if hparams.get("prepare") is not None:
        hparams["prepare"]()


def begin_folder(folder: str, hparams_file: str, overrides: Mapping) -> None:
    """SpeechBrain's copies of the values, the versions and the script, with a line on what its users look for."""
    sb.create_experiment_directory(folder, hparams_file, overrides)
    if if_main_process():
        Path(folder, Path(__file__).name).replace(Path(folder, SCRIPT))
        logger.info(PLACE, Path(folder, CHECKPOINTS))


def run(hparams: dict, run_opts: RunOptions) -> None:
    """Runs the training in its own output folder.

    Arguments
    ---------
    hparams : dict
        The recipe's values, merged.
    run_opts : RunOptions
        SpeechBrain's, from the command line.
    """
    with deterministic(TrainingSettings.from_hparams(hparams).deterministic):
        _run(hparams, run_opts)


def _run(hparams: dict, run_opts: RunOptions) -> None:
    check_precision(hparams, run_opts)
    if not is_launched():
        prepare(hparams)
    device = run_opts["device"] or infer_device()
    accumulation = run_option("grad_accumulation_factor", hparams, run_opts)
    check_memory(hparams, device, accumulation)
    model = make_model(hparams, device)
    loaders = make_loaders(hparams, model, accumulation, device)
    brain = make_brain(hparams, run_opts, model, len(loaders.train.dataset))
    brain.fit(loaders.train, loaders.valid)
    scores = None
    if loaders.test is not None:
        brain.evaluate(loaders.test)
        scores = evaluation_scores(brain)
        run_on_main(write_answers, [f"{hparams['output_folder']}/test_answers.jsonl", brain.evaluation.answers])
    folder = export(hparams, brain, scores)
    if if_main_process():
        print(summary(scores, folder))
