"""``xser timeline``: explains recordings of hours."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from speechbrain_xser.cli.model_options import load_recognizer, model_name, model_options, unknown_option
from speechbrain_xser.cli.paths import NewFile
from speechbrain_xser.utils.commandline import GOES_ON, one_line_errors
from speechbrain_xser.utils.quick_imports import importing

if TYPE_CHECKING:
    from speechbrain_xser.timeline.diarization import Voices
    from speechbrain_xser.timeline.moment import Moment
    from speechbrain_xser.timeline.recording import Recording
    from speechbrain_xser.timeline.source import Source
    from speechbrain_xser.timeline.store import KeptMoments

FORMATS = ("table", "jsonl", "json", "csv", "srt", "vtt", "rttm", "html")
NOT_KEPT = "Interrupted. With --out, moments are saved, and the same command continues where it stopped."
STANDARD_INPUT = "/dev/stdin"
BAR = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} s [{elapsed}<{remaining}]"
OPEN_BAR = "{desc}: {n:.0f} s [{elapsed}]"  # for a recording that does not state its length


@click.command("timeline")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--out",
    "outs",
    multiple=True,
    type=NewFile(),
    help=f"File to write, as .{', .'.join(FORMATS[1:])}; repeatable.",
)
@click.option("--format", "shown", type=click.Choice(FORMATS), help="Format to print.")
@click.option("--max-seconds", default=15.0, show_default=True, help="Longest moment; longer speech is split.")
@click.option("--pause-seconds", default=0.5, show_default=True, help="A pause of this length ends a moment.")
@click.option("--min-seconds", default=0.25, show_default=True, help="Discard shorter speech.")
@click.option("--context-seconds", default=0.2, show_default=True, help="Context kept before and after speech.")
@click.option("--threshold", default=0.5, show_default=True, help="Probability from which 32 ms count as speech.")
@click.option(
    "--batch-size", default=8, show_default=True, type=click.IntRange(1, 256), help="Moments explained at a time."
)
@click.option(
    "--track", type=click.IntRange(min=1), help="Sound track to use if the file has several.  [default: the marked one]"
)
@unknown_option
@click.option("--speakers", is_flag=True, help="Say who speaks: speaker 1, speaker 2, ... Needs `xser setup speakers`.")
@click.option("--speaker-count", type=click.IntRange(1, 100), help="Number of speakers, if known; implies --speakers.")
@click.option(
    "--speaker-model",
    type=click.Path(exists=True, file_okay=False),
    help="Folder with SpeechBrain's ECAPA-TDNN, to tell speakers apart; implies --speakers.",
)
@click.option("--embed-audio", is_flag=True, help="Store the sound in the HTML page, as Opus.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@model_options
def timeline_command(
    file,
    outs,
    shown,
    batch_size,
    track,
    unknown,
    speakers,
    speaker_count,
    speaker_model,
    embed_audio,
    as_json,
    model,
    revision,
    device,
    **seconds: float,
) -> None:
    """Explains the speech in FILE: what is said, when, how, and with what emotion. FILE may be hours long.

    FILE may also be a pipe, an http(s) URL, or - for standard input. Speech is cut at its pauses into moments, and each
    moment is explained.

    Without --out, moments are printed as they are found: a table on a terminal, JSON lines in a pipe. With --out, files
    are written at the end, and NAME.journal next to the first one saves each moment as it is found. To continue a
    stopped run, give the same command again. With --speakers, nothing is printed before the end. If a recording is
    damaged or its end is missing, the moments up to there are written, and the exit code is 2.

    \b
    Example:
      xser timeline interview.m4a --out interview.html --out interview.srt
    """
    shown = shown or (None if outs else "table" if sys.stdout.isatty() else "jsonl")
    with one_line_errors(GOES_ON if outs else NOT_KEPT):
        with importing():
            from speechbrain_xser.timeline.outputs import write_output, writer_of  # imports torch, which takes seconds
            from speechbrain_xser.timeline.recording import Recording

        writers = {out: writer_of(out, embed_audio) for out in outs}
        voices = _voices(speakers, speaker_count, speaker_model)
        recording = Recording(STANDARD_INPUT if file == "-" else file, track=track)
        recognizer = load_recognizer(model, revision, device, unknown=unknown)
        source = _source(recording, recognizer, model, seconds)
        with _kept(outs, source, model, revision, unknown, voices) as kept:
            tally, found = Tally(_moments(recognizer, source, batch_size, kept, voices)), kept
            _consume(tally, source, shown if voices is None else None)
            if voices is not None:
                found, source = _named(kept, voices, source)
                _consume(found, source, shown)
            for out, writer in writers.items():
                write_output(out, writer, found, source)
            _tell(tally, source, kept, outs, as_json)
        if recording.fault is not None:
            raise recording.fault


class Tally:
    """Counts moments as they pass.

    Example
    -------
    >>> tally = Tally([])
    >>> list(tally), tally.moments, tally.speech_seconds
    ([], 0, 0.0)
    """

    def __init__(self, moments: Iterable[Moment]):
        self._all = moments
        self.moments, self.speech_seconds = 0, 0.0

    def __iter__(self) -> Iterator[Moment]:
        for moment in self._all:
            self.moments += 1
            self.speech_seconds += moment.end_seconds - moment.start_seconds
            yield moment


def _voices(asked: bool, count: int | None, folder: str | None) -> Voices | None:
    """What tells speakers apart; None if nobody asked, and an error for what is not set up."""
    if not (asked or count or folder):
        return None
    from speechbrain_xser.lobes.speaker_encoder import speaker_encoder
    from speechbrain_xser.timeline.diarization import Voices

    return Voices(speaker_encoder(folder), count)


def _named(kept: KeptMoments, voices: Voices, source: Source) -> tuple[Iterable[Moment], Source]:
    """All moments with their speakers, and the source that lists them."""
    from speechbrain_xser.timeline.diarization import Named, Speakers

    names = voices.names()
    return Named(kept, names), source._replace(speakers=Speakers(tuple(dict.fromkeys(names)), voices.encoder.name))


def _source(recording: Recording, recognizer, model: str, seconds: dict[str, float]) -> Source:
    """What the outputs say about themselves; raises an error for wrong settings."""
    from speechbrain_xser.timeline.cutting import Cutting
    from speechbrain_xser.timeline.source import Source

    cutting = Cutting(**seconds).checked(recognizer.hparams.max_seconds)
    told = model_name(model), tuple(recognizer.hparams.emotions), cutting
    return Source(recording, *told, reliability=recognizer.reliability)


@contextmanager
def _kept(
    outs: tuple[str, ...], source: Source, model: str, revision: str | None, unknown: bool, voices: Voices | None
) -> Iterator[KeptMoments | None]:
    """The journal next to the first output, locked by one run at a time.

    Without outputs, none, or a temporary one for speakers, who are known at the end.
    """
    from speechbrain_xser.model_folder.locate import model_folder
    from speechbrain_xser.timeline.moment import Moment
    from speechbrain_xser.timeline.store import KeptMoments, fingerprint_of, journal_beside
    from speechbrain_xser.utils.journal import Journal

    if not outs and voices is None:
        yield None
        return
    recording = source.recording
    with ExitStack() as held:
        first = outs[0] if outs else Path(held.enter_context(tempfile.TemporaryDirectory()), "moments")
        folder = model_folder(model, revision)
        journal = held.enter_context(Journal(journal_beside(first), Moment))
        fingerprint = fingerprint_of(recording.file, folder, source.cutting, recording.track, unknown)
        yield KeptMoments(journal, fingerprint)


def _moments(
    recognizer, source: Source, batch_size: int, kept: KeptMoments | None, voices: Voices | None
) -> Iterator[Moment]:
    """The moments, with a progress bar; a fault of the recording ends them without an error."""
    from speechbrain_xser.errors import AudioError
    from speechbrain_xser.timeline.moment_stream import read_timeline

    recording = source.recording
    form = OPEN_BAR if recording.seconds is None else BAR
    with tqdm(total=recording.seconds, desc=source.name, disable=None, bar_format=form) as bar:
        options = {"progress": lambda seconds: bar.update(seconds - bar.n)}
        options |= {} if voices is None else {"listener": voices.hear}
        found = read_timeline(recognizer, recording, source.cutting, batch_size, kept, **options)
        try:
            yield from found
        except AudioError:
            if recording.fault is None:
                raise


def _consume(moments: Iterable[Moment], source: Source, shown: str | None) -> None:
    """Consumes all moments, and prints them if a format is given."""
    from speechbrain_xser.timeline.outputs import WRITERS

    for text in WRITERS[shown](moments, source) if shown else ("" for _ in moments):
        if text:
            tqdm.write(text, file=sys.stdout, end="")
            sys.stdout.flush()


def _tell(tally: Tally, source: Source, kept: KeptMoments | None, outs: tuple[str, ...], as_json: bool) -> None:
    """Prints the counts; to standard output if nothing else is printed there."""
    counts = {
        "recording": os.fspath(source.recording.path),
        "seconds": round(source.recording.read_seconds, 3),
        "speech_seconds": round(tally.speech_seconds, 3),
        "moments": tally.moments,
        **({} if source.speakers is None else {"speakers": len(source.speakers.names)}),
        "explained": tally.moments if kept is None else kept.added,
        "files": list(outs),
    }
    click.echo(json.dumps(counts, ensure_ascii=False) if as_json else _sentence(counts), err=not outs)


def _sentence(counts: dict) -> str:
    from speechbrain_xser.page.brief import counted, no_speech_text

    seconds, files = counts["seconds"], "".join(f"\n{path}" for path in counts["files"])
    name = Path(counts["recording"]).name
    if counts["moments"] == 0:
        return f"{name}: {no_speech_text(f'{seconds:.1f} s').lower()}; the timeline is empty.{files}"
    found = f"{name}: {counted(counts['moments'], 'moment')}"
    found += f", {counts['speech_seconds']:.1f} of {seconds:.1f} s are speech"
    if (speakers := counts.get("speakers")) is not None:
        found += f", {counted(speakers, 'speaker')}"
    were = "was" if counts["explained"] == 1 else "were"
    return f"{found}; {counts['explained']} {were} explained now.{files}"
