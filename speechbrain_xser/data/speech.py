"""Whether somebody speaks: how likely each 32 ms of a stream are speech, and whether a clip holds any.

Source: Silero Team (2021), Silero VAD, https://github.com/snakers4/silero-vad, version 6, MIT licence; its weights come
with the package, nothing is fetched.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from speechbrain_xser.data.waveform import SAMPLE_RATE, resampled

FRAME_SAMPLES = 512  # what the network hears at a time, at 16 kHz
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
LEVEL = 0.1  # root mean square that a clip is brought to, so that a quiet voice is a voice
SPEECH_PROBABILITY = 0.35  # of a frame, from which a clip has speech; docs/explain.md has the measurement
FRAMES_AT_A_TIME = 8  # heard before it is asked whether one of them was speech

_idle: list[SpeechDetector] = []  # loaded, and in nobody's use: to take one out and to put it back are atomic


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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit", FutureWarning)  # silero_vad's own affair
            self._network = torch.jit.load(Path(folder, "data", "silero_vad.jit"), map_location="cpu").eval()
        self.forget()

    def forget(self) -> None:
        """Begins another stream."""
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
        with torch.autocast("cpu", enabled=False):  # a recogniser's precision is not the detector's
            found = [self._network(frame, SAMPLE_RATE).reshape(()) for frame in frames]
        return torch.stack(found) if found else torch.zeros(0)


def has_speech(wave: Tensor, sample_rate: int = SAMPLE_RATE) -> bool:
    """Whether somebody speaks in a clip: whether any 32 ms of it are speech with a probability of 0.35 or more.

    The clip's mean and level do not matter. It is heard until the first frame of speech; the network is loaded when the
    first clip with any sound comes.

    Arguments
    ---------
    wave : Tensor
        Samples, [S], finite.
    sample_rate : int
        Its samples a second.

    Returns
    -------
    bool
        False for silence, tones, noise and most music.

    Example
    -------
    >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
    >>> said = torch.from_numpy(speak(plan("test", 3, seed=1)))
    >>> has_speech(said), has_speech(0.001 * said), has_speech(torch.zeros(16000)), has_speech(torch.randn(16000))
    (True, True, False, False)
    """
    wave = resampled(wave.detach().cpu().float(), sample_rate, SAMPLE_RATE, "the clip")
    wave = wave - wave.mean()
    level = wave.square().mean().sqrt()
    if level == 0:
        return False
    wave = (wave * (LEVEL / level)).clamp(-1, 1)
    frames = torch.nn.functional.pad(wave, (0, -len(wave) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    with _detector() as detector:
        parts = frames.split(FRAMES_AT_A_TIME)
        return any(bool((detector.probabilities(part) >= SPEECH_PROBABILITY).any()) for part in parts)


@contextmanager
def _detector() -> Iterator[SpeechDetector]:
    """One that has heard nothing and that no other thread uses."""
    try:
        detector = _idle.pop()
    except IndexError:
        detector = SpeechDetector()
    detector.forget()
    try:
        yield detector
    finally:
        _idle.append(detector)
