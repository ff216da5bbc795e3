#!/usr/bin/env python3
"""The training script of every recipe.

    python recipes/train.py recipes/<Corpus>/hparams/<system>.yaml --data_folder=... [--key=value ...]
    torchrun --nproc_per_node=2 recipes/train.py recipes/<Corpus>/hparams/<system>.yaml --data_folder=...

The YAML gives `model`, `output_folder`, `data_folder`, `train_manifest`, `valid_manifest`, optionally
`test_manifest`, `emotions` and `prepare` (a `!name:` that writes the manifests), and the keys of
hparams/training.yaml. To continue a killed run, give the same command again.

`main` reads the command line as every SpeechBrain recipe does, and calls `run`: prepare, model, loaders, Brain, fit,
evaluate, export. `xser train` calls the same two functions.
"""

import sys

from speechbrain_xser.training.command import main

if __name__ == "__main__":
    main(sys.argv[1:])
