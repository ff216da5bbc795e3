"""A recogniser of arithmetic answers, a loudness detector, and recordings with known speech."""

from types import SimpleNamespace

import numpy as np
import torch

from speechbrain_xser.answer import Descriptors
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.record import EMOTIONS

RATE = 16000


class Stub:
    """Answers the number of samples of each row; records the rows of each call."""

    reliability = None

    def __init__(self, max_seconds=30.0):
        self.hparams = SimpleNamespace(max_seconds=max_seconds, emotions=list(EMOTIONS))
        self.rows = []  # of each batch

    def explain_batches(self, batches, joined=8, speech_check=None, unknown=None):
        for wavs, shares in batches:
            self.rows.append(len(wavs))
            yield [
                self._explain(wav[: round(len(wav) * share)]) for wav, share in zip(wavs, shares.tolist(), strict=True)
            ]

    def _explain(self, wav):
        share = len(wav) % 1000 / 1000
        probabilities = dict.fromkeys(EMOTIONS, 0.0) | {"sad": share, "angry": 1 - share}
        words = f"{len(wav)} samples, peak {wav.abs().max():.4f}"
        return Explanation(
            f"A man says {words}.", words, Descriptors(gender="male", emphasis=("never",)), "sad", probabilities
        )


class Loudness:
    """Any sound louder than a hundredth of full scale is speech."""

    def probabilities(self, frames):
        return (frames.abs().amax(dim=1) > 0.01).float()


def tones(*seconds, rate=RATE, hertz=440.0):
    """Alternating silence and tone of the given seconds; silence comes first."""
    parts = []
    for place, length in enumerate(seconds):
        time = np.arange(round(length * rate)) / rate
        parts.append(0.3 * np.sin(2 * np.pi * hertz * time) * (place % 2))
    return np.concatenate(parts).astype("float32")


def frames(probabilities, levels=None):
    """Frames with the given probabilities, at one level unless given."""
    from speechbrain_xser.timeline.cutting import Frame

    return [Frame(*pair) for pair in zip(probabilities, levels or [0.1] * len(probabilities), strict=True)]


def spans(cutting, given):
    """All spans of a stream of frames."""
    from speechbrain_xser.timeline.cutting import Cutter

    cutter = Cutter(cutting)
    return [span for frame in given for span in cutter.push(frame)] + cutter.flush(len(given) * 512)


def samples(recording):
    """All of a recording."""
    return torch.cat([torch.zeros(0), *recording.blocks()])
