"""Voice activity detection: how likely each 32 ms of a stream is speech, and whether a clip contains any.

Source: Silero Team (2021), Silero VAD, https://github.com/snakers4/silero-vad, version 6, MIT licence. Its weights come
with its package; nothing is downloaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speechbrain_xser.data.waveform import SAMPLE_RATE, resampled

FRAME_SAMPLES = 512  # the network's input at 16 kHz
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
LEVEL = 0.1  # RMS that a clip is scaled to, so that a quiet voice is found too
SPEECH_PROBABILITY = 0.35  # of one frame, for a clip to have speech; measured in docs/explain.md
AROUND_SECONDS = 0.25  # of silence that stay on both sides of speech
FRAMES_AT_A_TIME = 8  # processed between two checks for speech

_idle: list[SpeechDetector] = []  # loaded and not in use; pop and append are atomic


class SpeechDetector:
    """The network with its state for one stream; it runs on the CPU.

    Example
    -------
    >>> detector = SpeechDetector()
    >>> bool((detector.probabilities(torch.zeros(10, FRAME_SAMPLES)) < 0.5).all())  # silence
    True
    """

    def __init__(self):
        # importing silero_vad would set torch to one thread everywhere
        [folder] = find_spec("silero_vad").submodule_search_locations
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit", FutureWarning)  # caused by silero_vad
            self._network = torch.jit.load(Path(folder, "data", "silero_vad.jit"), map_location="cpu").eval()
        self.forget()

    def forget(self) -> None:
        """Resets the state, for another stream."""
        self._network.reset_states()

    @torch.no_grad()
    def probabilities(self, frames: Tensor) -> Tensor:
        """Probability of speech, [F], in the next frames of the stream, [F, 512] at 16 kHz.

        It does not depend on how the stream is divided among calls.
        """
        with torch.autocast("cpu", enabled=False):  # the detector does not use the recogniser's precision
            found = [self._network(frame, SAMPLE_RATE).reshape(()) for frame in frames]
        return torch.stack(found) if found else torch.zeros(0)


def has_speech(wave: Tensor, sample_rate: int = SAMPLE_RATE) -> bool:
    """Whether a clip, [S], contains speech: whether any 32 ms of it are speech with a probability of 0.35 or more.

    The clip's mean and level do not matter. Silence, tones, noise and most music are not speech. It stops at the
    first frame of speech, and the network is loaded for the first clip with any sound.
    """
    frames = _frames(wave, sample_rate)
    if not len(frames):
        return False
    with _detector() as detector:
        parts = frames.split(FRAMES_AT_A_TIME)
        return any(bool((detector.probabilities(part) >= SPEECH_PROBABILITY).any()) for part in parts)


def spoken_span(wave: Tensor, sample_rate: int = SAMPLE_RATE) -> slice:
    """The part of a clip from a quarter of a second before the first frame of speech to as much behind the last.

    Arguments
    ---------
    wave : Tensor
        Samples, [S], finite.
    sample_rate : int
        Its samples a second.

    Returns
    -------
    slice
        Of the samples; all of them where there is no speech.

    Example
    -------
    >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
    >>> said = torch.from_numpy(speak(plan("test", 3, seed=1)))
    >>> silence = torch.zeros(2 * 16000)
    >>> span = spoken_span(torch.cat([silence, said, silence]))
    >>> abs(span.start - len(silence)) < 8000, abs(span.stop - len(silence) - len(said)) < 8000
    (True, True)
    """
    frames = _frames(wave, sample_rate)
    if not len(frames):
        return slice(0, len(wave))
    with _detector() as detector:
        spoken = (detector.probabilities(frames) >= SPEECH_PROBABILITY).nonzero().flatten()
    if not len(spoken):
        return slice(0, len(wave))
    first, last = (int(spoken[place]) * FRAME_SECONDS for place in (0, -1))
    start, stop = first - AROUND_SECONDS, last + FRAME_SECONDS + AROUND_SECONDS
    return slice(max(0, round(start * sample_rate)), min(len(wave), round(stop * sample_rate)))


def without_silence(wavs: Tensor, samples: Tensor, sample_rate: int = SAMPLE_RATE) -> tuple[Tensor, Tensor]:
    """The clips of a batch, each cut to its :func:`spoken_span`.

    Arguments
    ---------
    wavs : Tensor
        [B, S]
    samples : Tensor
        Valid samples, [B] int64.
    sample_rate : int
        Samples a second.

    Returns
    -------
    tuple of (Tensor, Tensor)
        Clips [B, S'], padded with zeros, and their samples [B].

    Example
    -------
    >>> wavs, samples = without_silence(torch.zeros(2, 16000), torch.tensor([16000, 8000]))
    >>> wavs.shape, samples  # nobody speaks, so nothing is cut
    (torch.Size([2, 16000]), tensor([16000,  8000]))
    """
    clips = [wav[:count] for wav, count in zip(wavs, samples.tolist(), strict=True)]
    clips = [clip[spoken_span(clip, sample_rate)] for clip in clips]
    return pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])


def _frames(wave: Tensor, sample_rate: int) -> Tensor:
    """A clip at the usual level in the network's frames, [F, 512]; none of silence."""
    wave = resampled(wave.detach().cpu().float(), sample_rate, SAMPLE_RATE, "the clip")
    wave = wave - wave.mean()
    level = wave.square().mean().sqrt()
    if level == 0:
        return wave.new_zeros(0, FRAME_SAMPLES)
    wave = (wave * (LEVEL / level)).clamp(-1, 1)
    return torch.nn.functional.pad(wave, (0, -len(wave) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)


@contextmanager
def _detector() -> Iterator[SpeechDetector]:
    """A reset detector that no other thread uses."""
    try:
        detector = _idle.pop()
    except IndexError:
        detector = SpeechDetector()
    detector.forget()
    try:
        yield detector
    finally:
        _idle.append(detector)
