"""Clips for the tiny encoder, in memory: sound, characters, prosody, and phonemes from the synthesiser."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from random import Random
from zlib import crc32

import numpy as np
import torch
from Tiny.prosody_targets import HOP, RECEPTIVE_FIELD, Standardiser, clip_prosody
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from tqdm import tqdm

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.synthetic import corpus
from speechbrain_xser.metrics.text_normalization import normalise

CHARACTERS = " 'abcdefghijklmnopqrstuvwxyz"  # CTC's blank is index 0, character i is i + 1
PHONE_CLASSES = 512
UNKNOWN = -100  # a frame whose phoneme is unknown


def load_clip(utterance: Utterance) -> dict:
    """Waveform, character ids, phoneme ids and prosody of one utterance, as arrays."""
    torch.set_num_threads(1)
    wave = load_audio(utterance.wav, utterance.start, utterance.stop)
    text = "".join(character for character in normalise(utterance.transcript) if character in CHARACTERS)
    prosody = clip_prosody(wave)
    return {
        "wave": wave.numpy().astype(np.float16),
        "text": text,
        "tokens": np.array([CHARACTERS.index(c) + 1 for c in text]),
        "phones": frame_phones(utterance, len(prosody.hertz)),
        **prosody._asdict(),
    }


def frame_phones(utterance: Utterance, frames: int) -> np.ndarray:
    """The phoneme at the centre of each frame, [T]; ``UNKNOWN`` for a voice that is not the synthesiser's."""
    if "+" not in (utterance.speaker or ""):
        return np.full(frames, UNKNOWN)
    split, index = utterance.id.split("-")
    spoken = corpus.phones(corpus.plan(split, int(index), seed=1))
    centres = (np.arange(frames) * HOP + RECEPTIVE_FIELD // 2) / 16000
    positions = np.searchsorted([phone.seconds for phone in spoken], centres, side="right") - 1
    return np.array([phone_class(spoken[position].name) for position in positions.clip(min=0)])


def phone_class(name: str) -> int:
    """A class for each phoneme without stress marks and variant digits, by hashing into more classes than phonemes."""
    bare = name.strip("',%=_:;").rstrip("0123456789#")
    return crc32(bare.encode()) % PHONE_CLASSES


def load_clips(utterances: list[Utterance], max_seconds: float) -> list[dict]:
    """Reads all clips into memory, with one process per core."""
    short = [utterance for utterance in utterances if utterance.duration <= max_seconds]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(tqdm(pool.map(load_clip, short, chunksize=16), total=len(short), desc="reading", unit="clip"))


def standardise(clips: Sequence[dict], by: Standardiser) -> None:
    """Standardises the functionals of clips in place."""
    for clip in clips:
        clip["functionals"] = by(clip["functionals"])


def collate(clips: list[dict]) -> dict[str, Tensor | list[str]]:
    """A padded batch; the tensors' names and their counts are those that ``EncoderBrain`` reads."""

    def pad(name: str, value: float = 0) -> Tensor:
        rows = [torch.from_numpy(clip[name]) for clip in clips]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    return {
        "wavs": pad("wave").float(),
        "samples": torch.tensor([len(clip["wave"]) for clip in clips]),
        "tokens": pad("tokens"),
        "token_counts": torch.tensor([len(clip["tokens"]) for clip in clips]),
        "phones": pad("phones", UNKNOWN),
        "hertz": pad("hertz"),
        "functionals": pad("functionals").float(),
        "texts": [clip["text"] for clip in clips],
    }


class Batches(IterableDataset):
    """Batches of clips of similar length, about ``seconds`` of audio each, in a new order each epoch.

    Of ``real`` clips, ``real_an_epoch`` are drawn for each epoch.
    """

    def __init__(
        self, clips: list[dict], seconds: float, seed: int, real: Sequence[dict] = (), real_an_epoch: int = 0
    ) -> None:
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
