"""The embedded corpus: sentences of a grammar, spoken by eSpeak NG with the prosody of an emotion.

Every label is true by construction: the attributes are drawn first and then set in the synthesiser (pitch in Hz for the
voice's gender, speed in words per minute, intonation as pitch range, emphasis as SSML) or in the samples (level in dB).
Train, validation and test differ in voices and in sentences; clip ``i`` of a split depends on the seed alone.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import NamedTuple
from zlib import crc32

import numpy as np
import soundfile
import torch
import torchaudio
from tqdm import tqdm

from speechbrain_xser.answer.record import EMOTIONS, GENDERS, Descriptors, Record
from speechbrain_xser.answer.render import describe, render
from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.data.synthetic import grammar, profiles
from speechbrain_xser.data.synthetic.espeak import Espeak, Phone, Speaking
from speechbrain_xser.data.synthetic.voices import TARGET_PITCH_HZ, Voice, pitch_parameter, voices

SAMPLE_RATE = 16000
VERSION = 4  # of the way a plan is spoken; part of file names, so that versions are never mixed
LEVELS_DB = {"low": -42.0, "normal": -31.0, "high": -20.0}  # RMS re full scale
RATES = {"slow": 120, "normal": 170, "fast": 240}  # words per minute
PITCH_RANGES = {"flat": 5, "normal": 40, "lively": 85}
SPLITS = ("train", "valid", "test")
_SENTENCE_SHARES = {"test": range(0, 2), "valid": range(2, 3), "train": range(3, 10)}  # tenths of the sentences


class Plan(NamedTuple):
    """Everything that determines a clip, before it is spoken.

    Example
    -------
    >>> drawn = plan("test", 0, seed=1)
    >>> drawn.voice in voices("test"), drawn.emphasis in (None, *drawn.sentence.content_words)
    (True, True)
    """

    voice: Voice
    sentence: grammar.Sentence
    emotion: str
    prosody: profiles.Prosody
    emphasis: str | None
    pitch_hz: float
    rate: int  # words per minute
    level_db: float


def plan(split: str, index: int, seed: int) -> Plan:
    """Draws clip ``index`` of a split.

    Arguments
    ---------
    split : str
        "train", "valid" or "test".
    index : int
        Number of the clip, from 0.
    seed : int
        Seed of the corpus.

    Returns
    -------
    Plan
        Equal for equal arguments, on every machine.

    Raises
    ------
    KeyError
        If the split is unknown.

    Example
    -------
    >>> plan("test", 3, seed=1) == plan("test", 3, seed=1)
    True
    >>> plan("test", 3, seed=1) == plan("test", 3, seed=2)
    False
    """
    random = Random(f"{seed} {split} {index}")
    gender = random.choice(GENDERS)
    voice = random.choice([voice for voice in voices(split) if voice.gender == gender])
    emotion = EMOTIONS[index % len(EMOTIONS)]
    prosody = profiles.draw(emotion, random)
    sentence = _draw_sentence(split, random)
    return Plan(
        voice,
        sentence,
        emotion,
        prosody,
        emphasis=random.choice(sentence.content_words) if random.random() < 0.5 else None,
        pitch_hz=TARGET_PITCH_HZ[voice.gender][prosody.pitch] * random.uniform(0.96, 1.04),
        rate=round(RATES[prosody.speed] * random.uniform(0.96, 1.04)),
        level_db=LEVELS_DB[prosody.volume] + random.uniform(-1.5, 1.5),
    )


def _draw_sentence(split: str, random: Random) -> grammar.Sentence:
    while True:
        sentence = grammar.draw(random)
        if crc32(sentence.text.lower().encode()) % 10 in _SENTENCE_SHARES[split]:
            return sentence


def speak(plan: Plan) -> np.ndarray:
    """Speaks a plan: [S] float32 in -1..1 at 16 kHz, with the plan's RMS level (lower if a peak would clip).

    The synthesiser is restarted, so that earlier sentences do not matter. Only breathy voices, whose noise is random,
    differ from one time to the next.
    """
    wave = Espeak().say(plan.sentence.text, _speaking(plan), restart=True)
    wave = torchaudio.functional.resample(torch.from_numpy(wave), Espeak.sample_rate, SAMPLE_RATE).numpy()
    gain = 10 ** (plan.level_db / 20) / np.sqrt(np.mean(wave**2))
    return wave * min(gain, 0.99 / np.abs(wave).max())


def phones(plan: Plan) -> list[Phone]:
    """The phonemes of a plan and when they start in the clip, in seconds, by the synthesiser's clock."""
    espeak = Espeak()
    espeak.say(plan.sentence.text, _speaking(plan), restart=True)
    return espeak.phones


def _speaking(plan: Plan) -> Speaking:
    pitch_range = PITCH_RANGES[plan.prosody.intonation]
    return Speaking(
        plan.voice.name,
        rate=plan.rate,
        pitch=pitch_parameter(plan.voice, plan.pitch_hz, pitch_range),
        pitch_range=pitch_range,
        emphasis=plan.emphasis,
    )


def record(plan: Plan) -> Record:
    """The labels of a plan; what the synthesiser cannot set (age, tone) stays unknown.

    Arguments
    ---------
    plan : Plan
        As :func:`plan` draws it.

    Returns
    -------
    Record
        Transcript, descriptors and emotion.

    Example
    -------
    >>> record(plan("train", 0, seed=0)).emotion
    'neutral'
    """
    emphasis = (plan.emphasis,) if plan.emphasis else None
    descriptors = Descriptors(
        gender=plan.voice.gender, **plan.prosody._asdict(), emphasis=emphasis, topic=plan.sentence.topic
    )
    return Record(plan.sentence.text, descriptors, plan.emotion)


def _utterance(plan: Plan, split: str, index: int, wav: str, samples: int) -> Utterance:
    name, spoken = f"{split}-{index:05d}", record(plan)
    wording = crc32(name.encode())
    return Utterance(
        id=name,
        wav=wav,
        duration=samples / SAMPLE_RATE,
        speaker=plan.voice.name,
        transcript=spoken.transcript,
        emotion=spoken.emotion,
        **spoken.descriptors._asdict(),
        description=describe(spoken, wording),
        caption=render(spoken, wording),
        split=split,
    )


def prepare(
    save_folder: str, train_clips: int, valid_clips: int, test_clips: int, seed: int = 1, jobs: int | None = None
) -> dict[str, str]:
    """Writes the corpus: ``wav/SPLIT/*.wav`` and one manifest for each split.

    A second call with the same numbers changes nothing and costs nothing.

    Arguments
    ---------
    save_folder : str
        Where to write; created if missing.
    train_clips, valid_clips, test_clips : int
        Number of clips in each split.
    seed : int
        Seed of every random choice.
    jobs : int, optional
        Number of processes; by default one per core.

    Returns
    -------
    dict
        Path of each split's manifest.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> from speechbrain_xser.data.manifest import read_manifest
    >>> with TemporaryDirectory() as folder:
    ...     manifests = prepare(folder, 2, 1, 1, jobs=1)
    ...     len(read_manifest(manifests["train"]))
    2
    """
    counts = dict(zip(SPLITS, (train_clips, valid_clips, test_clips), strict=True))
    return {split: _prepare_split(Path(save_folder), split, clips, seed, jobs) for split, clips in counts.items()}


def _prepare_split(folder: Path, split: str, clips: int, seed: int, jobs: int | None) -> str:
    manifest = folder / f"{split}-{clips}-seed{seed}-v{VERSION}.jsonl"
    if manifest.exists():
        return str(manifest)
    (folder / "wav" / f"{split}-seed{seed}-v{VERSION}").mkdir(parents=True, exist_ok=True)
    write = partial(_write_clip, folder, split, seed)
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        spoken = pool.map(write, range(clips), chunksize=16)
        utterances = list(tqdm(spoken, total=clips, desc=f"speaking {split}", unit="clip"))
    write_manifest(str(manifest), utterances)
    return str(manifest)


def _write_clip(folder: Path, split: str, seed: int, index: int) -> Utterance:
    _use_one_thread()
    drawn = plan(split, index, seed)
    wave = speak(drawn)
    wav = f"wav/{split}-seed{seed}-v{VERSION}/{index:05d}.wav"
    soundfile.write(folder / wav, wave, SAMPLE_RATE, subtype="PCM_16")
    return _utterance(drawn, split, index, str((folder / wav).resolve()), len(wave))


@cache
def _use_one_thread() -> None:
    torch.set_num_threads(1)
