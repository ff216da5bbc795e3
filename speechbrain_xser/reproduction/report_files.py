"""The report of a reproduction: ``report.md``, a CSV for each table, a self-contained ``report.html``, and the figures.

Nothing in it depends on when or how often its runs were started, so interrupted runs give the same report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.evidence.faithfulness_sheets import carried_sheet, claims_sheet
from speechbrain_xser.page.document import document
from speechbrain_xser.page.sheet_section import picture, sheet_section
from speechbrain_xser.probing.probe_sheet import probe_sheet
from speechbrain_xser.reproduction.outcomes import Outcome
from speechbrain_xser.reproduction.plan import Plan, Run
from speechbrain_xser.reproduction.plots import PROPOSED, draw
from speechbrain_xser.reproduction.runner import is_finished
from speechbrain_xser.reproduction.seed_faithfulness import believe_seeds
from speechbrain_xser.reproduction.seed_probes import probe_seeds
from speechbrain_xser.reproduction.sheets import (
    confusion_sheet,
    descriptor_sheet,
    emotion_sheet,
    significance_sheet,
    table_sheet,
    transcript_sheet,
)
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.sheet import Sheet

FOLDER = "report"


def write_report(plan: Plan, tables: Sequence[int], folder: Path | None = None) -> Path:
    """Writes the report of all systems whose runs are finished, by default into ``report`` in the plan's folder.

    Raises
    ------
    ReproductionError
        If no system is finished, or systems answered different utterances.
    """
    outcomes = {system: Outcome(plan, system) for system in finished_systems(plan)}
    if not outcomes:
        raise ReproductionError(
            f"{plan.out}: no system has finished all its seeds and folds, so there is nothing to report."
        )
    check_same(outcomes)
    folder = folder or plan.out / FOLDER
    pictures = draw(plan, outcomes, folder)
    sheets = _sheets(plan, tables, outcomes)
    for sheet in sheets:
        _write(folder / f"{sheet.name}.csv", sheet.csv())
    title = f"{plan.corpus}, scale {plan.scale}, {plan.setting}"
    _write(folder / "report.md", _markdown(title, sheets, pictures))
    _write(folder / "report.html", _page(title, sheets, pictures, folder))
    return folder


def check_same(outcomes: Mapping[str, Outcome]) -> None:
    """Raises a ``ReproductionError`` unless all systems answered the same utterances with the same labels."""
    (first, expected), *others = outcomes.items()
    for name, outcome in others:
        lone = set(outcome.ids) ^ set(expected.ids)
        lone |= {id for id in set(outcome.ids) & set(expected.ids) if outcome.reference(id) != expected.reference(id)}
        if lone:
            told = ", ".join(sorted(lone)[:5])
            raise ReproductionError(f"{first} and {name} differ in {len(lone)} utterances or labels: {told}.")


def finished_systems(plan: Plan) -> list[str]:
    """The systems whose seeds and folds are all finished, in the plan's order."""
    return [
        system
        for system in plan.systems
        if all(is_finished(plan, Run(plan.corpus, system, seed, fold)) for seed in plan.seeds for fold in plan.folds)
    ]


def _sheets(plan: Plan, tables: Sequence[int], outcomes: Mapping[str, Outcome]) -> list[Sheet]:
    found: list[Sheet | None] = []
    for table in tables:
        found += [table_sheet(plan, table, outcomes), significance_sheet(table, outcomes)]
    labelled = all(outcome.labelled for outcome in outcomes.values())
    found += [emotion_sheet(plan, outcomes)] if labelled else []
    found += [transcript_sheet(outcomes), descriptor_sheet(outcomes)]
    if PROPOSED in outcomes and plan.setting != "zero-shot":
        believed = believe_seeds(plan, PROPOSED)
        found += [claims_sheet(believed), carried_sheet(believed), probe_sheet(probe_seeds(plan, PROPOSED))]
    if PROPOSED in outcomes and labelled:
        found += [confusion_sheet(outcomes[PROPOSED])]
    return [sheet for sheet in found if sheet is not None]


def _markdown(title: str, sheets: Sequence[Sheet], pictures: Mapping[str, str]) -> str:
    shown = "\n".join(f"![{caption}]({name})\n\n{caption}\n" for name, caption in pictures.items())
    return "\n".join([f"# {title}", "", *[sheet.markdown() for sheet in sheets], "## Pictures", "", shown])


def _page(title: str, sheets: Sequence[Sheet], pictures: Mapping[str, str], folder: Path) -> str:
    parts = [sheet_section(sheet) for sheet in sheets]
    parts += [picture((folder / name).read_bytes(), caption) for name, caption in pictures.items()]
    return document(title, "\n".join(parts), wide=True)


def _write(path: Path, text: str) -> None:
    with written_beside(path) as file:
        file.write(text)
