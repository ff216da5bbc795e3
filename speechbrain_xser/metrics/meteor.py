"""METEOR by pycocoevalcap's Java program, which is started once per process.

It takes some seconds to load its tables, and a report scores many systems. A fork gets its own program. A program that
failed is discarded, because its next answer could belong to the question before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from pycocoevalcap.meteor.meteor import Meteor

from speechbrain_xser.metrics.java import java_path
from speechbrain_xser.utils.locks import ProcessLock

_lock = ProcessLock()
_started: dict[int, Meteor] = {}  # by process


def meteor_scores(
    references: Mapping[str, Sequence[str]], hypotheses: Mapping[str, Sequence[str]]
) -> tuple[float, list[float]]:
    """Scores tokenised descriptions, 0 to 1, for the corpus and for each utterance; it needs Java.

    ``references`` has several descriptions for each utterance and ``hypotheses`` one, in the same order.
    Source: METEOR 1.5 (Denkowski and Lavie, 2014, WMT).
    """
    java_path()
    with _lock:
        program = _started.pop(os.getpid(), None)
        if program is None or program.meteor_p.poll() is not None:
            program = Meteor()
        try:
            found = program.compute_score(references, hypotheses)
        except BaseException:
            if program.lock.locked():  # otherwise its destructor would wait for the lock
                program.lock.release()
            raise
        _started[os.getpid()] = program
    return found
