"""``xser explain``: explains what is said in recordings, how, with what emotion, and why."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from tqdm import tqdm

from speechbrain_xser.cli.batch_options import BatchOptions, batch, batch_options, checked_out
from speechbrain_xser.cli.model_options import (
    DEMONSTRATION,
    explained_by,
    is_tiny,
    load_recognizer,
    model_options,
    unknown_option,
)
from speechbrain_xser.cli.paths import NewFile
from speechbrain_xser.data.formats import has_sound_suffix
from speechbrain_xser.utils.quick_imports import importing

if TYPE_CHECKING:
    from torch import Tensor

    from speechbrain_xser.evidence.clip_evidence import Evidence
    from speechbrain_xser.explaining.clips import SourceClip, Told

    Pair = tuple[Told, Evidence | None]  # no evidence if none is wanted, or if nothing was explained

SOURCES = "FILE... | FOLDER | URL | -"
GUESSED = 4  # tokens ahead
INTERRUPTED = "Interrupted; the output so far is complete, and no report was written."


def _no_recording(context: click.Context, option: click.Parameter, html: str | None) -> str | None:
    """The page's path; a slip such as ``--html a.wav`` would overwrite the recording."""
    if html is not None and has_sound_suffix(html):
        raise click.BadParameter(
            f"{html!r} has the name of a recording. Give the name of a page, for example report.html."
        )
    return html


@click.command("explain")
@click.argument("sources", nargs=-1, required=True, metavar=SOURCES, type=click.Path(allow_dash=True))
@model_options
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Clips at a time; does not change the answers.",
)
@click.option(
    "--fast", is_flag=True, help="Merge LoRA and decode speculatively: the same answers, apart from rounding."
)
@click.option("--structured", is_flag=True, help="Write every paragraph in one form: faster, and always parsable.")
@click.option(
    "--speech-check/--no-speech-check", default=True, show_default=True, help="Skip the model for clips without speech."
)
@unknown_option
@click.option(
    "--evidence", is_flag=True, help="Compare claims with the signal, and attribute the label to voice and words."
)
@click.option(
    "--swap", metavar="OTHER", type=click.Path(), help="Add the label with the voice of this clip swapped in."
)
@click.option(
    "--track", type=click.IntRange(min=1), help="Sound track to use if a file has several.  [default: the marked one]"
)
@click.option("--html", type=NewFile(), callback=_no_recording, help="Write a self-contained page with all evidence.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines on a terminal too.")
@click.option("--out", type=click.Path(), help="Write rows into this folder of Parquet files, by all cores.")
@click.option("--jobs", type=click.IntRange(min=1), help="With --out: models at work.  [default: one per core or GPU]")
@click.option(
    "--batch-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=40.0,
    show_default=True,
    help="With --out: padded seconds of sound at a time.",
)
@click.option("--data-folder", type=click.Path(), help="With --out: what {data_root} in a manifest stands for.")
@batch_options
def explain_command(
    sources,
    model,
    revision,
    device,
    batch_size,
    fast,
    structured,
    speech_check,
    unknown,
    evidence,
    swap,
    track,
    html,
    as_json,
    out,
    jobs,
    batch_seconds,
    data_folder,
    use_ray,
    share,
    clips_per_shard,
) -> None:
    """Explains recordings. Prints a table on a terminal and JSON lines in a pipe.

    FILE may be a sound file, a film or a pipe, at any rate and with any number of channels; it is recognised by its
    content. A FOLDER is searched recursively. The file at a URL (http or https) is fetched first. With -, standard
    input provides paths or URLs, one per line, or one sound file.

    A recording without speech is reported as such, and the model is not run on it. If a recording is unlike what the
    model was trained on, and the model can tell, its emotion is "unknown".

    A recording that cannot be read is named, and the others are explained all the same; the exit code is then 2. For
    recordings that are longer than the model's limit, use xser timeline.

    With --out, any number of clips become a folder of Parquet files. FILE may then be a manifest (.jsonl), a WebDataset
    tar or a Parquet file too, and all of them may lie in the cloud (s3://...). A clip that cannot be read becomes a row
    with an error. To continue a stopped run, give the same command again.

    \b
    Example:
      xser explain interview.m4a recordings --html report.html
      find . -name '*.opus' | xser explain - | jq .emotion
      xser explain s3://bucket/tars --out rows.parquet --ray --jobs 64
    """
    from speechbrain_xser.utils.commandline import FAULTY_INPUT, one_line_errors

    options = {"merge": fast, "speculate": GUESSED if fast else 0, "structured": structured}
    options |= {"speech_check": speech_check, "unknown": unknown}
    batched = BatchOptions(jobs, use_ray, share, clips_per_shard)
    if out is not None:
        refused = {"--evidence": evidence, "--swap": swap, "--html": html, "--track": track, "--json": as_json}
        _refuse_with_rows(sources, refused | {"--batch-size (say --batch-seconds)": _is_given("batch_size")})
        with one_line_errors(INTERRUPTED):
            _explain_to_rows(sources, out, (model, revision, device, batch_seconds), options, batched, data_folder)
        return
    if batched.given or jobs:
        raise click.UsageError("--ray, --shard and --jobs need --out: a folder for the rows, such as rows.parquet.")

    with importing():
        from speechbrain_xser.explaining.clip_sources import find_clips  # and torch

    with one_line_errors(INTERRUPTED), tempfile.TemporaryDirectory() as folder:
        found = find_clips(sources, sys.stdin and sys.stdin.buffer, Path(folder))
        clips = [clip._replace(track=track) for clip in found]
        recognizer = load_recognizer(model, revision, device, **options)
        voice = None if swap is None else recognizer.load_audio(swap)
        told = _evident(recognizer, _explained(recognizer, clips, batch_size), voice, evidence or swap or html)
        show = _printer(clips, as_json or not sys.stdout.isatty(), evidence or swap)
        failed = _tell(told, show, html, explained_by(model))
    sys.exit(FAULTY_INPUT if failed else 0)


def _is_given(option: str) -> bool:
    """Whether the command line says it, rather than the default."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _refuse_with_rows(sources: Sequence[str], options: dict[str, object]) -> None:
    """Rows have no room for evidence and pages, and what can be read only once cannot be read again."""
    if given := [name for name, value in options.items() if value]:
        raise click.UsageError(f"{', '.join(given)} cannot be used with --out. Explain such clips without it.")
    if "-" in sources:
        raise click.UsageError("Standard input cannot be read again after a stop. Give a manifest instead.")


def _explain_to_rows(
    sources: Sequence[str], out: str, asked: tuple, options: dict, batched: BatchOptions, data_folder: str | None
) -> None:
    """Explains any number of clips into a folder of Parquet files."""
    checked_out(out)
    from speechbrain_xser.batch.explain_work import ExplainWork

    model, revision, device, batch_seconds = asked
    if is_tiny(model):
        click.echo(f"This is {DEMONSTRATION}", err=True)
    work = ExplainWork(model, revision, device, batch_seconds, tuple(sorted(options.items())), is_tiny(model))
    counts = batch(sources, out, work, batched, data_folder, gpu=(device or "cuda").startswith("cuda"))
    click.echo(f"{counts.clips} clips, {counts.errors} of them not readable: {out}", err=True)


def _explained(recognizer, clips: Sequence[SourceClip], batch_size: int) -> Iterator[Told]:
    """Explanations, with a progress bar on a terminal if they take longer than two seconds."""
    from speechbrain_xser.explaining.clips import explain_clips

    found = explain_clips(recognizer, clips, batch_size)
    options = {"desc": "explaining", "unit": "clip", "delay": 2, "leave": False, "disable": None}
    return tqdm(found, total=len(clips), file=sys.stderr, **options)


def _evident(recognizer, told: Iterable[Told], voice: Tensor | None, wanted: object) -> Iterator[Pair]:
    """Adds evidence to every clip, if wanted."""
    from speechbrain_xser.errors import AudioError
    from speechbrain_xser.evidence.clip_evidence import gather_evidence
    from speechbrain_xser.explaining.clips import forget, read_clip

    for one in told:
        found = None
        try:
            if wanted and one.explanation is not None:
                found = gather_evidence(recognizer, read_clip(recognizer, one.clip), one.explanation, voice)
                one = one._replace(measured=found.measured)  # one speed on the terminal and on the page
        except AudioError as error:  # deleted since it was explained
            one = one._replace(explanation=None, fault=str(error))
        forget(one.clip)
        yield one, found


def _printer(clips: Sequence[SourceClip], as_json: bool, evidence: object) -> Callable[[Pair], None]:
    """How a clip is printed on standard output."""
    if as_json:
        from speechbrain_xser.explaining.rows import plain_row

        return lambda pair: click.echo(
            json.dumps(plain_row(pair[0], pair[1] if evidence else None), ensure_ascii=False)
        )
    from speechbrain_xser.explaining.terminal_table import TerminalTable  # and rich, which only a terminal needs

    table = TerminalTable([clip.name for clip in clips], sys.stdout)
    return lambda pair: pair[0].explanation and table.add(pair[0], pair[1] if evidence else None)


def _tell(found: Iterable[Pair], show: Callable[[Pair], None], html: str | None, note: str) -> int:
    """Prints each clip as soon as it is ready, and writes the page at the end.

    Returns
    -------
    int
        Number of clips that could not be explained.
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
