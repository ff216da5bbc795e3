"""Explainable speech emotion recognition on SpeechBrain: transcript, speech descriptors and emotion in one paragraph.

Importing the package checks the installed versions and imports nothing heavy; the recogniser is loaded when it is
first asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from speechbrain_xser.errors import VersionError
from speechbrain_xser.versions import check_versions, end_in_one_line

try:
    check_versions()
except VersionError:
    end_in_one_line()
    raise

_LAZY = {
    "ExplainableEmotionRecognizer": "speechbrain_xser.inference.recognizer",
    "Explanation": "speechbrain_xser.answer.explanation",
    "pipeline": "speechbrain_xser.inference.sound_pipeline",
}
__all__ = ["SMALL", "TINY", "packaged_model", *_LAZY]

SMALL, TINY = "small", "tiny"  # the packaged models' short names, wherever a model is named


def packaged_model(name: str = TINY) -> str:
    """Path of a trained model that comes with the package.

    Arguments
    ---------
    name : str
        ``small``: for real speech; ``xser setup small`` brings its backbones. ``tiny``: for showing and testing.

    Returns
    -------
    str
        A folder for ``ExplainableEmotionRecognizer.from_hparams``.

    Example
    -------
    >>> Path(packaged_model("small")).name, Path(packaged_model()).name
    ('xser-small', 'xser-tiny')
    """
    return str(Path(__file__).parent / "packaged" / f"xser-{name}")


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
