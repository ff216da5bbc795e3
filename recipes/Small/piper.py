"""Piper (OHF-Voice/piper1-gpl), called as a program of its own environment: this package never imports it.

One process speaks line after line, since loading its model takes a second or two. Its noise is off, so a sentence is
the same each time. It answers each line with the name of a file that is complete.
"""

from __future__ import annotations

import subprocess
from collections import deque
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from threading import Thread

from torch import Tensor

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.errors import AudioError, SettingsError

REMEDY = "Install piper-tts in an environment of its own, and give the path of its program and of a model."
SECONDS = 600.0  # for the model and a sentence: on a busy machine they take minutes, a hang takes for ever
WROTE = "Wrote "  # before the name of a complete file, in piper-tts's log
LAST_LINES = 3  # of its log, told when it fails


class Piper:
    """A voice of Piper.

    Arguments
    ---------
    program : str
        The command ``piper`` of piper-tts 1.3 or newer.
    model : str
        An ONNX file of a voice, with its JSON beside it.
    rate : float
        Factor of the voice's own.
    seconds : float
        Longest time for a sentence.

    Raises
    ------
    SettingsError
        If the program or the model is missing.

    Example
    -------
    >>> Piper("piper", "nowhere.onnx")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.SettingsError: Piper's model nowhere.onnx is not there. Install piper-tts in an \
environment of its own, and give the path of its program and of a model.
    """

    def __init__(self, program: str | None, model: str | None, rate: float = 1.0, seconds: float = SECONDS):
        for path in (model, f"{model}.json"):
            if model is None or not Path(path).is_file():
                raise SettingsError(f"Piper's model {path} is not there. {REMEDY}")
        self.program, self.seconds = program, seconds
        self.folder = TemporaryDirectory()
        noiseless = ["--noise-scale", "0", "--noise-w-scale", "0"]
        command = [program, "-m", model, "-d", self.folder.name, "--length-scale", f"{1 / rate:.4f}", *noiseless]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, bufsize=1
            )
        except OSError as error:
            self.folder.cleanup()
            raise SettingsError(f"{program} cannot be run ({error.strerror}). {REMEDY}") from error
        self.log: Queue[str | None] = Queue()
        Thread(target=_listen, args=(self.process.stderr, self.log), daemon=True).start()

    def say(self, text: str) -> Tensor:
        """Speaks a text.

        Arguments
        ---------
        text : str
            Plain English, one line.

        Returns
        -------
        Tensor
            [S] float32, 16 kHz.

        Raises
        ------
        AudioError
            If Piper ends, takes too long, or leaves no whole file. It is closed then.
        """
        try:
            with suppress(OSError):  # it has ended, and its log says why
                self.process.stdin.write(" ".join(text.split()) + "\n")
            path = self._written(text)
            wave = load_audio(path)
        except AudioError:
            self.close()
            raise
        path.unlink()
        return wave

    def _written(self, text: str) -> Path:
        """Waits for the name of a complete file."""
        last: deque[str] = deque(maxlen=LAST_LINES)
        while True:
            try:
                line = self.log.get(timeout=self.seconds)
            except Empty:
                raise AudioError(f"{self.program}: no sound of {text!r} after {self.seconds:g} s. {REMEDY}") from None
            if line is None:
                told = " ".join(" ".join(last).split()) or "it says nothing"
                raise AudioError(f"{self.program} ended before it spoke {text!r}: {told}. {REMEDY}")
            if WROTE in line:
                return Path(line.partition(WROTE)[2].strip())
            last.append(line)

    def close(self) -> None:
        """Ends the program and removes its files."""
        self.process.kill()
        self.process.wait()
        with suppress(OSError):  # of what it did not read
            self.process.stdin.close()
        self.folder.cleanup()


def _listen(stream, log: Queue[str | None]) -> None:
    """Hands on a program's lines, and that they end."""
    with stream:
        for line in stream:
            log.put(line)
    log.put(None)
