"""How a model answers groups of CREMA-D's actors.

    python recipes/Small/groups.py results/small/table/cremad.jsonl --demographics=VideoDemographics.csv

Run table.py first: these are its answers. Gender and age band stand in them; race and ethnicity are told by the
release's table of actors. A group of few actors says as much of them as of the group.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from Small.figures import unweighted_accuracy, word_error_rate

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.metrics.answers import Answered, read_answers
from speechbrain_xser.utils.commandline import one_line_errors

TOLD = ("Race", "Ethnicity")  # columns of the table of actors


class Group(NamedTuple):
    """What was answered for some actors; in per cent, None where no clip has such a label."""

    actors: int
    clips: int
    ua: float | None
    wer: float | None


@click.command()
@click.argument("answers")
@click.option("--demographics", help="CREMA-D's VideoDemographics.csv, for race and ethnicity.")
@one_line_errors()
def main(answers: str, demographics: str | None) -> None:
    """Prints figures for each group of the actors in ANSWERS, a file of table.py."""
    for name, group in by_group(answers, read_races(demographics)).items():
        print(f"{name}: {group.actors} actors, {group.clips} clips, UA {_shown(group.ua)}, WER {_shown(group.wer)}")


def _shown(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.1f}"


def read_races(demographics: str | Path | None) -> dict[str, tuple[str, ...]]:
    """The groups that the table of actors names for each, by the actor's number; none without a table.

    Example
    -------
    >>> table = getfixture("tmp_path") / "VideoDemographics.csv"
    >>> _ = table.write_text('"ActorID","Age","Sex","Race","Ethnicity"\\n1001,51,"Male","Asian","Not Hispanic"\\n')
    >>> read_races(table)
    {'1001': ('Asian', 'Not Hispanic')}
    """
    if demographics is None:
        return {}
    with open(demographics, encoding="utf-8") as file:
        return {row["ActorID"]: tuple(row[name] for name in TOLD) for row in csv.DictReader(file)}


def by_group(answers: str | Path, races: Mapping[str, tuple[str, ...]]) -> dict[str, Group]:
    """Figures of each gender, age band, race and ethnicity.

    Arguments
    ---------
    answers : str or Path
        A file of table.py. An answer that names no emotion is wrong.
    races : mapping of str to tuple of str
        From :func:`read_races`.

    Returns
    -------
    dict of str to Group
    """
    members: dict[str, list[Answered]] = {}
    for answer in read_answers(answers).values():
        for name in _groups_of(answer.utterance, races):
            members.setdefault(name, []).append(answer)
    return {name: _group(found) for name, found in sorted(members.items())}


def _groups_of(clip: Utterance, races: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    actor = (clip.speaker or "").rpartition("-")[2]
    yield from filter(None, dict.fromkeys((clip.gender, clip.age, *races.get(actor, ()))))


def _group(answers: list[Answered]) -> Group:
    told = [(answer.utterance, parse(answer.answer)) for answer in answers]
    felt = [(clip.emotion, found.emotion) for clip, found in told if clip.emotion is not None]
    said = [(clip.transcript, found.transcript) for clip, found in told if clip.transcript is not None]
    actors = {clip.speaker for clip, _ in told}
    return Group(len(actors), len(told), unweighted_accuracy(felt), word_error_rate(said))


if __name__ == "__main__":
    main()
