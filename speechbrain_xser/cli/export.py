"""``xser export``: writes a trained model as one folder, for use elsewhere and for the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speechbrain_xser.cli.recipe_folder import IN_CHECKOUT, PREPARE
from speechbrain_xser.data.corpus_facts import read_corpus
from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors

if TYPE_CHECKING:
    from speechbrain_xser.model_folder.mean_voice import MeanVoice
    from speechbrain_xser.model_folder.publish import Published
    from speechbrain_xser.model_folder.release import Release


@click.command("export")
@click.argument("model")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="The new folder.")
@click.option("--revision", help="Full commit hash of a hub id.  [default: the recorded one]")
@click.option("--no-merge", is_flag=True, help="Keep LoRA as an adapter; the base is loaded by name.")
@click.option("--with-encoder", is_flag=True, help="Put the speech encoder into the folder too.")
@click.option("--licence", "--license", help="Licence of the weights, by its name on the hub.  [default: the base's]")
@click.option(
    "--trained-on", "corpora", multiple=True, metavar="CORPUS", help="Training corpus to name on the card; repeatable."
)
@click.option("--mean-voice-of", "manifest", metavar="MANIFEST", help="Compute the mean voice of this training set.")
@click.option("--data-folder", help="What {data_root} in that manifest stands for.")
@click.option("--push-to-hub", "repository", metavar="OWNER/NAME", help="Upload it to a private hub repository.")
@click.option("--public", is_flag=True, help="With --push-to-hub: make the repository public.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export_command(
    model, out, revision, no_merge, with_encoder, licence, corpora, manifest, data_folder, repository, public, as_json
) -> None:
    """Exports MODEL with LoRA merged into the LLM's weights.

    MODEL is a trained folder, a hub id, or packaged:xser-tiny. The new folder OUT contains the LLM and its tokenizer.
    You can pass it to from_hparams and --model, or upload it as a hub repository (with model card, results and licence
    note). The answers are those of MODEL, apart from rounding to the type of the LLM's weights. Those of a quantised
    model can change, because its LoRA was trained with quantised weights. The export needs memory for the LLM once
    (16 GB for 8 billion parameters), plus 1 GB.

    \b
    Example:
      xser export results/CREMA-D/fd_ser_sed_asr/model --out exported
    """
    with one_line_errors(STARTS_ANEW):
        if public and not repository:
            raise click.UsageError("--public needs --push-to-hub OWNER/NAME.")
        from speechbrain_xser.model_folder.locate import model_folder  # torch is slow to load
        from speechbrain_xser.model_folder.publish import check_push, push_folder
        from speechbrain_xser.model_folder.release import release_folder

        if repository:
            check_push(repository)
        folder = model_folder(model, revision)
        voice = _voice(folder, manifest, data_folder) if manifest else None
        trained_on = {name: read_corpus(IN_CHECKOUT / name / PREPARE).licence for name in corpora}
        release = release_folder(folder, out, not no_merge, with_encoder, licence, trained_on, voice)
        published = push_folder(out, repository, public) if repository else None
    told = release._asdict() | {"published": published._asdict() if published else None}
    click.echo(json.dumps(told, indent=1) if as_json else _text(release, published))


def _voice(folder: str, manifest: str, data_folder: str | None) -> MeanVoice | None:
    """The mean voice of a manifest, by the model of a trained folder."""
    from speechbrain_xser.data.manifest_checks import check_manifests
    from speechbrain_xser.data.subset import sampled_batches
    from speechbrain_xser.evidence.latent_mean import CLIPS, mean_voice
    from speechbrain_xser.model_folder.load import read_model_folder
    from speechbrain_xser.stages import STAGES

    check_manifests([manifest], data_folder)
    model, hparams = read_model_folder(folder)
    heard = {"label": "mean voice", "cut_silence": hparams["cut_silence"]}
    batches = sampled_batches(manifest, data_folder, hparams["max_seconds"], CLIPS, **heard)
    return mean_voice(model, batches, STAGES[hparams["stage"]])


def _text(release: Release, published: Published | None) -> str:
    size = sum(path.stat().st_size for path in Path(release.folder).rglob("*") if path.is_file())
    has_adapter = Path(release.folder, "adapter").is_dir()
    kept = "LoRA stays an adapter of its base" if has_adapter else "there was no LoRA to merge"
    told = "LoRA is merged into the LLM" if release.merged else kept
    lines = [
        f"{release.folder}: {size / 1e6:,.1f} MB; {told}. Licence of the weights: {release.licence} (see README.md).",
        f"Inside: {', '.join(release.inside) or 'no backbone'}. By name: {'; '.join(release.needs) or 'none'}.",
    ]
    if published:
        lines.append(f"{published.url} at {published.commit}")
    return "\n".join(lines)
