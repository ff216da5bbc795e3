"""Work for tests: a row with a clip's name, and a worker that dies at a clip if it is told to."""

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow

from speechbrain_xser.batch.shard_worker import ShardWorker
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.errors import AudioError, SettingsError


class NameWork(NamedTuple):
    """Rows of id, samples and error."""

    deadly: str | None = None  # a clip whose worker is killed
    once: str | None = None  # a file: with one, only the first worker is killed
    refused: bool = False  # whether nothing can be loaded
    deaths: str | None = None  # a file that gets a byte for each worker that is killed
    weights: str | None = None

    def load(self, place: int = 0, processes: int = 1):
        if self.refused:
            raise SettingsError("no such model")
        return lambda clips: list(map(self.row, clips))

    def schema(self) -> pyarrow.Schema:
        return pyarrow.schema({"id": pyarrow.string(), "samples": pyarrow.int64(), "error": pyarrow.string()}.items())

    def __repr__(self) -> str:
        return f"NameWork({self.deadly})"

    def fingerprint(self) -> str | None:
        return self.weights

    def row(self, one) -> dict:
        clip, known = one.clip, one.utterance
        if self.deadly is not None and known.id.endswith(self.deadly):
            if self.once is None or not Path(self.once).exists():
                Path(self.once or os.devnull).touch()
                with Path(self.deaths or os.devnull).open("ab") as file:
                    file.write(b".")
                os.kill(os.getpid(), signal.SIGKILL)
        try:
            if clip.fault is not None:
                raise AudioError(clip.fault)
            return {"id": known.id, "samples": len(load_audio(clip.path, clip.start, clip.stop)), "error": None}
        except AudioError as error:
            return {"id": known.id, "samples": None, "error": str(error)}


def in_this_process(job, shards):
    """An engine without processes."""
    return map(ShardWorker(job), shards)


class SlowWork(NameWork):
    """The same with half a second for each clip; leaves a file for each worker and each clip in a folder."""

    def __new__(cls, marks: str):
        return super().__new__(cls, deaths=marks)

    def load(self, place: int = 0, processes: int = 1):
        Path(self.deaths, f"loaded-{os.getpid()}").touch()
        return super().load(place, processes)

    def row(self, one) -> dict:
        time.sleep(0.5)
        Path(self.deaths, f"done-{Path(one.clip.path).name}-{os.getpid()}").touch()
        return super().row(one)

    def __reduce__(self):
        return SlowWork, (self.deaths,)
