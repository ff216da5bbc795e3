"""A recording of any length, read from its start in blocks of some seconds at 16 kHz.

The samples are those of :func:`~speechbrain_xser.data.audio.load_audio`. A recording whose end is missing, for example
after a flat battery, is not refused: its blocks end where its sound ends, and ``fault`` says what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import torch
from torch import Tensor

from speechbrain_xser.data.addresses import is_address, shown
from speechbrain_xser.data.audio import BLOCK_SECONDS, joined, stated_length, stream_voice
from speechbrain_xser.data.remote import fetched
from speechbrain_xser.data.resampler import Resampler
from speechbrain_xser.data.spool import regular_file
from speechbrain_xser.data.waveform import SAMPLE_RATE, check_wave
from speechbrain_xser.errors import AudioError, told_as


class Recording:
    """A sound file or a video as a stream of mono blocks; a pipe or an http(s) address is read to its end first.

    Raises
    ------
    AudioError
        If the file is missing, cannot be fetched, is empty or of another kind, or lacks the track, or a length that its
        format should state.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(80000, 2).numpy(), 8000)
    >>> recording = Recording(path)
    >>> recording.seconds, sum(len(block) for block in recording.blocks()), recording.fault
    (10.0, 160000, None)
    """

    def __init__(
        self,
        path: str | os.PathLike,
        sample_rate: int = SAMPLE_RATE,
        track: int | None = None,
        max_seconds: float | None = None,  # where the blocks end with a fault; None for any length
    ):
        self.path = shown(path) if is_address(path) else path  # as a person knows it
        self.sample_rate, self.track, self.max_seconds = sample_rate, track, max_seconds
        self.fault: AudioError | None = None  # after blocks() has ended: why the recording is incomplete
        self.read_seconds = 0.0  # yielded by blocks() so far
        self._held = ExitStack()  # holds the copy of a pipe, or of what is at an address
        held = fetched(path) if is_address(path) else regular_file(path)
        self.file = self._held.enter_context(held)  # can be opened repeatedly
        with told_as(os.fspath(self.path), self.file):
            self.seconds = stated_length(self.file, track)

    def blocks(self) -> Iterator[Tensor]:
        """Yields samples, [S] float32, about five seconds at a time; sets ``fault`` if they end early."""
        self.fault, self.read_seconds = None, 0.0
        for block in self._resampled():
            self.read_seconds += len(block) / self.sample_rate
            yield block

    def _resampled(self) -> Iterator[Tensor]:
        resampler = None
        try:
            with told_as(os.fspath(self.path), self.file):
                voices = stream_voice(self.file, max_seconds=self.max_seconds, track=self.track)
                for wave, rate in joined(voices, BLOCK_SECONDS):
                    resampler = resampler or Resampler(rate, self.sample_rate, self.path)
                    yield resampler.push(check_wave(wave, self.path))
                if resampler is None:
                    check_wave(torch.zeros(0), self.path)
        except AudioError as error:
            self.fault = error
        if resampler is not None:
            yield resampler.flush()
