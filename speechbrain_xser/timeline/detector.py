"""How likely each 32 ms of a stream are speech, by Silero VAD.

Source: Silero Team (2021), Silero VAD, https://github.com/snakers4/silero-vad, version 6, MIT licence; its weights come
with the package, nothing is fetched.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

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
        [folder] = find_spec("silero_vad").submodule_search_locations  # to import it sets torch to one thread for all
        self._network = torch.jit.load(Path(folder, "data", "silero_vad.jit"), map_location="cpu").eval()
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
