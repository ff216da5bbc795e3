"""METEOR through pycocoevalcap's Java program, which is started once for all scorings of a process.

It takes some seconds to load its tables, and a report scores many systems. A fork gets a program of its own, and one
that failed is given up, since its answers could belong to the question before.
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
    """Scores tokenised descriptions.

    Source: METEOR 1.5 (Denkowski and Lavie, 2014, WMT).

    Arguments
    ---------
    references : mapping of str to sequence of str
        Some by utterance, tokens with spaces between them.
    hypotheses : mapping of str to sequence of str
        One by utterance, in the same order.

    Returns
    -------
    tuple of (float, list of float)
        Of the corpus, and of each utterance, 0 to 1.

    Raises
    ------
    MetricError
        If Java is missing.

    Example
    -------
    >>> meteor_scores({"a": ["a man speaks"]}, {"a": ["a man speaks"]})[1]  # doctest: +SKIP
    [1.0]
    """
    java_path()
    with _lock:
        program = _started.pop(os.getpid(), None)
        if program is None or program.meteor_p.poll() is not None:
            program = Meteor()
        try:
            found = program.compute_score(references, hypotheses)
        except BaseException:
            if program.lock.locked():  # or its end would wait for it
                program.lock.release()
            raise
        _started[os.getpid()] = program
    return found
