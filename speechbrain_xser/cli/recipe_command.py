"""A recipe's ``prepare`` function as a command: its parameters become the options, its docstring the help.

``python recipes/CORPUS/prepare.py`` and ``xser prepare CORPUS`` are the same command.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args, get_origin

import click

from speechbrain_xser.data.preparation import SUMMARY
from speechbrain_xser.data.summary import summary_text
from speechbrain_xser.utils.commandline import as_a_command, one_line_errors

ARGUMENT = re.compile(r"^    ((?:\w+, )*\w+) : .*\n((?:        .*\n)+)", re.MULTILINE)
PATHS = {"data_folder": click.Path(exists=True), "save_folder": click.Path(file_okay=False)}


def prepare_command(prepare: Callable[..., dict[str, str]], arguments: Sequence[str] | None = None) -> None:
    """Runs a preparation from the command line and prints a summary of what it wrote.

    Arguments
    ---------
    prepare : Callable
        Has the parameters ``data_folder`` and ``save_folder``; the others become options that take a text, a number or
        a choice, or are switches. Returns the manifests' paths.
    arguments : sequence of str or None
        The words of the command line, or None for those of the process.

    Raises
    ------
    SystemExit
        With a one-line error, if a folder or file is wrong.

    Example
    -------
    >>> def prepare(data_folder: str, save_folder: str, fold: int = 1):
    ...     Path(save_folder, "summary.json").write_text('{"manifests": {}, "dropped": {}}')
    ...     return {"train": f"{data_folder}-{fold}.jsonl"}
    >>> folder = getfixture("tmp_path")
    >>> prepare_command(prepare, [f"--data_folder={folder}", f"--save-folder={folder}", "--fold=2"])
    Traceback (most recent call last):
        ...
    SystemExit: 0
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with one_line_errors(), as_a_command():
        preparation_command(prepare)(arguments)


def preparation_command(prepare: Callable[..., dict[str, str]], name: str | None = None) -> click.Command:
    """The command of a preparation; its options can be written with dashes or underscores."""
    text = inspect.getdoc(prepare) or ""
    helps = {
        name: " ".join(words.split()).replace("`", "")
        for names, words in ARGUMENT.findall(prepare.__doc__ or "")
        for name in names.split(", ")
    }
    parameters = inspect.signature(prepare, eval_str=True).parameters
    options = [_option(key, parameter, helps.get(key)) for key, parameter in parameters.items()]
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print the summary as JSON.")

    def run(as_json: bool, **given: object) -> None:
        with one_line_errors():
            paths = prepare(**given)
            summary = json.loads(Path(given["save_folder"], SUMMARY).read_text(encoding="utf-8"))
            told = json.dumps({**summary, "paths": {key: str(path) for key, path in paths.items()}}, indent=1)
            lines = f"{summary_text(summary)}\n{len(paths)} manifests in {given['save_folder']}"
            click.echo(told if as_json else lines)

    example = f"\n\n\b\nExample:\n  xser prepare {name} --data-folder corpora/{name} --save-folder results/{name}"
    return click.Command(
        name,
        context_settings={"token_normalize_func": _dashed, "help_option_names": ["-h", "--help"]},
        callback=run,
        params=[*options, as_json],
        help=text.split("\n\n")[0].replace("`", "") + (example if name else ""),
    )


def _dashed(word: str) -> str:
    return word.replace("_", "-")


def _option(name: str, parameter: inspect.Parameter, text: str | None) -> click.Option:
    """The option of a parameter."""
    kinds = [kind for kind in get_args(parameter.annotation) or [parameter.annotation] if kind is not type(None)]
    required = parameter.default is inspect.Parameter.empty
    shared = {"required": True} if required else {"default": parameter.default, "show_default": True}
    shared |= {"help": text}
    dashed = f"--{_dashed(name)}"
    if get_origin(parameter.annotation) is Literal:
        return click.Option([dashed, name], type=click.Choice(kinds), **shared)
    if bool in kinds:
        return click.Option([f"{dashed}/--no-{_dashed(name)}", name], **shared)
    kind = PATHS.get(name) or next((kind for kind in kinds if kind in (int, float)), str)
    return click.Option([dashed, name], type=kind, **shared)
