"""Calibrates a trained folder on clips with a label: the temperature of its probabilities, and how often it is right.

    python recipes/Small/calibration.py results/small/fd_ser_sed_asr/model results/small/corpus/acted/valid.jsonl \\
        --data=corpora/CREMA-D

Use clips of speakers that the model was not trained on, and that nothing is reported on. No answer changes. The counts
go into the folder as ``reliability.json``: pages say by them how often answers as sure as theirs were right.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from Small.table import some

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.reliability import Reliability, reliability_of
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import ManifestError, SettingsError
from speechbrain_xser.inference.evaluation import explain_manifest
from speechbrain_xser.metrics.calibration import expected_calibration_error, fit_temperature, tempered
from speechbrain_xser.model_folder.hyperparams import write_settings
from speechbrain_xser.model_folder.kept_reliability import write_reliability
from speechbrain_xser.model_folder.locate import SETTINGS
from speechbrain_xser.model_folder.settings import read_settings
from speechbrain_xser.utils.commandline import one_line_errors

BINS = 10  # of the calibration error
SOURCE = "clips that it was not trained on"


class Calibration(NamedTuple):
    """What was written, and what was found before it."""

    temperature: float
    error_before: float  # expected calibration error, per cent, ten bins
    reliability: Reliability


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False))
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False))
@click.option("--data", help="What {data_root} stands for in the manifest.")
@click.option("--clips", type=click.IntRange(min=1), help="At most; by default all.")
@click.option("--keep-temperature", is_flag=True, help="Write the counts only; the probabilities stay as they are.")
@click.option("--source", default=SOURCE, show_default=True, help="What pages call these clips.")
@one_line_errors()
def main(model: str, manifest: str, data: str | None, clips: int | None, keep_temperature: bool, source: str) -> None:
    """Writes temperature and counts into MODEL, a trained folder, fitted on MANIFEST."""
    found = calibrate(model, some(manifest, clips), data, keep_temperature, source)
    print(f"temperature {found.temperature:.3f}; the calibration error was {found.error_before:.1f} before it")
    for one in found.reliability.bins:
        print(f"{one.low:.2f} to {one.high:.2f}: {one.right} of {one.answers} right")


def calibrate(
    model: str | Path,
    manifest: str | Path,
    data_folder: str | None = None,
    keep_temperature: bool = False,
    source: str = SOURCE,
) -> Calibration:
    """Fits the temperature, counts the right answers, and writes both.

    Arguments
    ---------
    model : str | Path
        A trained folder with an LLM.
    manifest : str | Path
        Clips; those without an emotion are not used.
    data_folder : str | None
        What ``{data_root}`` stands for.
    keep_temperature : bool
        Whether the folder's temperature stays.
    source : str
        What pages call these clips.

    Returns
    -------
    Calibration
        An answer that names no class of the model has no probability, and is not counted.

    Raises
    ------
    ManifestError
        If no clip has an emotion, or no answer names one.
    SettingsError
        If the folder has no LLM.

    Example
    -------
    >>> import shutil
    >>> from speechbrain_xser import packaged_model
    >>> from speechbrain_xser.model_folder.kept_reliability import read_reliability
    >>> from speechbrain_xser.testing import tiny_manifest
    >>> folder = getfixture("tmp_path")
    >>> model = shutil.copytree(packaged_model("tiny"), folder / "model")
    >>> found = calibrate(model, tiny_manifest(folder, clips=3))
    >>> read_settings(model / SETTINGS)["model"]["decoder"]["emotion_temperature"] == found.temperature
    True
    >>> read_reliability(model) == found.reliability
    True
    """
    settings = read_settings(Path(model, SETTINGS))
    decoder = settings["model"]["decoder"]
    if "lora" not in decoder:
        raise SettingsError(f"{model}: has no LLM, whose probabilities a temperature calibrates.")
    told = _labelled(model, manifest, data_folder)
    rows, labels = [found.probabilities for _, found in told], [utterance.emotion for utterance, _ in told]
    change = 1.0 if keep_temperature else fit_temperature(rows, labels)
    named = [
        (tempered(found.probabilities, change)[found.emotion], found.emotion == utterance.emotion)
        for utterance, found in told
        if found.emotion in found.probabilities
    ]
    if not named:
        raise ManifestError(f"{manifest}: no answer names an emotion of the model.")
    reliability = reliability_of(named, source)
    decoder["emotion_temperature"] = decoder.get("emotion_temperature", 1.0) * change
    if not keep_temperature:
        write_settings(model, settings)
    write_reliability(model, reliability)
    return Calibration(decoder["emotion_temperature"], expected_calibration_error(rows, labels, BINS), reliability)


def _labelled(model: str | Path, manifest: str | Path, data_folder: str | None) -> list[tuple[Utterance, Explanation]]:
    """Clips with a label, and what the model says about each."""
    recognizer = ExplainableEmotionRecognizer.from_hparams(model, merge=True)
    told = zip(*explain_manifest(recognizer, str(manifest), data_folder), strict=True)
    labelled = [(utterance, found) for utterance, found in told if utterance.emotion]
    if not labelled:
        raise ManifestError(f"{manifest}: no clip has an emotion.")
    return labelled


if __name__ == "__main__":
    main()
