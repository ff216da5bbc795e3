"""flite (Black & Lenzo, 2001), called as a program: one process a sentence, about 50 ms."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.errors import AudioError, SettingsError

REMEDY = "Install Debian's flite, or give its path."
SECONDS = 600.0  # for a sentence: on a busy machine it can take long, a hang takes for ever


class Flite:
    """One of flite's voices.

    Arguments
    ---------
    voice : str
        One that ``flite -lv`` lists. Another would be spoken by flite's first voice without a word, so it is refused.
    rate : float
        Factor of the voice's own.
    pitch_hertz : float or None
        Mean F0; None for the voice's own. rms has no other.
    program : str
        A path, or a name that is looked up.
    seconds : float
        Longest time for a sentence.

    Raises
    ------
    SettingsError
        If the program is missing, cannot be run, or does not have the voice.

    Example
    -------
    >>> Flite("slt", program="no-flite")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.SettingsError: no-flite cannot be run (...). Install Debian's flite, or give its path.
    """

    def __init__(
        self,
        voice: str,
        rate: float = 1.0,
        pitch_hertz: float | None = None,
        program: str = "flite",
        seconds: float = SECONDS,
    ):
        if voice not in (there := _voices(program)):
            raise SettingsError(f"{program} has no voice {voice!r}, but {', '.join(there) or 'none'}. {REMEDY}")
        self.seconds = seconds
        self.command = [program, "-voice", voice, "--setf", f"duration_stretch={1 / rate:.4f}"]
        if pitch_hertz is not None:
            self.command += ["--setf", f"int_f0_target_mean={pitch_hertz:.1f}"]

    def say(self, text: str) -> Tensor:
        """Speaks a text.

        Arguments
        ---------
        text : str
            Plain English.

        Returns
        -------
        Tensor
            [S] float32, 16 kHz.

        Raises
        ------
        AudioError
            If flite fails, takes too long, or leaves no whole file.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "said.wav")
            told = _run([*self.command, "-t", text, "-o", str(path)], self.seconds, text)
            try:
                return load_audio(path)
            except AudioError as error:
                raise AudioError(f"{self.command[0]} wrote no whole file of {text!r}: {told}. {REMEDY}") from error

    def close(self) -> None:
        """Nothing is running."""


@cache
def _voices(program: str) -> tuple[str, ...]:
    """What ``flite -lv`` lists: ``Voices available: kal awb_time kal16 awb rms slt``."""
    try:
        done = subprocess.run([program, "-lv"], capture_output=True, text=True, timeout=SECONDS, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{program} cannot be run ({_reason(error)}). {REMEDY}") from error
    return tuple(done.stdout.rpartition(":")[2].split())


def _run(command: list[str], seconds: float, text: str) -> str:
    """What a program that ended well says, in one line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudioError(f"{command[0]} did not speak {text!r} ({_reason(error)}). {REMEDY}") from error
    told = " ".join((done.stderr or done.stdout).split()) or "it says nothing"
    if done.returncode != 0:
        raise AudioError(f"{command[0]} failed on {text!r} with code {done.returncode}: {told}. {REMEDY}")
    return told


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no end after {error.timeout:g} s"
    return getattr(error, "strerror", None) or str(error)
