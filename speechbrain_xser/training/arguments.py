"""The words of a training's command line: the recipe, SpeechBrain's run options, and values for the recipe's keys.

SpeechBrain joins all values and splits them at every equals sign again, so that ``--output_folder=b=1`` becomes
"b 1". Here each word is split at its first one, and SpeechBrain's parser gets only its own options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import speechbrain as sb
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.errors import SettingsError

RUN_OPTIONS = {f.name: f.default for f in fields(RunOptions) if f.name not in ("param_file", "overridden_args")}
FLAGS = {name for name, default in RUN_OPTIONS.items() if isinstance(default, bool)} | {"help"}


class CommandLine(NamedTuple):
    """What a command line says."""

    recipe: str  # a YAML
    run_opts: RunOptions
    values: dict[str, str]  # text by the recipe's key; the last of equal keys


def read_words(words: Sequence[str]) -> CommandLine:
    """Splits a training's command line.

    Arguments
    ---------
    words : sequence of str
        A YAML, ``--key=value`` or ``--key value`` for its keys, and SpeechBrain's run options.

    Returns
    -------
    CommandLine

    Raises
    ------
    SettingsError
        If a word is neither an option nor a value, or is not UTF-8.
    SystemExit
        If the YAML is missing or a run option's value is wrong.

    Example
    -------
    >>> found = read_words(["train.yaml", "--output_folder=b=1", "--device=cpu", "--beta", "-1"])
    >>> found.recipe, found.run_opts.device, found.values
    ('train.yaml', 'cpu', {'output_folder': 'b=1', 'beta': '-1'})
    """
    files, values, own = [], {}, []
    for name, group in _options(words):
        if name is None:
            files += group
        elif name in RUN_OPTIONS or name in FLAGS:
            own += group
        else:
            values[name] = group[1] if len(group) > 1 else group[0].partition("=")[2]
    if len(files) > 1:
        raise SettingsError(f"{files[1]!r} is not an option; expected --key=value.")
    recipe, run_opts, _ = sb.parse_arguments([*files, *own])
    return CommandLine(recipe, run_opts, values)


def _options(words: Sequence[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Each option's name with its words; ``None`` for a word that belongs to no option."""
    words = list(map(_utf8, words))
    while words:
        word = words.pop(0)
        name, equals, _ = word[2:].partition("=")
        group = [word]
        if word == "-h":
            name = "help"
        elif not word.startswith("--"):
            name = None
        elif not equals and name not in FLAGS:
            while words and not words[0].startswith("--") and (len(group) == 1 or name.endswith("_module_keys")):
                group.append(words.pop(0))
        yield name, group


def _utf8(word: str) -> str:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"{word!r} is not UTF-8: choose a name that is, because it is written into YAML."
        ) from error
    return word
