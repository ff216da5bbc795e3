"""Spoilt sounds of every format: read as a whole, as a segment, as a stream, or by their headers."""

from functools import cache, partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from speechbrain_xser.data.audio import load_audio, read_header
from speechbrain_xser.timeline.recording import Recording
from tests.data.media import write_media
from tests.faults.fuzzing import Case, outcomes
from tests.faults.greedy_sounds import aiff, lying_webm, wav
from tests.faults.spoiling import NUMBERS, share, spoiled

RATES = (0, 1, 999, 8000, 16000, 19996, 22254, 44100, 48000, 384000, 655350, *NUMBERS)
CHANNELS = (0, 1, 2, 6, 32, 33, 255, 1024, 32767)
WRITTEN = (
    *(("WAV", kind) for kind in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32")),
    *(("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("AIFF", "PCM_16"), ("AIFF", "IMA_ADPCM")),
    *(("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("AU", "PCM_16"), ("AU", "G723_24"), ("W64", "PCM_16")),
    *(("RF64", "PCM_16"), ("VOC", "PCM_16"), ("NIST", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("WAVEX", "PCM_16")),
)
ENCODED = {
    **{"mp4": "aac", "m4a": "alac", "mov": "pcm_s16le", "webm": "libopus", "mka": "flac", "mkv": "libvorbis"},
    **{"avi": "ac3", "aac": "aac", "oga": "flac", "3gp": "aac", "mp3": "libmp3lame"},
}


@cache
def whole_sounds() -> tuple[bytes, ...]:
    """Less than a second in every format, as bytes."""
    found, noise = [], 0.1 * np.random.default_rng(0).standard_normal((9600, 2))
    with TemporaryDirectory() as folder:
        for form, kind in WRITTEN:
            path = Path(folder, f"{form}-{kind}")
            mono = noise[:, 0] if kind in ("GSM610", "G721_32", "G723_24") else noise
            soundfile.write(path, mono, 48000, format=form, subtype=kind)
            found.append(path.read_bytes())
        for suffix, codec in ENCODED.items():
            try:
                path = write_media(Path(folder, f"a.{suffix}"), noise, "stereo", codec)
            except (ValueError, OSError):  # this FFmpeg was built without that encoder
                continue
            found.append(path.read_bytes())
    return tuple(found)


def odd_sound(random: Random, path: Path) -> Path:
    """Writes one."""
    choice = share(random)
    if choice < 0.1:
        wav(path, random.choice(RATES) % 2**32, random.choice(CHANNELS), 4000, random.choice((1, 2, 3, 6, 85, 353)))
    elif choice < 0.2:
        numbers = random.choice(NUMBERS), random.choice((0, 100, 16384))
        aiff(path, random.choice(RATES), random.choice(CHANNELS), *numbers)
    elif choice < 0.22:
        lying_webm(path, random.choice((1, 60, 900)), random.choice(("99:59:59.000000000", "x", "-1:00:00.0000000000")))
    else:
        path.write_bytes(spoiled(random.choice(whole_sounds()), random, random.choice(whole_sounds())))
    return path


def read_in_blocks(path: Path) -> None:
    """As a recording of at most ten minutes."""
    recording = Recording(path, max_seconds=600)
    for _ in recording.blocks():
        pass
    if recording.fault is not None:
        raise recording.fault


def cases(random: Random, folder: Path) -> Case:
    """An odd sound and one way to read it."""
    path = odd_sound(random, folder / random.choice(("a.wav", "a.mp3", "a", "a.webm")))
    start = random.choice((0.0, 0.05, 1e9, float("nan"), -1.0))
    ways = (
        *(partial(load_audio, path, max_seconds=seconds) for seconds in (30.0, None)),
        partial(load_audio, path, start, start + 0.1, max_seconds=30.0),
        partial(load_audio, path, track=random.choice((0, 1, 2))),
        partial(read_header, path, max_seconds=30.0),
        partial(read_in_blocks, path),
    )
    return random.choice(ways)


def test_a_spoilt_sound_gives_its_samples_or_one_of_our_errors():
    found = outcomes("sounds")
    assert found["result"] and found["AudioError"]
