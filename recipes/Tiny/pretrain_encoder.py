"""Trains the packaged tiny encoders: HuBERT or, with `--architecture`, a WavLM or a wav2vec 2.0 on the same targets.

Its last layer predicts the characters of the transcript (CTC) and, for synthetic speech, the phonemes; an early layer
predicts each frame's spectrum, level and F0, the next one the clip's prosody functionals (``prosody_targets``). With
CTC alone, pitch and level would be lost; with frames alone, a lively voice could not be told from a flat one.
To continue an interrupted training, give the same command again: it starts after the last finished epoch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import speechbrain_xser  # noqa: F401, checks the versions of the libraries imported below

# isort: split
import speechbrain as sb
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes
from Tiny.clips import CHARACTERS, PHONE_CLASSES, Batches, load_clips, standardise  # noqa: E402
from Tiny.filterbank import quadrature_filters  # noqa: E402
from Tiny.librispeech import librispeech  # noqa: E402
from Tiny.prepare import real_clips  # noqa: E402
from Tiny.pretraining import PretrainingBrain, load_recipe, pretrain  # noqa: E402
from Tiny.prosody_targets import (  # noqa: E402
    FRAME_TARGETS,
    Standardiser,
    check_convolutions,
    frame_losses,
    functional_loss,
)

from speechbrain_xser.data.manifest import read_manifest  # noqa: E402
from speechbrain_xser.data.synthetic import prepare  # noqa: E402
from speechbrain_xser.utils.lengths import valid_mask  # noqa: E402

PREPROCESSOR = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "sampling_rate": 16000,
    "do_normalize": False,
    "return_attention_mask": True,
    "padding_side": "right",
    "padding_value": 0.0,
}


class Heads(NamedTuple):
    """Outputs of the training heads."""

    characters: Tensor  # log probabilities, [B, T, C]
    phones: Tensor  # logits, [B, T, PHONE_CLASSES]
    signals: Tensor  # [B, T, FRAME_TARGETS]
    functionals: Tensor  # [B, T, F]
    frames: Tensor  # [B], int64


class TinyEncoder(nn.Module):
    """The encoder with its four training heads."""

    def __init__(self, hparams: dict, functionals: int) -> None:
        super().__init__()
        check_convolutions(hparams["conv_kernel"], hparams["conv_stride"])
        known = AutoConfig.for_model(hparams["architecture"])
        self.config = AutoConfig.for_model(
            hparams["architecture"],
            **{name: hparams[name] for name in known.to_dict().keys() & hparams.keys()},
            conv_bias=True,
            feat_extract_norm="layer",
            do_stable_layer_norm=True,
            num_feat_extract_layers=len(hparams["conv_dim"]),
            layerdrop=0.0,
            attention_dropout=0.0,
            activation_dropout=0.0,
            feat_proj_dropout=0.0,
            final_dropout=0.0,
        )
        self.ssl = AutoModel.from_config(self.config)
        first = self.ssl.feature_extractor.conv_layers[0].conv
        first.weight.data.copy_(quadrature_filters(hparams["conv_kernel"][0]))
        nn.init.normal_(first.bias, std=0.5)
        self.signal_layer, self.functional_layer = hparams["signal_layer"], hparams["functional_layer"]
        self.characters = nn.Linear(self.config.hidden_size, len(CHARACTERS) + 1)
        self.phones = nn.Linear(self.config.hidden_size, PHONE_CLASSES)
        self.signals = nn.Linear(self.config.hidden_size, FRAME_TARGETS)
        self.functionals = nn.Linear(self.config.hidden_size, functionals)

    def forward(self, wavs: Tensor, samples: Tensor) -> Heads:
        mask = valid_mask(samples, wavs.shape[1]).long()
        out = self.ssl(wavs, attention_mask=mask, output_hidden_states=True)
        return Heads(
            self.characters(out.last_hidden_state).float().log_softmax(-1),
            self.phones(out.last_hidden_state).float(),
            self.signals(out.hidden_states[self.signal_layer]).float(),
            self.functionals(out.hidden_states[self.functional_layer]).float(),
            self.ssl._get_feat_extract_output_lengths(samples),
        )


class Losses(NamedTuple):
    """The losses of a batch, [] each; the YAML has a weight of the same name for each."""

    characters: Tensor
    phones: Tensor
    signals: Tensor
    pitch: Tensor
    functionals: Tensor


class EncoderBrain(PretrainingBrain):
    """Combines the weighted losses, and computes the validation's statistics."""

    def compute_forward(self, batch, stage):
        """The outputs of the heads for each frame."""
        return self.modules.encoder(batch["wavs"], batch["samples"])

    def compute_objectives(self, predictions, batch, stage):
        """The weighted sum of all losses."""
        phones = batch["phones"][:, : predictions.phones.shape[1]]
        known = phones >= 0
        nats = nn.functional.cross_entropy(predictions.phones[known], phones[known], reduction="sum")
        hertz = batch["hertz"][:, : predictions.signals.shape[1]]
        signals = frame_losses(predictions.signals, batch["wavs"], hertz, predictions.frames)
        losses = Losses(
            ctc_loss(predictions, batch),
            nats / known.sum().clamp(min=1),
            signals.signals,
            signals.pitch,
            functional_loss(predictions.functionals, batch["functionals"], predictions.frames),
        )
        if stage != sb.Stage.TRAIN:
            self.count_errors(predictions.characters, predictions.frames, batch["texts"])
            self.right["phones"] += [predictions.phones[known].argmax(-1) == phones[known]]
            self.right["F0"] += [signals.pitch_right]
            self.unexplained += [float(losses.functionals)]
        weights = self.hparams.loss_weights
        return sum(weights[name] * loss for name, loss in losses._asdict().items())

    def count_errors(self, log_probs: Tensor, frames: Tensor, texts: list[str]) -> None:
        """Counts the word errors of the most probable path."""
        for row, count, text in zip(log_probs.argmax(-1), frames, texts, strict=True):
            ids = torch.unique_consecutive(row[:count])
            heard = "".join(CHARACTERS[i - 1] for i in ids.tolist() if i > 0)
            self.wer.append([text], [heard.split()], [text.split()])

    def on_stage_start(self, stage, epoch=None):
        """Resets the counts of a validation."""
        self.wer, self.right, self.unexplained = sb.utils.metric_stats.ErrorRateStats(), {"phones": [], "F0": []}, []

    def valid_stats(self, loss):
        """Error rates of words, phonemes and F0, and the explained variance of the functionals."""
        right = {f"{name}_right": 100 * float(torch.cat(flags).float().mean()) for name, flags in self.right.items()}
        explained = 100 * (1 - sum(self.unexplained) / len(self.unexplained))
        return {"loss": loss, "WER": float(self.wer.summarize("error_rate")), **right, "prosody_explained": explained}


def ctc_loss(predictions: Heads, batch: dict) -> Tensor:
    """Connectionist temporal classification of the characters; an impossible alignment counts as zero."""
    by_time = predictions.characters.transpose(0, 1)
    counts = batch["token_counts"]
    return nn.functional.ctc_loss(by_time, batch["tokens"], predictions.frames, counts, zero_infinity=True)


def save_folder(encoder: TinyEncoder, folder: Path) -> None:
    """Writes an ordinary Hugging Face folder, in half precision."""
    encoder.ssl.half().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")


def load_sets(hparams: dict) -> tuple[Batches, Batches]:
    """Prepares and reads the training and the validation clips."""
    manifests = prepare(hparams["data_folder"], *(hparams[f"{s}_clips"] for s in ("train", "valid", "test")))
    real = []
    if hparams["cremad_folder"] is not None:
        real = real_clips(hparams["cremad_folder"], hparams["data_folder"], "train", hparams["cremad_clips"])
    found = read_manifest(manifests["train"]) + librispeech(hparams["librispeech_folder"])
    train, valid, real = (
        load_clips(clips, hparams["max_seconds"]) for clips in (found, read_manifest(manifests["valid"]), real)
    )
    standardiser = Standardiser.of([clip["functionals"] for clip in train + real])
    standardise(train + valid + real, standardiser)
    seconds, an_epoch = hparams["batch_seconds"], hparams["cremad_clips_an_epoch"]
    return Batches(train, seconds, hparams["seed"], real, an_epoch), Batches(valid, 64, 0)


def main(arguments: list[str]) -> None:
    """Prepares the clips, trains, and writes the folder."""
    hparams, run_opts = load_recipe(arguments)
    train_set, valid_set = load_sets(hparams)
    hparams["steps_an_epoch"] = len(train_set) + 4  # lengths are jittered, so the number varies from epoch to epoch
    encoder = TinyEncoder(hparams, functionals=len(train_set.clips[0]["functionals"]))
    print(f"{sum(p.numel() for p in encoder.ssl.parameters()) / 1e6:.2f} M parameters")
    pretrain(EncoderBrain, "encoder", encoder, hparams, run_opts, train_set, valid_set)
    save_folder(encoder, Path(hparams["output_folder"]) / f"{hparams['architecture']}-tiny")


if __name__ == "__main__":
    main(sys.argv[1:])
