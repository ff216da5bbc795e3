#!/usr/bin/env python3
"""Scores a trained folder on a manifest, through the same interface that users call.

python recipes/evaluate.py --model=results/tiny/fd_ser_sed_asr/model --manifest=results/tiny/corpus/test-300.jsonl
python recipes/evaluate.py --manifest=results/CREMA-D/test.jsonl --data_folder=corpora/CREMA-D   # packaged model
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

import speechbrain_xser
from speechbrain_xser.commandline import one_line_errors
from speechbrain_xser.data.faults import FaultCounter
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import collate, dataset
from speechbrain_xser.inference import ExplainableEmotionRecognizer, Explanation
from speechbrain_xser.lengths import relative_from_counts
from speechbrain_xser.metrics import Scores, score, table
from speechbrain_xser.training.run import write_answers
from speechbrain_xser.training.validation import Answer


def explain_manifest(
    recognizer: ExplainableEmotionRecognizer, manifest: str, data_folder: str | None = None, batch_size: int = 8
) -> tuple[list[Utterance], list[Explanation]]:
    """Explains every clip of a manifest, clips of similar length together.

    A clip that cannot be read, or is longer than the model's ``max_seconds``, is named and left out.

    Returns
    -------
    tuple of list
        The utterances that could be read, and an explanation for each.

    Raises
    ------
    TrainingError
        If more than one clip in a hundred (and more than one) is left out.
    """
    clips = dataset(manifest, data_folder, recognizer.hparams.max_seconds, skip_long=True)
    order = sorted(range(len(clips)), key=lambda index: clips.data[clips.data_ids[index]]["duration"])
    unreadable, utterances, explanations = FaultCounter(len(clips)), [], []

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for start in tqdm(range(0, len(order), batch_size), desc="explaining", unit="batch"):
            batch = collate([clips[index] for index in order[start : start + batch_size]])
            unreadable.add(batch.faults)
            if batch.utterances:
                utterances.extend(batch.utterances)
                yield batch.wavs, relative_from_counts(batch.samples)

    for found in recognizer.explain_batches(batches()):
        explanations += found
    return utterances, explanations


def scores(utterances: Sequence[Utterance], explanations: Sequence[Explanation]) -> Scores:
    """Scores the explanations against the manifest."""
    return score([u.record() for u in utterances], [e.paragraph for e in explanations])


@one_line_errors()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Scores a trained folder on a manifest.")
    parser.add_argument("--model", default=speechbrain_xser.packaged_model(), help="a folder, or a hub id")
    parser.add_argument("--revision", help="the full commit of a hub id")
    parser.add_argument("--manifest", required=True, help="a JSONL manifest")
    parser.add_argument("--data_folder", help="what {data_root} in the manifest stands for")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--answers", help="a file for every answer, as a training run writes it, for xser score")
    arguments = parser.parse_args()
    recognizer = ExplainableEmotionRecognizer.from_hparams(
        source=arguments.model, revision=arguments.revision, run_opts={"device": arguments.device}
    )
    with torch.inference_mode():
        found = explain_manifest(recognizer, arguments.manifest, arguments.data_folder)
    if arguments.answers:
        rows = [Answer(utterance, told.paragraph, told.probabilities) for utterance, told in zip(*found, strict=True)]
        write_answers(arguments.answers, rows)
    print(table({"test": scores(*found)}))


if __name__ == "__main__":
    main()
