"""``xser setup-spice``: the jars that SPICE needs."""

from __future__ import annotations

import click

from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors


@click.command("setup-spice")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False),
    help="A folder that has them; nothing is fetched.",
)
def setup_spice_command(source) -> None:
    """Puts Stanford CoreNLP 3.6.0 and what else SPICE needs where it is looked for.

    They come from Maven Central through mvn, some 390 MB, into ~/.cache/speechbrain_xser/spice or the folder that the
    variable XSER_SPICE names. Without them SPICE is reported as not computed, and all other metrics as they are.

    \b
    Example:
      xser setup-spice
    """
    from speechbrain_xser.metrics.spice import fetch_jars  # torch is slow to load

    with one_line_errors(STARTS_ANEW):
        folder = fetch_jars(source)
    click.echo(str(folder))
