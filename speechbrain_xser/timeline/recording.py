"""A recording of any length, read from its start in blocks of some seconds at 16 kHz.

The samples are those of :func:`~speechbrain_xser.data.audio.load_audio`. A recording whose end is missing, as after a
recorder's flat battery, is not refused: its blocks end where its sound ends, and ``fault`` says what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import soundfile
import torch
from torch import Tensor

from speechbrain_xser.data.audio import MP3_SHARE, check_whole, is_video, not_audio, open_audio, stated_frames
from speechbrain_xser.data.member import member_of
from speechbrain_xser.data.video import centre, stated_seconds, stream_track
from speechbrain_xser.data.waveform import SAMPLE_RATE, check_ratio, check_wave
from speechbrain_xser.errors import AudioError
from speechbrain_xser.timeline.resampler import Resampler

BLOCK_SECONDS = 5.0


class Recording:
    """An audio or video file as a stream of mono blocks.

    Arguments
    ---------
    path : str or path-like
        Anything that ``load_audio`` reads.
    sample_rate : int
        Wanted samples a second.

    Raises
    ------
    AudioError
        If the file is missing, empty, of another kind, does not state its length where its format should, or has a
        rate without a manageable ratio.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(80000, 2).numpy(), 8000)
    >>> recording = Recording(path)
    >>> recording.seconds, sum(len(block) for block in recording.blocks()), recording.fault
    (10.0, 160000, None)
    """

    def __init__(self, path: str | os.PathLike, sample_rate: int = SAMPLE_RATE):
        self.path, self.sample_rate = path, sample_rate
        self.fault: AudioError | None = None  # after blocks() has ended: why it is not all there
        self.read_seconds = 0.0  # what blocks() has given so far
        self.seconds = stated_seconds(path) if is_video(path) else self._stated()

    def _stated(self) -> float:
        with open_audio(self.path, whole=False) as file:
            check_ratio(file.samplerate, self.sample_rate, self.path)
            return stated_frames(file.frames, self.path) / file.samplerate

    def blocks(self) -> Iterator[Tensor]:
        """Gives the samples, [S] float32 each, about five seconds at a time; sets ``fault`` where they end early."""
        self.fault, self.read_seconds = None, 0.0
        for block in self._resampled():
            self.read_seconds += len(block) / self.sample_rate
            yield block

    def _resampled(self) -> Iterator[Tensor]:
        resampler = None
        try:
            for wave, rate in self._gathered():
                resampler = resampler or Resampler(rate, self.sample_rate, self.path)
                yield resampler.push(check_wave(wave, self.path))
            if resampler is None:
                check_wave(torch.zeros(0), self.path)
        except AudioError as error:
            self.fault = error
        if resampler is not None:
            yield resampler.flush()

    def _gathered(self) -> Iterator[tuple[Tensor, int]]:
        """The decoder's blocks, joined to longer ones; all of them before its error."""
        held, rate, fault = [], 0, None
        try:
            for wave, rate in self._tracks() if is_video(self.path) else self._sounds():
                held.append(wave)
                if sum(map(len, held)) >= BLOCK_SECONDS * rate:
                    yield torch.cat(held), rate
                    held = []
        except AudioError as error:
            fault = error
        if held:
            yield torch.cat(held), rate
        if fault is not None:
            raise fault

    def _tracks(self) -> Iterator[tuple[Tensor, int]]:
        for block in stream_track(self.path):
            yield centre(block), block.sample_rate

    def _sounds(self) -> Iterator[tuple[Tensor, int]]:
        """Blocks of an audio file; an error after what is there, if it is not all."""
        with open_audio(self.path, whole=False) as file:
            file.seekable = lambda: False  # soundfile seeks after each read, and an mp3 then goes on with a click
            wanted, found = file.frames * (MP3_SHARE if file.format == "MP3" else 1), 0
            while len(samples := self._read(file)):
                found += len(samples)
                yield torch.from_numpy(samples).mean(dim=1), file.samplerate
        if member_of(self.path) is None:
            check_whole(self.path)
        if found < wanted:
            raise AudioError(f"{self.path}: truncated, {found} of {wanted:.0f} samples are there. Fetch it again.")

    def _read(self, file: soundfile.SoundFile):
        """The next samples, [frames, channels]."""
        try:
            return file.read(round(BLOCK_SECONDS * file.samplerate), dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise not_audio(self.path, error) from error
