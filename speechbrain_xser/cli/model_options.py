"""The model that a command uses: its options, and how it is described to the user."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

import speechbrain_xser
from speechbrain_xser.utils.devices import NAMES, checked_device
from speechbrain_xser.utils.sources import is_set_up
from speechbrain_xser.utils.threads import use_threads_for

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

TINY = (
    "the tiny model that comes with the package. It shows how everything works and runs anywhere, but it knows only a "
    "few hundred words of made-up sentences and CREMA-D's twelve sentences. Do not trust its words and emotions on "
    "your own recordings."
)


SMALL = (
    "the small model that comes with the package: Whisper tiny.en hears, SmolLM2 writes. It is for English speech of "
    "one speaker, and its emotions were learned from actors."
)
NOTES = {speechbrain_xser.TINY: TINY, speechbrain_xser.SMALL: SMALL}
OFFER = "For real recordings say `xser setup small` once (164 MB)."


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
        click.option("--model", help="Trained folder, small, tiny, or hub id.  [default: small if set up, else tiny]"),
    ):
        command = option(command)
    return command


def load_recognizer(
    model: str | None, revision: str | None = None, device: str | None = None, **options: object
) -> ExplainableEmotionRecognizer:
    """Loads the model that the options name, or else the default, with a note on standard error.

    Example
    -------
    >>> load_recognizer("tiny", device="cpu").hparams.stage
    'ser'
    """
    source = model or default_model()
    if model is None:
        offer = f" {OFFER}" if source == speechbrain_xser.TINY else ""
        click.echo(f"No --model was given: using {NOTES[source]}{offer}", err=True)
        source = speechbrain_xser.packaged_model(source)
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


def default_model() -> str:
    """The packaged model of a command without ``--model``: small where its backbones are set up, else tiny.

    The environment variable XSER_DEFAULT_MODEL goes before both.
    """
    if (wanted := os.environ.get("XSER_DEFAULT_MODEL")) in NOTES:
        return wanted
    ready = Path(speechbrain_xser.packaged_model(speechbrain_xser.SMALL)).is_dir() and is_set_up()
    return speechbrain_xser.SMALL if ready else speechbrain_xser.TINY


def packaged_name(model: str | None) -> str | None:
    """The short name of the packaged model that is meant; None for another, such as a folder that is called so.

    Example
    -------
    >>> packaged_name("tiny"), packaged_name("results/model")
    ('tiny', None)
    """
    name = model or default_model()
    return name if name in NOTES and not (model and Path(model).is_dir()) else None


def explained_by(model: str | None) -> str:
    """What a page says about the model that wrote it.

    Example
    -------
    >>> explained_by("results/model"), explained_by("tiny")[:27]
    ('Explained by results/model.', 'Explained by the tiny model')
    """
    name = packaged_name(model)
    return f"Explained by {model}." if name is None else f"Explained by {NOTES[name]}"
