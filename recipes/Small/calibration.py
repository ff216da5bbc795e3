"""Calibrates a trained folder: writes the temperature of its emotions' probabilities, fitted on clips with a label.

    python recipes/Small/calibration.py results/small/fd_ser_sed_asr/model results/small/corpus/acted/valid.jsonl \\
        --data=corpora/CREMA-D

Use clips of speakers that the model was not trained on, and that nothing is reported on. No answer changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from Small.table import some

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.errors import ManifestError, SettingsError
from speechbrain_xser.inference.evaluation import explain_manifest
from speechbrain_xser.metrics.calibration import expected_calibration_error, fit_temperature
from speechbrain_xser.model_folder.hyperparams import write_settings
from speechbrain_xser.model_folder.locate import SETTINGS
from speechbrain_xser.model_folder.settings import read_settings
from speechbrain_xser.utils.commandline import one_line_errors

BINS = 10


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False))
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False))
@click.option("--data", help="What {data_root} stands for in the manifest.")
@click.option("--clips", type=click.IntRange(min=1), help="At most; by default all.")
@one_line_errors()
def main(model: str, manifest: str, data: str | None, clips: int | None) -> None:
    """Writes the temperature into MODEL, a trained folder, fitted on MANIFEST."""
    temperature, before = calibrate(model, some(manifest, clips), data)
    print(f"temperature {temperature:.3f}; the calibration error was {before:.1f} before it")


def calibrate(model: str | Path, manifest: str | Path, data_folder: str | None = None) -> tuple[float, float]:
    """Fits the temperature and writes it.

    Arguments
    ---------
    model : str | Path
        A trained folder with an LLM.
    manifest : str | Path
        Clips; those without an emotion are not used.
    data_folder : str | None
        What ``{data_root}`` stands for.

    Returns
    -------
    tuple of (float, float)
        The temperature, and the expected calibration error before, in per cent, ten bins.

    Raises
    ------
    ManifestError
        If no clip has an emotion.
    SettingsError
        If the folder has no LLM.

    Example
    -------
    >>> import shutil
    >>> from speechbrain_xser import packaged_model
    >>> from speechbrain_xser.testing import tiny_manifest
    >>> folder = getfixture("tmp_path")
    >>> model = shutil.copytree(packaged_model("tiny"), folder / "model")
    >>> temperature, before = calibrate(model, tiny_manifest(folder, clips=3))
    >>> read_settings(model / SETTINGS)["model"]["decoder"]["emotion_temperature"] == temperature
    True
    """
    settings = read_settings(Path(model, SETTINGS))
    decoder = settings["model"]["decoder"]
    if "lora" not in decoder:
        raise SettingsError(f"{model}: has no LLM, whose probabilities a temperature calibrates.")
    recognizer = ExplainableEmotionRecognizer.from_hparams(model, merge=True)
    utterances, explanations = explain_manifest(recognizer, str(manifest), data_folder)
    pairs = [(e.probabilities, u.emotion) for u, e in zip(utterances, explanations, strict=True) if u.emotion]
    if not pairs:
        raise ManifestError(f"{manifest}: no clip has an emotion.")
    rows, labels = (list(column) for column in zip(*pairs, strict=True))
    decoder["emotion_temperature"] = decoder.get("emotion_temperature", 1.0) * fit_temperature(rows, labels)
    write_settings(model, settings)
    return decoder["emotion_temperature"], expected_calibration_error(rows, labels, BINS)


if __name__ == "__main__":
    main()
