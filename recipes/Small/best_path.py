"""Words that a content branch of rows hears by CTC alone, before the LLM reads them, and their error rate.

    python recipes/Small/best_path.py results/small/words/model results/small/table/librispeech/table.jsonl

The best path is taken: the best class of each frame. Each clip is heard on its own, silence around it cut off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import torch

from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.pipeline import collate, dataset
from speechbrain_xser.data.speech import spoken_span
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.metrics import WordErrorRate
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.stages import STAGES
from speechbrain_xser.utils.commandline import one_line_errors


@click.command()
@click.argument("model")
@click.argument("manifests", nargs=-1, required=True)
@click.option("--data", help="Folder of the clips, where a manifest does not name it.")
@click.option("--shown", default=0, show_default=True, help="Clips to print.")
@one_line_errors()
def main(model: str, manifests: tuple[str, ...], data: str | None, shown: int) -> None:
    """Prints the WER of MODEL, a trained folder, on each of MANIFESTS."""
    trained, _ = read_model_folder(model)
    for manifest in manifests:
        errors = WordErrorRate()
        for number, (clip, text) in enumerate(best_paths(trained, manifest, data)):
            errors.append([clip.id], [clip.transcript], [text])
            if number < shown:
                print(f"{clip.transcript}\n  {text}")
        print(f"{manifest}: WER {errors.summarize('WER'):.1f}", flush=True)


@torch.no_grad()
def best_paths(model: ExplainableSER, manifest: str, data: str | None = None) -> Iterator[tuple[Utterance, str]]:
    """Each transcribed clip of a manifest with what the best path says.

    Raises
    ------
    SettingsError
        If the model's content branch does not score tokens.
    """
    clips = dataset(manifest, data)
    for number, clip in enumerate(read_manifest(manifest)):
        if clip.transcript is not None:
            wavs = collate([clips[number]]).wavs
            spoken = wavs[:, spoken_span(wavs[0], model.encoder.sample_rate)]
            tokens = model.encode(spoken, torch.tensor([spoken.shape[1]]), STAGES["ctc"])["content"]
            if tokens.scores is None:
                raise SettingsError("The content branch of this model scores no tokens: train it with content: rows.")
            yield clip, tokens.scores.texts()[0]


if __name__ == "__main__":
    main()
