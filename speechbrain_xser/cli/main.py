"""``xser``: the command-line interface of the package."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from speechbrain_xser.utils.commandline import STARTS_ANEW, as_a_command, one_line_errors

COMMANDS = {
    "explain": "explain what is said in a clip, how, with what emotion, and why",
    "timeline": "do the same for a recording of hours",
    "serve": "start a web page that explains recordings and uploads",
    "annotate": "measure descriptors of your own audio",
    "check": "check a corpus before a run",
    "prepare": "write the manifests of a corpus",
    "shard": "pack a corpus into WebDataset shards",
    "train": "train a recipe",
    "evaluate": "score a trained model on manifests",
    "score": "score files of answers",
    "reproduce": "reproduce a table of the paper, from its runs to its report",
    "probe": "measure what each branch of a trained model keeps",
    "faithfulness": "measure how far a model's paragraphs and evidence can be trusted",
    "export": "write a trained model as one merged folder, for use and for the hub",
    "setup": "download what is too large for the package: real backbones, and what SPICE needs",
}


RENAMED = {"pack": "shard"}


class Commands(click.Group):
    """Commands by name. Each is in a module that is imported on demand, so ``--help`` needs no torch."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names, in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, or None if there is none of that name."""
        if name not in COMMANDS:
            return None
        module = import_module(f"speechbrain_xser.cli.{name}")
        return getattr(module, f"{name}_command")

    def resolve_command(self, context: click.Context, words: list[str]) -> tuple:
        """The command that the first word names; a mistyped one gets a suggestion."""
        name = words[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = [RENAMED[name]] if name in RENAMED else get_close_matches(name, COMMANDS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Commands: {', '.join(COMMANDS)}."
            context.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(context, words)

    def invoke(self, context: click.Context) -> object:
        """Runs a command; a fault of it, or of its import, is reported in one line."""
        with one_line_errors(STARTS_ANEW), as_a_command():
            return super().invoke(context)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One line for each command, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="speechbrain_xser")
def xser() -> None:
    """Explainable speech emotion recognition."""
