"""Every command that a page or notebook shows is one that there is, with options that it has."""

import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import speechbrain as sb

from speechbrain_xser.cli.main import COMMANDS, xser
from speechbrain_xser.training.recipe_yaml import load_recipe

ROOT = Path(__file__).parents[1]
BUILT = {ROOT / "docs" / name for name in ("_build", "api", "recipes")}
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("recipes/*/README.md"))]
    if not BUILT & set(page.parents)
]
CODE = re.compile(r"(?<!`)`(?!`)(?:[^`\n]|\n(?!\s*\n))+`(?!`)")  # of a sentence; it may go on in the next line
STARTS = re.compile(r"(?:^ *(?:\$ )?|`|\| |do )(xser|python|torchrun) (?=[\w-])", re.MULTILINE)
FREE = "train"  # takes every key of a recipe


class Shown(NamedTuple):
    """One command of a page."""

    page: str
    program: str
    words: list[str]


def texts() -> dict[str, str]:
    """Pages, and what notebooks say between their cells."""
    found = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
    for path in sorted(ROOT.glob("docs/notebooks/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found[str(path.relative_to(ROOT))] = "\n\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
    return found


def shown_in(page: str, text: str) -> list[Shown]:
    """Commands at the start of a line, in backticks, or behind a pipe; a backslash or a backtick that is still open
    goes on with the next line."""
    text = re.sub(r" *\\\n\s*", " ", text)
    text = CODE.sub(lambda code: re.sub(r"\n *", " ", code[0]), text)
    found = []
    for match in STARTS.finditer(text):
        rest = re.split(r"[`\n|;]| # |  +#", text[match.end() :], maxsplit=1)[0]
        found.append(Shown(page, match[1], shlex.split(rest.replace("'", " ").replace("[", " ").replace("]", " "))))
    return found


SHOWN = [shown for page, text in texts().items() for shown in shown_in(page, text)]


def of(program: str) -> list:
    """The distinct commands of a program, as parameters."""
    commands = {(program, *shown.words): shown for shown in SHOWN if shown.program == program}
    return [pytest.param(shown, id=f"{shown.page}: {' '.join(shown.words)[:60]}") for shown in commands.values()]


def flags(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if re.match(r"--\w", word)}


def known_flags(command: click.Command) -> set[str]:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {flag for option in options for flag in (*option.opts, *option.secondary_opts)} | {"--help"}


def test_commands_are_found_where_pages_show_them():
    text = "    xser check a.jsonl \\\n        --json\n| do | `xser shard b --out c` |\n"
    text += "    find . | xser explain - | jq\n"
    text += "Or (`xser\n  faithfulness a.jsonl`, and `xser rank\na.jsonl`).\n"
    text += "See `a.jsonl` and\nthen `xser evaluate\n--json a`.\n"
    assert [shown.words for shown in shown_in("page", text)] == [
        ["check", "a.jsonl", "--json"],
        ["shard", "b", "--out", "c"],
        ["explain", "-"],
        ["faithfulness", "a.jsonl"],
        ["rank", "a.jsonl"],
        ["evaluate", "--json", "a"],
    ]
    assert {shown.words[0] for shown in SHOWN if shown.program == "xser"} >= {"explain", "timeline", "train", "check"}


@pytest.mark.parametrize("shown", of("xser"))
def test_a_command_of_xser_is_there_and_has_the_options(shown):
    name, *words = shown.words
    if name == "COMMAND":
        return
    assert name in COMMANDS
    context = click.Context(xser)
    command = xser.get_command(context, name)
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words[0])
    assert name == FREE or flags(words) <= known_flags(command)


@pytest.mark.parametrize("shown", of("python") + of("torchrun"))
def test_a_script_or_module_is_there_and_a_recipe_has_the_keys(shown):
    scripts = [word for word in shown.words if word.startswith("recipes/") and "NAME" not in word]
    assert all((ROOT / script).is_file() for script in scripts)
    if "-m" in shown.words:
        assert importlib.util.find_spec(shown.words[shown.words.index("-m") + 1])
    if len(scripts) == 2 and scripts[0] == "recipes/train.py":
        values = [word for word in shown.words[shown.words.index(scripts[1]) + 1 :] if word != "..."]
        yaml, _, given = sb.parse_arguments([str(ROOT / scripts[1]), *values])
        load_recipe(yaml, given)


def test_every_command_has_its_row_in_the_table_of_commands():
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_s_help_has_options_that_there_are(name):
    command = xser.get_command(click.Context(xser), name)
    for shown in shown_in("help", command.help.partition("Example:")[2]):
        _, *words = shown.words
        if isinstance(command, click.Group) or name == FREE:
            continue
        assert flags(words) <= known_flags(command)
