"""``xser``: what the package does, from a terminal."""

from __future__ import annotations

import click

from speechbrain_xser.cli.annotate import annotate_command
from speechbrain_xser.cli.check import check_command
from speechbrain_xser.cli.pack import pack_command
from speechbrain_xser.cli.probe import probe_command
from speechbrain_xser.cli.reproduce import reproduce_command
from speechbrain_xser.cli.score import score_command
from speechbrain_xser.cli.setup_spice import setup_spice_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="speechbrain_xser")
def xser() -> None:
    """Explainable speech emotion recognition."""


xser.add_command(annotate_command)
xser.add_command(check_command)
xser.add_command(pack_command)
xser.add_command(probe_command)
xser.add_command(reproduce_command)
xser.add_command(score_command)
xser.add_command(setup_spice_command)
