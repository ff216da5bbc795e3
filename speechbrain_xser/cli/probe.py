"""``xser probe``: measures what each branch of a trained model keeps and what it loses."""

from __future__ import annotations

import json

import click

from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors
from speechbrain_xser.utils.plain_table import plain_table


@click.command("probe")
@click.option("--model", required=True, help="Trained folder, or hub id.")
@click.option("--revision", help="Full commit hash of a hub id.  [default: the recorded one]")
@click.option(
    "--train", required=True, type=click.Path(exists=True, dir_okay=False), help="Manifest to train the probes on."
)
@click.option(
    "--test",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Manifest to test them on, with other speakers.",
)
@click.option("--data-folder", help="What {data_root} in the manifests stands for.")
@click.option(
    "--clips", type=click.IntRange(1), default=2000, show_default=True, help="Maximum number of training clips."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def probe_command(model, revision, train, test, data_folder, clips, as_json) -> None:
    """Probes the content latents, the descriptor latents and the plain weighted sum of a trained model.

    The same small classifiers are trained on each: speaker, gender, pitch, level, speed, emotion, and the words by CTC.

    \b
    Example:
      xser probe --model results/CREMA-D/fd_ser_sed_asr/model --train results/CREMA-D/train.jsonl \\
        --test results/CREMA-D/test.jsonl --data-folder corpora/CREMA-D
    """
    with one_line_errors(STARTS_ANEW):
        from speechbrain_xser.data.manifest_checks import check_manifests  # torch is slow to load
        from speechbrain_xser.probing.model_probes import probe_model
        from speechbrain_xser.probing.probe_sheet import probe_sheet

        check_manifests([train, test], data_folder)
        probes = probe_model(model, train, test, data_folder, clips, revision=revision)
    sheet = probe_sheet([probes])
    told = json.dumps([probe._asdict() for probe in probes], indent=1)
    click.echo(told if as_json else "\n".join([plain_table([sheet.header, *sheet.rows]), "", *sheet.notes]))
