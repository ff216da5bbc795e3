"""A job for tests of processes, which loads nothing: a shard's work is to leave a file of its number."""

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.batch.shard_report import ShardReport


class LightJob(NamedTuple):
    """Says what workers do at a shard's number."""

    folder: str
    processes: int = 1
    deadly: int | None = None  # their end
    endless: int | None = None  # nothing any more

    def worker(self, place: int):
        Path(self.folder, f"worker-{place}-{os.getpid()}").touch()
        return self.done

    def done(self, shard) -> ShardReport:
        if shard.number == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.endless is not None:
            Path(tempfile.mkdtemp(prefix="xser-shard-"), "shard.tar").write_bytes(bytes(9))
        while shard.number == self.endless:
            time.sleep(0.1)
        Path(self.folder, f"shard-{shard.number}").touch()
        return ShardReport(shard.number, clips=1)
