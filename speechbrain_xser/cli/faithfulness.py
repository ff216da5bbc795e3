"""``xser faithfulness``: measures how far a model's paragraphs and evidence can be trusted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from speechbrain_xser.cli.model_options import load_recognizer, model_options

if TYPE_CHECKING:
    from speechbrain_xser.evidence.faithfulness_scores import Faithfulness


@click.command("faithfulness")
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False))
@model_options
@click.option("--data-folder", help="What {data_root} in the manifest stands for.")
@click.option(
    "--clips",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Maximum number of clips; the choice is deterministic.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Clips measured at a time.  [default: one per core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def faithfulness_command(manifest, model, revision, device, data_folder, clips, workers, as_json) -> None:
    """Checks a model's paragraphs and evidence over the clips of MANIFEST.

    First, for each descriptor, the share of claims that the signal supports. Second, whether removing the branch that
    is said to carry the emotion changes the emotion more than removing the other branch.

    \b
    Example:
      xser faithfulness results/CREMA-D/test.jsonl --data-folder corpora/CREMA-D --model results/CREMA-D/1986/model
    """
    from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors

    with one_line_errors(STARTS_ANEW):
        from speechbrain_xser.data.manifest_checks import check_manifests
        from speechbrain_xser.evidence.faithfulness_scores import measure_faithfulness  # torch is slow to load

        check_manifests([manifest], data_folder)
        recognizer = load_recognizer(model, revision, device)
        found = measure_faithfulness(recognizer, manifest, data_folder, clips, workers)
        click.echo(json.dumps(_plain(found), indent=1) if as_json else _text(found))


def _plain(found: Faithfulness) -> dict:
    from speechbrain_xser.evidence.faithfulness_scores import carried

    claims = {field: support._asdict() | {"share": support.share} for field, support in found.claims.items()}
    return {"clips": len(found.knockouts), "claims": claims, "carriers": carried(found.knockouts)._asdict()}


def _text(found: Faithfulness) -> str:
    from speechbrain_xser.evidence.faithfulness_sheets import carried_sheet, claims_sheet
    from speechbrain_xser.utils.plain_table import plain_table

    sheets = (claims_sheet([found]), carried_sheet([found]))
    return "\n\n".join("\n".join([plain_table([sheet.header, *sheet.rows]), *sheet.notes]) for sheet in sheets)
