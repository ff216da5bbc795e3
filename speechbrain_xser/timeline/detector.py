"""How likely each 32 ms of a stream are speech, by Silero VAD.

Source: Silero Team (2021), Silero VAD, https://github.com/snakers4/silero-vad, version 6, MIT licence; its weights come
with the package, nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from speechbrain_xser.data.waveform import SAMPLE_RATE

FRAME_SAMPLES = 512  # what the network hears at a time, at 16 kHz
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE


class SpeechDetector:
    """The network with its memory of one stream; it runs on the CPU.

    Example
    -------
    >>> detector = SpeechDetector()
    >>> bool((detector.probabilities(torch.zeros(10, FRAME_SAMPLES)) < 0.5).all())  # silence
    True
    """

    def __init__(self):
        with _same_threads():
            from silero_vad import load_silero_vad

            self._network = load_silero_vad()
        self._network.reset_states()

    @torch.no_grad()
    def probabilities(self, frames: Tensor) -> Tensor:
        """Goes on in the stream.

        Arguments
        ---------
        frames : Tensor
            The next samples at 16 kHz, [F, 512], full scale is 1.

        Returns
        -------
        Tensor
            Probability of speech in each frame, [F]; the same however a stream is divided among calls.
        """
        found = [self._network(frame, SAMPLE_RATE).reshape(()) for frame in frames]
        return torch.stack(found) if found else torch.zeros(0)


@contextmanager
def _same_threads() -> Iterator[None]:
    """silero_vad sets torch to one thread when it is imported, for the whole process."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
