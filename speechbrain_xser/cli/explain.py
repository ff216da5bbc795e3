"""``xser explain``: what is said in recordings, how, with what emotion, and why the model says so."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from speechbrain_xser.cli.model import explained_by, importing, load_recognizer, model_options
from speechbrain_xser.cli.paths import NewFile
from speechbrain_xser.data.formats import has_sound_suffix

if TYPE_CHECKING:
    from torch import Tensor

    from speechbrain_xser.evidence.clip_evidence import Evidence
    from speechbrain_xser.explaining.clips import SourceClip, Told

    Pair = tuple[Told, Evidence | None]  # no evidence where none is wanted, or nothing was explained

GUESSED = 4  # tokens ahead
INTERRUPTED = "Interrupted; what was printed is whole, and no report was written."


def _no_recording(context: click.Context, option: click.Parameter, html: str | None) -> str | None:
    """The page's path; ``--html a.wav`` is a slip that would cost the recording."""
    if html is not None and has_sound_suffix(html):
        raise click.BadParameter(f"{html!r} is named like a recording. Name the page, for example report.html.")
    return html


@click.command("explain")
@click.argument("sources", nargs=-1, required=True, metavar="FILE... | FOLDER | -", type=click.Path(allow_dash=True))
@model_options
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Clips at once; changes no answer."
)
@click.option("--fast", is_flag=True, help="Merge LoRA and guess tokens ahead: the same answers but for rounding.")
@click.option("--structured", is_flag=True, help="Every paragraph in one form: faster, and never left unparsed.")
@click.option(
    "--speech-check/--no-speech-check", default=True, show_default=True, help="Ask the model only of clips with speech."
)
@click.option("--evidence", is_flag=True, help="Tell claims against the signal, and voice or words, too.")
@click.option(
    "--swap", metavar="OTHER", type=click.Path(), help="Evidence with the voice of this clip swapped in, too."
)
@click.option("--track", type=click.IntRange(min=1), help="Sound track of films that have several; else their default.")
@click.option("--html", type=NewFile(), callback=_no_recording, help="Write one self-contained page with all evidence.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line, as in a pipe.")
def explain_command(
    sources, model, revision, device, batch_size, fast, structured, speech_check, evidence, swap, track, html, as_json
) -> None:
    """Explains recordings: a table on a terminal, JSON lines in a pipe.

    FILE may be a sound file, a film or a pipe, of any rate and with any number of channels; what it is, its content
    decides. A FOLDER is searched below. With - come paths from standard input, one a line, or one sound file itself.

    A recording without speech is told as such, and the model is not asked of it.

    A recording that cannot be read is named and stops no other; the command then ends with 2. Recordings that are
    longer than a model takes at once are for xser timeline.

    \b
    Example:
      xser explain interview.m4a recordings --html report.html
      find . -name '*.opus' | xser explain - | jq .emotion
    """
    from speechbrain_xser.utils.commandline import FAULTY_INPUT, one_line_errors

    with importing():
        from speechbrain_xser.explaining.sources import find_clips  # and torch

    options = {"merge": fast, "speculate": GUESSED if fast else 0, "structured": structured}
    options["speech_check"] = speech_check
    with one_line_errors(INTERRUPTED), tempfile.TemporaryDirectory() as folder:
        found = find_clips(sources, sys.stdin and sys.stdin.buffer, Path(folder))
        clips = [clip._replace(track=track) for clip in found]
        recognizer = load_recognizer(model, revision, device, **options)
        voice = None if swap is None else recognizer.load_audio(swap)
        told = _evident(recognizer, _explained(recognizer, clips, batch_size), voice, evidence or swap or html)
        show = _printer(clips, as_json or not sys.stdout.isatty(), evidence or swap)
        failed = _tell(told, show, html, explained_by(model))
    sys.exit(FAULTY_INPUT if failed else 0)


def _explained(recognizer, clips: Sequence[SourceClip], batch_size: int) -> Iterator[Told]:
    """Explanations with a progress bar, where it takes longer than a blink and a person is looking."""
    from speechbrain_xser.explaining.clips import explain_clips

    found = explain_clips(recognizer, clips, batch_size)
    options = {"desc": "explaining", "unit": "clip", "delay": 2, "leave": False, "disable": None}
    return tqdm(found, total=len(clips), file=sys.stderr, **options)


def _evident(recognizer, told: Iterable[Told], voice: Tensor | None, wanted: object) -> Iterator[Pair]:
    """Adds the evidence to every clip, where it is wanted."""
    from speechbrain_xser.errors import AudioError
    from speechbrain_xser.evidence.clip_evidence import gather_evidence
    from speechbrain_xser.explaining.clips import read_clip

    for one in told:
        if not wanted or one.explanation is None:
            yield one, None
            continue
        try:
            yield one, gather_evidence(recognizer, read_clip(recognizer, one.clip), one.explanation, voice)
        except AudioError as error:  # gone since it was explained
            yield one._replace(explanation=None, fault=str(error)), None


def _printer(clips: Sequence[SourceClip], as_json: bool, evidence: object) -> Callable[[Pair], None]:
    """How a clip is shown on standard output."""
    from speechbrain_xser.explaining.rows import TerminalTable, plain_row

    if as_json:
        return lambda pair: click.echo(
            json.dumps(plain_row(pair[0], pair[1] if evidence else None), ensure_ascii=False)
        )
    table = TerminalTable([clip.name for clip in clips], sys.stdout)
    return lambda pair: pair[0].explanation and table.add(pair[0], pair[1] if evidence else None)


def _tell(found: Iterable[Pair], show: Callable[[Pair], None], html: str | None, note: str) -> int:
    """Shows every clip as it comes and writes the page at the end.

    Returns
    -------
    int
        Clips that could not be explained.
    """
    from speechbrain_xser.explaining.report import Report

    with Report(note) as report:
        for told, evidence in found:
            with tqdm.external_write_mode(sys.stdout):
                show((told, evidence))
                if told.explanation is None:
                    click.echo(told.fault, err=True)
            if html or told.explanation is None:
                report.add(told, evidence)
        if html and report.contents:
            report.write(html)
            click.echo(f"The page is in {html}.", err=True)
        return len(report.refused)
