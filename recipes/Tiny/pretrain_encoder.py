"""Trains the packaged tiny HuBERT.

Two losses: CTC on the characters of the transcript (last layer) and, from an early layer, regression of what the ear
needs for prosody: the log spectrum with resolved harmonics, the frame's level and F0 (the idea of PASE, Pascual et al.
2019: a speech encoder learns by predicting several signals). CTC alone forgets pitch and level.
Restartable: the same command goes on after the last finished epoch.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import speechbrain as sb
import torch
import torchaudio
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.checkpoints import Checkpointer
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm
from transformers import HubertConfig, HubertModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes
from Tiny.filterbank import quadrature_filters  # noqa: E402
from Tiny.librispeech import librispeech  # noqa: E402
from Tiny.prepare import real_clips  # noqa: E402

from speechbrain_xser.data.audio import load_audio  # noqa: E402
from speechbrain_xser.data.manifest import Utterance, read_manifest  # noqa: E402
from speechbrain_xser.data.synthetic import prepare  # noqa: E402
from speechbrain_xser.lengths import valid_mask  # noqa: E402
from speechbrain_xser.metrics.text import normalise  # noqa: E402

CHARACTERS = " 'abcdefghijklmnopqrstuvwxyz"  # CTC's blank is index 0, character i is i + 1
HOP, WINDOW = 320, 640
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

    def forward(self, wavs: Tensor, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = valid_mask(samples, wavs.shape[1]).long()
        out = self.hubert(wavs, attention_mask=mask, output_hidden_states=True)
        frames = self.hubert._get_feat_extract_output_lengths(samples)
        prosody = self.prosody(out.hidden_states[self.prosody_layer])
        return self.characters(out.last_hidden_state).log_softmax(-1), prosody, frames


def prosody_targets(wavs: Tensor, pitch: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Log spectrum, level and F0 of each frame, and where F0 counts.

    Returns
    -------
    tuple of Tensor
        Targets [B, T, SPECTRUM_BINS + 3] (spectrum, level, voicing, log F0 in octaves over 100 Hz), and a mask for F0.
    """
    longest = int(frames.max())
    window = torch.hann_window(WINDOW, device=wavs.device)
    padded = nn.functional.pad(wavs, (0, WINDOW))
    spectrum = torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True).abs()[:, :, :longest]
    log_spectrum = spectrum[:, :SPECTRUM_BINS].clamp(min=1e-3).log().transpose(1, 2) / 3
    level = spectrum.square().mean(1).clamp(min=1e-6).log()[..., None] / 5
    pitch = pitch[:, :longest, None]
    voiced = (pitch > 0) & (level > level.amax(1, keepdim=True) - 1.2)
    octaves = torch.log2(pitch.clamp(min=50) / 100)
    return torch.cat([log_spectrum, level, voiced.float(), octaves], -1), voiced


class EncoderBrain(sb.Brain):
    """Glue: CTC plus regression."""

    def compute_forward(self, batch, stage):
        return self.modules.encoder(batch["wavs"], batch["samples"])

    def compute_objectives(self, predictions, batch, stage):
        log_probs, prosody, frames = predictions
        ctc = nn.functional.ctc_loss(
            log_probs.float().transpose(0, 1), batch["tokens"], frames, batch["token_counts"], zero_infinity=True
        )
        targets, voiced = prosody_targets(batch["wavs"], batch["pitch"], frames)
        valid = valid_mask(frames, prosody.shape[1])[..., None]
        weight = torch.cat([valid.expand(-1, -1, SPECTRUM_BINS + 2) / SPECTRUM_BINS, 3.0 * (voiced & valid)], -1)
        weight[..., SPECTRUM_BINS : SPECTRUM_BINS + 2] *= SPECTRUM_BINS
        regression = ((prosody.float() - targets).square() * weight).sum() / valid.sum()
        if stage != sb.Stage.TRAIN:
            self.count_errors(log_probs, frames, batch["texts"])
        return ctc + self.hparams.prosody_weight * regression

    def count_errors(self, log_probs: Tensor, frames: Tensor, texts: list[str]) -> None:
        for row, count, text in zip(log_probs.argmax(-1), frames, texts, strict=True):
            ids = torch.unique_consecutive(row[:count])
            heard = "".join(CHARACTERS[i - 1] for i in ids.tolist() if i > 0)
            self.wer.append([text], [text.split()], [heard.split()])

    def init_optimizers(self):
        self.optimizer = torch.optim.AdamW(self.modules.parameters(), lr=self.hparams.lr, weight_decay=0.01)
        self.optimizers_dict = {"optimizer": self.optimizer}
        total = self.hparams.number_of_epochs * self.hparams.steps_an_epoch
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, self.hparams.lr, total_steps=total + 1, pct_start=self.hparams.warmup_share
        )
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        self.checkpointer.add_recoverable("scheduler", self.scheduler)

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        if should_step:
            self.scheduler.step()

    def on_stage_start(self, stage, epoch=None):
        self.wer = sb.utils.metric_stats.ErrorRateStats()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        stats = {"loss": float(stage_loss), "WER": float(self.wer.summarize("error_rate"))}
        self.hparams.train_logger.log_stats(
            {"epoch": epoch}, train_stats={"loss": float(getattr(self, "train_loss", 0.0))}, valid_stats=stats
        )
        if stage == sb.Stage.VALID:
            self.checkpointer.save_and_keep_only(meta={"WER": stats["WER"]}, num_to_keep=1, keep_recent=True)


def load_clip(utterance: Utterance) -> dict:
    """Waveform, F0 track (20 ms, Hz) and character ids of one utterance."""
    wave = load_audio(utterance.wav, utterance.start, utterance.stop)
    pitch = torchaudio.functional.detect_pitch_frequency(
        wave[None], 16000, frame_time=HOP / 16000, freq_low=60, freq_high=420
    )[0]
    text = "".join(character for character in normalise(utterance.transcript) if character in CHARACTERS)
    return {
        "wave": wave.half(),
        "pitch": pitch.half(),
        "text": text,
        "tokens": torch.tensor([CHARACTERS.index(c) + 1 for c in text]),
    }


def collate(clips: list[dict]) -> dict:
    def pad(name):
        return nn.utils.rnn.pad_sequence([clip[name] for clip in clips], batch_first=True)

    wavs = pad("wave").float()
    pitch = nn.functional.pad(pad("pitch").float(), (0, wavs.shape[1] // HOP + 2))[:, : wavs.shape[1] // HOP + 2]
    return {
        "wavs": wavs,
        "pitch": pitch,
        "samples": torch.tensor([len(clip["wave"]) for clip in clips]),
        "tokens": pad("tokens"),
        "token_counts": torch.tensor([len(clip["tokens"]) for clip in clips]),
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
    short = [utterance for utterance in utterances if utterance.duration <= max_seconds]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one clip's operations are too small to share
    with ThreadPoolExecutor(threads) as pool:
        clips = list(tqdm(pool.map(load_clip, short), total=len(short), desc="reading", unit="clip"))
    torch.set_num_threads(threads)
    return clips


def save_folder(encoder: TinyHubert, folder: Path) -> None:
    """Writes an ordinary Hugging Face folder, in half precision."""
    encoder.hubert.half().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")


def main(arguments: list[str]) -> None:
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    with open(hparams_file) as file:
        hparams = load_hyperpyyaml(file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    torch.manual_seed(hparams["seed"])
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
    checkpointer = Checkpointer(hparams["save_folder"], {"counter": hparams["epoch_counter"]})
    encoder = TinyHubert(hparams)
    checkpointer.add_recoverable("encoder", encoder)
    print(f"{sum(p.numel() for p in encoder.hubert.parameters()) / 1e6:.2f} M parameters")
    brain = EncoderBrain({"encoder": encoder}, None, hparams, run_opts, checkpointer)
    brain.init_optimizers()
    checkpointer.recover_if_possible()
    train_set.epoch = hparams["epoch_counter"].current
    brain.fit(hparams["epoch_counter"], DataLoader(train_set, batch_size=None), DataLoader(valid_set, batch_size=None))
    save_folder(encoder, Path(hparams["output_folder"]) / "hubert-tiny")


if __name__ == "__main__":
    main(sys.argv[1:])
