"""``xser reproduce``: reproduces a table of the paper, from its runs to its report."""

from __future__ import annotations

from pathlib import Path

import click

from speechbrain_xser.cli.recipe_folder import recipe_folder, recipe_yamls
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.reproduction.plan import SCALES, SETTINGS, Plan
from speechbrain_xser.reproduction.published import SED, systems
from speechbrain_xser.utils.commandline import claimed, one_line_errors

FIRST_SEED = 1986


@click.command("reproduce")
@click.option(
    "--table", "tables", type=click.IntRange(1, 3), multiple=True, required=True, help="Table 1, 2 or 3; repeatable."
)
@click.option("--corpus", required=True, help="Training recipe, such as CREMA-D.")
@click.option(
    "--data-folder", required=True, type=click.Path(exists=True, file_okay=False), help="Folder of the corpus."
)
@click.option(
    "--scale", type=click.Choice(SCALES), default=SCALES[0], show_default=True, help="Size of the models."
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="Number of seeds to train each row with."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Rows trained at a time.")
@click.option(
    "--out", type=click.Path(file_okay=False), help="Output folder.  [default: results/reproduction/CORPUS-SCALE]"
)
@click.option(
    "--setting",
    type=click.Choice(SETTINGS),
    default=SETTINGS[0],
    show_default=True,
    help="trained: on the corpus alone; the others start from SpeechCraft.",
)
@click.option("--pretraining-folder", type=click.Path(exists=True, file_okay=False), help="Folder of SpeechCraft.")
@click.option("--extra", multiple=True, help="System of hparams/systems that is in no table; repeatable.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Value of the recipe's YAML for all runs.")
@click.option("--pretraining-set", "more", multiple=True, metavar="KEY=VALUE", help="Value of SpeechCraft's recipe.")
@click.option("--without", multiple=True, type=click.Choice(SED), help="Description metric to skip.")
@click.option(
    "--recipes",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of recipes.  [default: the checkout's]",
)
@click.option("--report", type=click.Path(file_okay=False), help="Folder for the report.  [default: OUT/report]")
@click.option("--report-only", is_flag=True, help="Run nothing; report the finished runs.")
def reproduce_command(
    tables,
    corpus,
    data_folder,
    scale,
    seeds,
    jobs,
    out,
    setting,
    pretraining_folder,
    extra,
    values,
    more,
    without,
    recipes,
    report,
    report_only,
) -> None:
    """Prepares, trains and evaluates every row of the paper's tables, and writes one report.

    To continue a stopped or killed run, give the same command again. The report is Markdown, CSV and HTML.

    \b
    Example:
      xser reproduce --table 2 --table 3 --corpus CREMA-D --data-folder corpora/CREMA-D --seeds 3 --jobs 2
    """
    with one_line_errors():
        folder = recipe_folder(recipes)
        if corpus not in (known := recipe_yamls(folder)):
            raise SettingsError(f"There is no recipe {corpus!r}; expected one of: {', '.join(known)}.")
        plan = Plan(
            corpus,
            scale,
            setting,
            str(Path(data_folder).resolve()),
            Path(out or Path("results", "reproduction", f"{corpus}-{scale}")),
            folder,
            tuple(dict.fromkeys([*systems(tables, scale), *extra])),
            tuple(range(FIRST_SEED, FIRST_SEED + seeds)),
            pretraining_folder,
            _pairs(values),
            _pairs(more),
            without,
        )
        _reproduce(plan, tables, jobs, Path(report) if report else None, report_only)


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if "=" not in value:
            raise click.BadParameter(f"{value!r}: expected KEY=VALUE", param_hint="--set")
    return dict(value.split("=", 1) for value in values)


def _reproduce(plan: Plan, tables: tuple[int, ...], jobs: int, report: Path | None, report_only: bool) -> None:
    from speechbrain_xser.reproduction.report_files import write_report  # torch is slow to load
    from speechbrain_xser.reproduction.runner import check_note, run_plan

    with claimed(str(plan.out)):
        check_note(plan)
        if not report_only:
            run_plan(plan, jobs)
        click.echo(write_report(plan, tables, report) / "report.md")
