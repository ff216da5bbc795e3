"""Speech for tests of commands: a sentence of the embedded corpus, and the packaged model."""

from pathlib import Path

import numpy as np
import soundfile

from speechbrain_xser.data.synthetic import corpus

RATE = corpus.SAMPLE_RATE


def sentence(number: int = 0) -> np.ndarray:
    """Samples of a sentence that is not in the packaged model's training data, [S], 16 kHz."""
    return corpus.speak(corpus.plan("test", number, 1))


def write_speech(path: Path, number: int = 0, seconds: float | None = None) -> Path:
    """A wav of a sentence, truncated if ``seconds`` is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sentence(number)[: None if seconds is None else round(seconds * RATE)], RATE)
    return path
