"""Trains the packaged tiny HuBERT.

Two losses: CTC on the characters of the transcript (last layer) and, from an early layer, regression of what the ear
needs for prosody: the log spectrum with resolved harmonics, the frame's level and F0 (the idea of PASE, Pascual et al.
2019: a speech encoder learns by predicting several signals). CTC alone forgets pitch and level.
Restartable: the same command goes on after the last finished epoch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple
from zlib import crc32

import speechbrain as sb
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from tqdm import tqdm
from transformers import HubertConfig, HubertModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes
from Tiny.filterbank import quadrature_filters  # noqa: E402
from Tiny.librispeech import librispeech  # noqa: E402
from Tiny.prepare import real_clips  # noqa: E402
from Tiny.pretraining import PretrainingBrain, load_recipe, pretrain  # noqa: E402

from speechbrain_xser.data.audio import load_audio  # noqa: E402
from speechbrain_xser.data.manifest import Utterance, read_manifest  # noqa: E402
from speechbrain_xser.data.synthetic import corpus, prepare  # noqa: E402
from speechbrain_xser.lengths import valid_mask  # noqa: E402
from speechbrain_xser.metrics.text import normalise  # noqa: E402

CHARACTERS = " 'abcdefghijklmnopqrstuvwxyz"  # CTC's blank is index 0, character i is i + 1
HOP, WINDOW = 320, 640
RECEPTIVE_FIELD = 1600  # of the convolutions below, in samples
LAGS = slice(38, 290)  # samples of a period: 421 to 55 Hz
OCTAVE_COST = 0.05  # of correlation, so that of two equal peaks the higher pitch wins
VOICED = 0.2  # least correlation less its octave cost
PHONE_CLASSES = 512
SPECTRUM_BINS = 96  # 0..2400 Hz, 25 Hz apart
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
    """What the training heads say."""

    characters: Tensor  # log probabilities, [B, T, C]
    phones: Tensor  # logits, [B, T, PHONE_CLASSES]
    prosody: Tensor  # [B, T, SPECTRUM_BINS + 3]
    frames: Tensor  # [B], int64


class TinyHubert(nn.Module):
    """The encoder with its two training heads."""

    def __init__(self, hparams: dict):
        super().__init__()
        names = HubertConfig().to_dict().keys() & hparams.keys()
        self.config = HubertConfig(
            **{name: hparams[name] for name in names},
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
        self.hubert = HubertModel(self.config)
        first = self.hubert.feature_extractor.conv_layers[0].conv
        first.weight.data.copy_(quadrature_filters(hparams["conv_kernel"][0]))
        nn.init.normal_(first.bias, std=0.5)
        self.prosody_layer = hparams["prosody_layer"]
        self.characters = nn.Linear(self.config.hidden_size, len(CHARACTERS) + 1)
        self.prosody = nn.Linear(self.config.hidden_size, SPECTRUM_BINS + 3)
        self.phones = nn.Linear(self.config.hidden_size, PHONE_CLASSES)

    def forward(self, wavs: Tensor, samples: Tensor) -> Heads:
        mask = valid_mask(samples, wavs.shape[1]).long()
        out = self.hubert(wavs, attention_mask=mask, output_hidden_states=True)
        frames = self.hubert._get_feat_extract_output_lengths(samples)
        return Heads(
            self.characters(out.last_hidden_state).log_softmax(-1),
            self.phones(out.last_hidden_state),
            self.prosody(out.hidden_states[self.prosody_layer]),
            frames,
        )


def centred_windows(wavs: Tensor, longest: int) -> Tensor:
    """40 ms around the centre of each of the encoder's frames, [B, T, WINDOW]."""
    start = (RECEPTIVE_FIELD - WINDOW) // 2
    return nn.functional.pad(wavs[:, start:], (0, RECEPTIVE_FIELD)).unfold(1, WINDOW, HOP)[:, :longest]


def pitch_hz(windows: Tensor) -> tuple[Tensor, Tensor]:
    """F0 and voicing of windows [..., WINDOW], by the highest peak of the normalised autocorrelation (Boersma 1993)."""
    hann = torch.hann_window(WINDOW)
    size = 2 * WINDOW
    correlation = torch.fft.irfft(torch.fft.rfft(windows * hann, size).abs().square(), size)
    correlation = correlation / torch.fft.irfft(torch.fft.rfft(hann, size).abs().square(), size).clamp(min=1e-3)
    octave_cost = OCTAVE_COST * torch.arange(LAGS.start, LAGS.stop).log2()
    peak, lag = (correlation[..., LAGS] / correlation[..., :1].clamp(min=1e-7) - octave_cost).max(-1)
    return 16000 / (lag + LAGS.start).float(), peak > VOICED


def prosody_targets(wavs: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Log spectrum, level, voicing and F0 of each frame, and where F0 counts.

    Returns
    -------
    tuple of Tensor
        Targets [B, T, SPECTRUM_BINS + 3] (F0 in octaves over 100 Hz), and the voiced frames [B, T, 1].
    """
    windows = centred_windows(wavs, int(frames.max()))
    spectrum = torch.fft.rfft(windows * torch.hann_window(WINDOW)).abs()
    level = spectrum.square().mean(-1, keepdim=True).clamp(min=1e-6).log() / 5
    hertz, periodic = pitch_hz(windows)
    voiced = periodic[..., None] & (level > level.amax(1, keepdim=True) - 1.2)
    log_spectrum = spectrum[..., :SPECTRUM_BINS].clamp(min=1e-3).log() / 3
    return torch.cat([log_spectrum, level, voiced.float(), torch.log2(hertz / 100)[..., None]], -1), voiced


def prosody_loss(predicted: Tensor, targets: Tensor, voiced: Tensor, frames: Tensor) -> Tensor:
    """Squared error: the mean of the spectrum's bins, the level, the voicing and, where voiced, three times F0."""
    valid = valid_mask(frames, predicted.shape[1])[..., None]
    error = (predicted - targets).square() * valid
    spectrum, level, voicing, octaves = error.split([SPECTRUM_BINS, 1, 1, 1], -1)
    return (spectrum.mean(-1, keepdim=True) + level + voicing + 3 * octaves * voiced).sum() / valid.sum()


class EncoderBrain(PretrainingBrain):
    """Glue: CTC, phonemes and regression."""

    def compute_forward(self, batch, stage):
        return self.modules.encoder(batch["wavs"], batch["samples"])

    def compute_objectives(self, predictions, batch, stage):
        frames = predictions.frames
        ctc = nn.functional.ctc_loss(
            predictions.characters.float().transpose(0, 1),
            batch["tokens"],
            frames,
            batch["token_counts"],
            zero_infinity=True,
        )
        phones = batch["phones"][:, : predictions.phones.shape[1]]
        known = phones >= 0
        phone_loss = nn.functional.cross_entropy(predictions.phones[known].float(), phones[known], reduction="sum")
        phone_loss = phone_loss / known.sum().clamp(min=1)
        prosody = prosody_loss(predictions.prosody.float(), *prosody_targets(batch["wavs"], frames), frames)
        if stage != sb.Stage.TRAIN:
            self.count_errors(predictions.characters, frames, batch["texts"])
            self.right += [int((predictions.phones.argmax(-1)[known] == phones[known]).sum()), int(known.sum())]
        return phone_loss + self.hparams.ctc_weight * ctc + self.hparams.prosody_weight * prosody

    def count_errors(self, log_probs: Tensor, frames: Tensor, texts: list[str]) -> None:
        for row, count, text in zip(log_probs.argmax(-1), frames, texts, strict=True):
            ids = torch.unique_consecutive(row[:count])
            heard = "".join(CHARACTERS[i - 1] for i in ids.tolist() if i > 0)
            self.wer.append([text], [heard.split()], [text.split()])

    def on_stage_start(self, stage, epoch=None):
        self.wer, self.right = sb.utils.metric_stats.ErrorRateStats(), []

    def valid_stats(self, loss):
        right = 100 * sum(self.right[::2]) / max(1, sum(self.right[1::2]))
        return {"loss": loss, "WER": float(self.wer.summarize("error_rate")), "phones_right": right}


def load_clip(utterance: Utterance) -> dict:
    """Waveform, character ids and, of synthetic speech, phoneme ids of one utterance."""
    wave = load_audio(utterance.wav, utterance.start, utterance.stop)
    text = "".join(character for character in normalise(utterance.transcript) if character in CHARACTERS)
    return {
        "wave": wave.half(),
        "text": text,
        "tokens": torch.tensor([CHARACTERS.index(c) + 1 for c in text]),
        "phones": frame_phones(utterance, len(wave) // HOP + 1),
    }


def frame_phones(utterance: Utterance, frames: int) -> Tensor:
    """The phoneme at the centre of each frame, [T]; -100 where nobody knows it."""
    if "+" not in (utterance.speaker or ""):  # not a voice of the synthesiser
        return torch.full((frames,), -100)
    split, index = utterance.id.split("-")
    spoken = corpus.phones(corpus.plan(split, int(index), seed=1))
    centres = (torch.arange(frames) * HOP + RECEPTIVE_FIELD // 2) / 16000
    positions = torch.searchsorted(torch.tensor([phone.seconds for phone in spoken]), centres, right=True) - 1
    return torch.tensor([phone_class(spoken[position].name) for position in positions.clamp(min=0).tolist()])


def phone_class(name: str) -> int:
    """A class for each phoneme without stress marks and variant digits, by hashing into more classes than phonemes."""
    bare = name.strip("',%=_:;").rstrip("0123456789#")
    return crc32(bare.encode()) % PHONE_CLASSES


def collate(clips: list[dict]) -> dict:
    def pad(name, value=0):
        return nn.utils.rnn.pad_sequence([clip[name] for clip in clips], batch_first=True, padding_value=value)

    return {
        "wavs": pad("wave").float(),
        "samples": torch.tensor([len(clip["wave"]) for clip in clips]),
        "tokens": pad("tokens"),
        "token_counts": torch.tensor([len(clip["tokens"]) for clip in clips]),
        "phones": pad("phones", -100),
        "texts": [clip["text"] for clip in clips],
    }


class Batches(IterableDataset):
    """Batches of clips of similar length, about ``seconds`` of audio each; another order each epoch."""

    def __init__(self, clips: list[dict], seconds: float, seed: int, real: list[dict] = (), real_an_epoch: int = 0):
        self.clips, self.real, self.real_an_epoch = clips, list(real), min(real_an_epoch, len(real))
        self.seconds, self.seed, self.epoch = seconds, seed, 0

    def _plan(self) -> list[list[dict]]:
        random = Random(f"{self.seed} {self.epoch}")
        clips = self.clips + random.sample(self.real, self.real_an_epoch)
        clips.sort(key=lambda clip: len(clip["wave"]) * random.uniform(0.9, 1.1))
        batches, batch = [], []
        for clip in clips:
            if batch and (len(batch) + 1) * max(len(c["wave"]) for c in [*batch, clip]) > self.seconds * 16000:
                batches.append(batch)
                batch = []
            batch.append(clip)
        random.shuffle(batches := [*batches, batch])
        return batches

    def __len__(self) -> int:
        return len(self._plan())

    def __iter__(self):
        yield from map(collate, self._plan())
        self.epoch += 1


def load_clips(utterances: list[Utterance], max_seconds: float) -> list[dict]:
    """Reads all clips into memory, in half precision."""
    short = [utterance for utterance in utterances if utterance.duration <= max_seconds]
    return [load_clip(utterance) for utterance in tqdm(short, desc="reading", unit="clip")]


def save_folder(encoder: TinyHubert, folder: Path) -> None:
    """Writes an ordinary Hugging Face folder, in half precision."""
    encoder.hubert.half().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")


def main(arguments: list[str]) -> None:
    """Prepares the clips, trains, and writes the folder."""
    hparams, run_opts = load_recipe(arguments)
    manifests = prepare(hparams["data_folder"], *(hparams[f"{s}_clips"] for s in ("train", "valid", "test")))
    real = []
    if hparams["cremad_folder"] is not None:
        real = real_clips(hparams["cremad_folder"], hparams["data_folder"], "train", hparams["cremad_clips"])
    train = read_manifest(manifests["train"]) + librispeech(hparams["librispeech_folder"])
    train_set = Batches(
        load_clips(train, hparams["max_seconds"]),
        hparams["batch_seconds"],
        hparams["seed"],
        load_clips(real, hparams["max_seconds"]),
        hparams["cremad_clips_an_epoch"],
    )
    valid_set = Batches(load_clips(read_manifest(manifests["valid"]), hparams["max_seconds"]), 64, 0)
    hparams["steps_an_epoch"] = len(train_set) + 4  # lengths are jittered a little from epoch to epoch
    encoder = TinyHubert(hparams)
    print(f"{sum(p.numel() for p in encoder.hubert.parameters()) / 1e6:.2f} M parameters")
    pretrain(EncoderBrain, "encoder", encoder, hparams, run_opts, train_set, valid_set)
    save_folder(encoder, Path(hparams["output_folder"]) / "hubert-tiny")


if __name__ == "__main__":
    main(sys.argv[1:])
