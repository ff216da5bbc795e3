"""The model that a command uses: its options, and how it is described to the user."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

import speechbrain_xser
from speechbrain_xser.utils.devices import NAMES, checked_device
from speechbrain_xser.utils.threads import use_threads_for

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

TINY = (
    "the tiny model that comes with the package. It shows how everything works and runs anywhere, but it knows only a "
    "few hundred words of made-up sentences and CREMA-D's twelve sentences. Do not trust its words and emotions on "
    "your own recordings."
)


def model_options(command: Callable) -> Callable:
    """Adds ``--model``, ``--revision`` and ``--device``, the arguments of :func:`load_recognizer`.

    Example
    -------
    >>> @click.command()
    ... @model_options
    ... def tell(model, revision, device):
    ...     print(model, device)
    >>> tell(["--device", "cpu"], standalone_mode=False)
    None cpu
    """
    for option in (
        click.option("--device", help=f"{NAMES}.  [default: cuda if available]"),
        click.option("--revision", help="Full commit hash, if the model is a hub id."),
        click.option("--model", help="Trained folder, tiny (the packaged model), or hub id.  [default: tiny]"),
    ):
        command = option(command)
    return command


def unknown_option(command: Callable) -> Callable:
    """Adds ``--unknown/--no-unknown``, an option of :func:`load_recognizer` for commands that tell emotions."""
    told = 'Call the emotion "unknown" if a clip is unlike what the model was trained on.'
    return click.option("--unknown/--no-unknown", default=True, show_default=True, help=told)(command)


def load_recognizer(
    model: str | None, revision: str | None = None, device: str | None = None, **options: object
) -> ExplainableEmotionRecognizer:
    """Loads the model that the options name, or else the packaged model, with a note on standard error.

    Example
    -------
    >>> load_recognizer(None, device="cpu").hparams.stage
    'ser'
    """
    if model is None:
        click.echo(f"No --model was given: using {TINY}", err=True)
    source = speechbrain_xser.packaged_model() if model is None else model
    with importing():
        from transformers.utils.logging import disable_progress_bar

        from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer  # torch is slow to load

        disable_progress_bar()  # the weights load too fast for one
        options |= {"revision": revision, "run_opts": {"device": checked_device(device)}, "pretrained": False}
        recognizer = ExplainableEmotionRecognizer.from_hparams(source, **options)
    if recognizer.device == "cpu":
        click.echo(use_threads_for(recognizer.mods.model), err=True)
    return recognizer


@contextmanager
def importing() -> Iterator[None]:
    """Pauses garbage collection: it would scan the million long-lived objects of the modules again and again.

    Example
    -------
    >>> with importing():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def is_tiny(model: str | None) -> bool:
    """Whether the packaged tiny model is meant: no name, or ``tiny`` if no folder here has that name.

    Example
    -------
    >>> is_tiny(None), is_tiny("tiny"), is_tiny("results/model")
    (True, True, False)
    """
    return model is None or model == speechbrain_xser.TINY and not Path(model).is_dir()


def explained_by(model: str | None) -> str:
    """What a page says about the model that wrote it.

    Example
    -------
    >>> explained_by("results/model"), explained_by(None)[:27]
    ('Explained by results/model.', 'Explained by the tiny model')
    """
    return f"Explained by {TINY}" if is_tiny(model) else f"Explained by {model}."
