"""``xser``: what the package does, from a terminal."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from speechbrain_xser.utils.commandline import STARTS_ANEW, as_a_command, one_line_errors

COMMANDS = {
    "explain": "what is said in a clip, how, with what emotion, and why the model says so",
    "timeline": "the same over a recording of hours",
    "serve": "a web page that explains what is recorded or uploaded",
    "annotate": "descriptors for anyone's own audio",
    "check": "looks at a corpus before a run does",
    "prepare": "manifests of a corpus",
    "pack": "a corpus in WebDataset shards",
    "train": "trains a recipe",
    "evaluate": "scores a trained model on a manifest",
    "score": "scores files of answers",
    "reproduce": "a table of the paper, from its runs to its report",
    "probe": "what each branch of a trained model keeps",
    "faithfulness": "how far a model's paragraphs and evidence can be trusted",
    "export": "a trained model as one merged folder, for use and for the hub",
    "setup": "brings what is too large for the package: genuine backbones, and what SPICE needs",
}


class Commands(click.Group):
    """Commands by name, each in a module that is imported when it is asked for: ``--help`` needs no torch."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, or None where there is no such one."""
        if name not in COMMANDS:
            return None
        module = import_module(f"speechbrain_xser.cli.{name}")
        return getattr(module, f"{name}_command")

    def resolve_command(self, context: click.Context, words: list[str]) -> tuple:
        """The command that the first word names; a wrong one is told the nearest."""
        name = words[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(COMMANDS)}."
            context.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(context, words)

    def invoke(self, context: click.Context) -> object:
        """Runs a command; what it, or its import, cannot do is one line."""
        with one_line_errors(STARTS_ANEW), as_a_command():
            return super().invoke(context)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="speechbrain_xser")
def xser() -> None:
    """Explainable speech emotion recognition."""
