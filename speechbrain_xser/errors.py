"""Every error that this package raises on purpose, in one vocabulary.

A message says which file or utterance, what was found, what was expected and what to do. The price of one
hierarchy is one import; what it buys is that a caller can catch :class:`XserError` and nothing else.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager


class XserError(Exception):
    """Base of all errors of this package.

    Example
    -------
    >>> issubclass(AudioError, XserError)
    True
    """


class AudioError(XserError, ValueError):
    """An audio file or waveform cannot be used: missing, empty, not audio, truncated, NaN, too short or too long."""


class FetchError(AudioError):
    """A sound file did not arrive: the network, the server or the disk failed, and another try may go better."""


class ManifestError(XserError, ValueError):
    """A manifest or one of its records is wrong: unknown label, duplicate id, missing field."""


class LabelError(ManifestError):
    """A label is outside its vocabulary."""


class PromptError(XserError, ValueError):
    """A prompt cannot be built: missing slot, or longer than the decoder's context."""


class BackboneError(XserError, ValueError):
    """A backbone cannot be found, or is not the one that a trained folder was made with."""


class CheckpointError(XserError, RuntimeError):
    """A checkpoint or model folder does not fit this model; the message lists the differing keys."""


class UnsafeModelError(XserError, ValueError):
    """A model folder asks for something that is never run or opened: foreign classes, code, pickles, paths outside."""


class TrainingError(XserError, RuntimeError):
    """Training cannot go on: too many non-finite batches or unreadable clips."""


class LostRankError(TrainingError):
    """Another rank has ended; this one has no error of its own."""


class OutOfMemoryError(XserError, RuntimeError):
    """Memory ran out while a model was loaded or used; in a training it is a :class:`TrainingError`."""


class SettingsError(XserError, ValueError):
    """A recipe's YAML or a value of the command line is wrong: an unknown key, a number that is none."""


class VersionError(XserError, ImportError):
    """An installed library is outside the range that this package was tested with."""


class MetricError(XserError, RuntimeError):
    """A metric cannot be computed: Java or jars are missing, ids do not fit, a reference is empty."""


class ReproductionError(XserError):
    """A table cannot be made: an unknown row, a run that failed, or results of other values."""


class ProbeError(XserError, RuntimeError):
    """Branches cannot be probed: too few clips, no labels, or scikit-learn is missing."""


class BatchError(XserError, RuntimeError):
    """Work on shards cannot begin or end: an unreachable path, another plan than before, shards that failed."""


class JournalError(XserError, RuntimeError):
    """A file that keeps what was found cannot be used: another program's, damaged, held by another run, no room."""


class BusyError(XserError, RuntimeError):
    """A server has as much to do as it takes at once, or is ending.

    Example
    -------
    >>> BusyError("16 requests are ahead", 11.2).retry_seconds
    12
    """

    def __init__(self, reason: str, seconds: float) -> None:
        self.retry_seconds = max(1, math.ceil(seconds))
        super().__init__(f"Busy: {reason}. Try again in {self.retry_seconds} s.")


class AbandonedError(XserError, RuntimeError):
    """Nobody waits any longer for what a server was asked to do."""


class PublishingError(XserError, RuntimeError):
    """A folder cannot be put on the hub: offline, no token, no right to write there, or a name that is none."""


def is_panic(error: BaseException) -> bool:
    """Whether a library in Rust has panicked, which Python sees as no ordinary exception.

    Example
    -------
    >>> is_panic(KeyboardInterrupt()), is_panic(type("PanicException", (BaseException,), {})())
    (False, True)
    """
    return type(error).__name__ == "PanicException"


@contextmanager
def told_as(name: str, path: str) -> Iterator[None]:
    """An :class:`AudioError` names a file as a person knows it, not by where it lies.

    Example
    -------
    >>> with told_as("a.wav", "/uploads/1f/a.wav"):
    ...     raise AudioError("/uploads/1f/a.wav: 0 bytes.")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.AudioError: a.wav: 0 bytes.
    """
    try:
        yield
    except AudioError as error:
        raise type(error)(str(error).replace(path, name)) from error
