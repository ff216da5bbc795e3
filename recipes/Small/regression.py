"""What the frozen encoder's layers give without a branch and an LLM: a logistic regression on each clip's mean states.

    python recipes/Small/regression.py --corpus=results/small/corpus --data=corpora --table=results/small/table

It trains on the clips of CREMA-D's training actors as they were recorded; its strength is chosen on the validation
actors. It is printed beside a model's figures, since it shares the model's ears. Run table.py first: its manifests are
the test sets.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import collate, dataset
from speechbrain_xser.data.speech import spoken_span
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.utils.commandline import one_line_errors
from speechbrain_xser.utils.lengths import valid_mask

BAND = 5000.0  # as in train.yaml
STRENGTHS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)  # LogisticRegression's C


class Clips(NamedTuple):
    """What a regression hears."""

    states: np.ndarray  # [clips, layers * width]
    labels: list[str]


@click.command()
@click.option("--corpus", default="results/small/corpus", show_default=True, help="The corpus of train.yaml.")
@click.option("--data", required=True, help="Folder with cremad.")
@click.option("--table", default="results/small/table", show_default=True, help="Output of table.py.")
@one_line_errors()
def main(corpus: str, data: str, table: str) -> None:
    """Prints the unweighted accuracy of the regression."""
    encoder = FrozenEncoder("setup:whisper-tiny.en", band_hertz=BAND)
    acted, cremad = Path(corpus, "acted"), Path(data, "cremad")
    train, valid = (heard(encoder, acted / f"{split}.jsonl", cremad) for split in ("train", "valid"))
    fitted = max((fit(train, strength) for strength in STRENGTHS), key=lambda model: unweighted_accuracy(model, valid))
    print(f"C {fitted[-1].C}, validation actors {unweighted_accuracy(fitted, valid):.1f}")
    for name in ("cremad", "ravdess"):
        clips = heard(encoder, Path(table, name, "table.jsonl"), cremad)
        print(f"{name}: {len(clips.labels)} clips, UA {unweighted_accuracy(fitted, clips):.1f}")


def heard(encoder: SpeechEncoder, manifest: Path, data_folder: Path) -> Clips:
    """Mean states of all layers over the speech of each clip."""
    rows = read_manifest(manifest)
    clips = dataset(str(manifest), str(data_folder))
    states = []
    for i in tqdm(range(len(rows)), desc=manifest.parent.name, disable=None):
        batch = collate([clips[i]])
        wav = batch.wavs[:, spoken_span(batch.wavs[0], encoder.sample_rate)]
        states.append(mean_states(encoder, wav))
    return Clips(np.stack(states), [row.emotion for row in rows])


@torch.no_grad()
def mean_states(encoder: SpeechEncoder, wav: torch.Tensor) -> np.ndarray:
    """Mean over the frames of one clip, [1, S] samples: [layers * width]."""
    found = encoder(wav, torch.tensor([wav.shape[1]]))
    valid = valid_mask(found.frames, found.layers.shape[2], found.layers.device)[0]
    return found.layers[:, 0, valid].float().mean(1).flatten().numpy()


def fit(clips: Clips, strength: float) -> Pipeline:
    """A regression on standardised means."""
    regression = LogisticRegression(C=strength, max_iter=300, class_weight="balanced")
    return make_pipeline(StandardScaler(), regression).fit(clips.states, clips.labels)


def unweighted_accuracy(model: Pipeline, clips: Clips) -> float:
    """Mean recall of the classes, in per cent."""
    found = model.predict(clips.states)
    return 100 * recall_score(clips.labels, found, average="macro", labels=sorted(set(clips.labels)))


if __name__ == "__main__":
    main()
