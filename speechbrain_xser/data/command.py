"""A recipe's ``prepare`` function as a command: its parameters are the options, its docstring is the help."""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args, get_origin

from speechbrain_xser.commandline import one_line_errors
from speechbrain_xser.data.preparation import SUMMARY
from speechbrain_xser.data.summary import summary_text

ARGUMENT = re.compile(r"^    ((?:\w+, )*\w+) : .*\n((?:        .*\n)+)", re.MULTILINE)


def prepare_command(prepare: Callable[..., dict[str, str]], arguments: Sequence[str] | None = None) -> None:
    """Runs a preparation from the command line and prints what it made.

    Arguments
    ---------
    prepare : Callable
        Has ``data_folder`` and ``save_folder`` among its parameters; others are options of text, number, switch or
        choice. Returns the manifests' paths.
    arguments : sequence of str or None
        The words of the command line; None for the process's own.

    Raises
    ------
    SystemExit
        With one line, where a folder or file is wrong.

    Example
    -------
    >>> def prepare(data_folder: str, save_folder: str, fold: int = 1):
    ...     Path(save_folder, "summary.json").write_text('{"manifests": {}, "dropped": {}}')
    ...     return {"train": f"{data_folder}-{fold}.jsonl"}
    >>> prepare_command(prepare, ["--data_folder=corpus", f"--save_folder={getfixture('tmp_path')}", "--fold=2"])
    manifest  clips  hours  speakers
    --------------------------------
    1 manifests in ...
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    given = vars(command_parser(prepare).parse_args(arguments))
    with one_line_errors():
        paths = prepare(**given)
        summary = json.loads(Path(given["save_folder"], SUMMARY).read_text(encoding="utf-8"))
        print(f"{summary_text(summary)}\n{len(paths)} manifests in {given['save_folder']}")


def command_parser(prepare: Callable[..., dict[str, str]]) -> argparse.ArgumentParser:
    """The options of a preparation.

    Arguments
    ---------
    prepare : Callable
        As for :func:`prepare_command`.

    Returns
    -------
    argparse.ArgumentParser

    Example
    -------
    >>> def prepare(data_folder: str, valid_by: Literal["speaker", "random"] = "speaker", mono: bool = True): ...
    >>> vars(command_parser(prepare).parse_args(["--data_folder", "corpus", "--no-mono"]))
    {'data_folder': 'corpus', 'valid_by': 'speaker', 'mono': False}
    """
    text = inspect.getdoc(prepare) or ""
    helps = {
        name: " ".join(words.split())
        for names, words in ARGUMENT.findall(prepare.__doc__ or "")
        for name in names.split(", ")
    }
    parser = argparse.ArgumentParser(description=text.split("\n\n")[0].replace("`", ""))
    for name, parameter in inspect.signature(prepare, eval_str=True).parameters.items():
        parser.add_argument(f"--{name}", help=helps.get(name), **_option(parameter))
    return parser


def _option(parameter: inspect.Parameter) -> dict:
    """What argparse must know of a parameter."""
    kinds = [kind for kind in get_args(parameter.annotation) or [parameter.annotation] if kind is not type(None)]
    required = parameter.default is inspect.Parameter.empty
    default = {"required": True} if required else {"default": parameter.default}
    if get_origin(parameter.annotation) is Literal:
        return {"choices": kinds, **default}
    if bool in kinds:
        return {"action": argparse.BooleanOptionalAction, **default}
    return {"type": next((kind for kind in kinds if kind in (int, float)), str), **default}
