"""The packaged model, clips of the embedded corpus, and files that no page can use."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.synthetic.corpus import plan, speak
from speechbrain_xser.inference import ExplainableEmotionRecognizer

RATE = 16000


@pytest.fixture(scope="session")
def recognizer(packaged) -> ExplainableEmotionRecognizer:
    return packaged


@pytest.fixture(scope="session")
def spoken(tmp_path_factory) -> list[Path]:
    """Two clips with different words."""
    folder = tmp_path_factory.mktemp("spoken")
    return [written(folder / f"clip{number}.wav", speak(plan("test", number, seed=1))) for number in (7, 10)]


@pytest.fixture(scope="session")
def recording(tmp_path_factory) -> Path:
    """Two sentences with a pause of two seconds between them."""
    clips = [speak(plan("test", number, seed=1)) for number in (3, 10)]
    samples = np.concatenate([clips[0], np.zeros(2 * RATE, "float32"), clips[1]])
    return written(tmp_path_factory.mktemp("recording") / "meeting.wav", samples)


def written(path: Path, samples) -> Path:
    soundfile.write(path, samples, RATE)
    return path


def copied(path: Path, folder: Path) -> Path:
    """An upload: a file that may be removed."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy


def files_below(folder: Path) -> list[Path]:
    """The files below a folder that have content."""
    return [path for path in Path(folder).rglob("*") if path.is_file() and path.stat().st_size]
