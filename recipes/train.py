#!/usr/bin/env python3
"""The training script of every recipe.

    python recipes/train.py recipes/<Corpus>/hparams/<system>.yaml --data_folder=... [--key=value ...]
    torchrun --nproc_per_node=2 recipes/train.py recipes/<Corpus>/hparams/<system>.yaml --data_folder=...

The YAML gives `model`, `output_folder`, `data_folder`, `train_manifest`, `valid_manifest`, optionally
`test_manifest`, `emotions` and `prepare` (a `!name:` that writes the manifests), and the keys of
hparams/training.yaml. The same command again goes on where a killed run stopped.
"""

import sys

import speechbrain as sb
from speechbrain.utils.distributed import ddp_init_group, if_main_process, run_on_main
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.commandline import claimed, one_line_errors
from speechbrain_xser.training.commandline import load_recipe
from speechbrain_xser.training.run import (
    evaluation_scores,
    export,
    make_brain,
    make_loaders,
    make_model,
    merged,
    run_option,
    summary,
    write_answers,
)


@one_line_errors()
def main(arguments: list[str]) -> None:
    """Prepares, trains, evaluates the best checkpoint, and writes the trained folder."""
    hparams_file, run_opts, given = sb.parse_arguments(arguments)
    ddp_init_group(run_opts)
    hparams, overrides = load_recipe(hparams_file, given)
    hparams = merged(hparams)
    with claimed(hparams["output_folder"]):
        sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
        run(hparams, run_opts)


def run(hparams: dict, run_opts: RunOptions) -> None:
    """The run, in an output folder of its own."""
    if hparams.get("prepare") is not None:
        run_on_main(hparams["prepare"])
    model = make_model(hparams)
    loaders = make_loaders(hparams, run_option("grad_accumulation_factor", hparams, run_opts))
    brain = make_brain(hparams, run_opts, model, len(loaders.train.dataset))
    brain.fit(loaders.train, loaders.valid)
    scores = None
    if loaders.test is not None:
        brain.evaluate(loaders.test)
        scores = evaluation_scores(brain)
        run_on_main(write_answers, [f"{hparams['output_folder']}/test_answers.jsonl", brain.evaluation.answers])
    folder = export(hparams, brain, scores)
    if if_main_process():
        print(summary(scores, folder))


if __name__ == "__main__":
    main(sys.argv[1:])
