"""``xser annotate``: measures descriptors of your own audio."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from speechbrain_xser.cli.batch_options import SUFFIX, BatchOptions, batch, batch_options, checked_out
from speechbrain_xser.data.manifest import Utterance, stream_manifest, write_manifest
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.errors import AudioError, ManifestError
from speechbrain_xser.utils.commandline import claimed, one_line_errors

if TYPE_CHECKING:
    from speechbrain_xser.annotator.classifier import Classifier


@click.command("annotate")
@click.argument("source", type=click.Path())
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder of the new manifest or rows.")
@click.option("--data-folder", type=click.Path(), help="What {data_root} in a manifest stands for.")
@click.option("--language", default="en", show_default=True, help="Language of the transcripts, by its eSpeak NG name.")
@click.option(
    "--cutoffs",
    type=click.Choice(["corpus", "reference"]),
    default="reference",
    show_default=True,
    help="Source of the bounds for low and high: percentiles of these clips, or the package's fixed bounds.",
)
@click.option(
    "--wording",
    type=click.Choice(get_args(Wording)),
    default="varied",
    show_default=True,
    help="Wording of the paragraphs: hundreds of forms in any order, or three forms in one order.",
)
@click.option("--classifier", help="Trained model folder of this package that fills in missing emotion and age.")
@click.option("--rewrite", "llm", help="Causal LLM that rewrites the paragraphs; a changed meaning is rejected.")
@click.option("--jobs", "--workers", type=click.IntRange(min=1), help="Clips at a time.  [default: one per core]")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@batch_options
def annotate_command(
    source,
    out,
    data_folder,
    language,
    cutoffs,
    wording,
    classifier,
    llm,
    jobs,
    as_json,
    use_ray,
    share,
    clips_per_shard,
) -> None:
    """Measures the descriptors of every clip in SOURCE, a manifest or a folder of audio.

    Writes OUT/manifest.jsonl, with the descriptors and both paragraphs, and OUT/measures.sqlite, with the measured
    values. To continue a stopped run, give the same command again. Emotion and age are never guessed; use --classifier
    to fill them in.

    If OUT ends with .parquet, any number of clips become rows of a folder of Parquet files, each clip by itself. SOURCE
    may then be a WebDataset tar or a Parquet file too, and lie in the cloud (s3://...), and --ray and --shard divide
    the work. A clip that cannot be read becomes a row with an error.

    \b
    Example:
      xser annotate recordings --out annotated
      xser annotate s3://bucket/tars --out rows.parquet --ray
    """
    batched = BatchOptions(jobs, use_ray, share, clips_per_shard)
    if batched.given or out.rstrip("/").endswith(SUFFIX):
        _refuse_with_rows({"--classifier": classifier, "--rewrite": llm, "--cutoffs corpus": cutoffs == "corpus"})
        with one_line_errors():
            _annotate_to_rows(source, out, language, wording, batched, data_folder, as_json)
        return
    from speechbrain_xser.annotator.annotation import annotate  # torch is slow to load
    from speechbrain_xser.data.manifest_checks import check_manifests

    with one_line_errors(), claimed(out):
        path = Path(out, "manifest.jsonl")
        if not Path(source).exists():
            raise ManifestError(f"{source!r} does not exist, expected a manifest or a folder. Check the path.")
        if Path(source).is_file():
            check_manifests([source], data_folder)
        labels = _classifier(classifier) if classifier else None
        rewriter = _rewriter(llm) if llm else None
        write_manifest(path, _utterances(Path(source), data_folder))
        journal = Path(out, "measures.sqlite")
        counts = annotate({"manifest": str(path)}, journal, data_folder, language, cutoffs, jobs, wording, labels)
        if rewriter is not None:
            counts |= rewriter({"manifest": str(path)}, journal=Path(out, "rewrites.sqlite"))
    click.echo(json.dumps(counts) if as_json else ", ".join(f"{name} {count}" for name, count in counts.items()))
    click.echo(str(path), err=as_json)


def _refuse_with_rows(options: dict[str, object]) -> None:
    """What needs all clips, or a model, has no place in rows of single clips."""
    if given := [name for name, value in options.items() if value]:
        raise click.UsageError(f"{', '.join(given)} cannot be used with rows. Give --out a folder for a manifest.")


def _annotate_to_rows(source, out, language, wording, batched, data_folder, as_json) -> None:
    checked_out(out)
    from speechbrain_xser.batch.annotate_work import AnnotateWork

    counts = batch((source,), out, AnnotateWork(language, wording), batched, data_folder, gpu=False)
    told = f"{counts.clips} clips, {counts.errors} of them not readable: {out}"
    click.echo(json.dumps(counts._asdict()) if as_json else told)


def _classifier(source: str) -> Classifier:
    """Labels by a trained model, which is loaded before the long work begins."""
    from speechbrain_xser.inference.model_classifier import recognizer_classifier  # importing transformers is slow

    return recognizer_classifier(source)


def _rewriter(llm: str) -> Callable[..., dict[str, int]]:
    """A rewriter; its LLM is loaded before the long work starts."""
    from speechbrain_xser.annotator.rewrite import llm_rewriter, rewrite  # imports transformers, for seconds

    return partial(rewrite, rewriter=llm_rewriter(llm))


def _utterances(source: Path, data_folder: str | None) -> Iterator[Utterance]:
    """The records of a manifest, with absolute paths, or one record for each clip of a folder."""
    from speechbrain_xser.data.audio_files import find_audio_below

    if source.is_dir():
        clips = find_audio_below(source)
        yield from (_utterance(clip, source) for clip in clips)
        return
    for row in stream_manifest(source):
        yield row if data_folder is not None else row._replace(wav=os.path.abspath(source.parent / row.wav))


def _utterance(clip: Path, source: Path) -> Utterance:
    """The record of a clip; its length is null if the file cannot be read, which measuring reports later."""
    from speechbrain_xser.data.audio import seconds_of

    try:
        seconds = round(seconds_of(clip), 4)
    except AudioError:
        seconds = None
    return Utterance(str(clip.relative_to(source)), os.path.abspath(clip), duration=seconds)
