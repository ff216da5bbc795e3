"""``reliability.json`` of a model folder: how often answers of a certain sureness were right; a folder may lack it."""

from __future__ import annotations

import json
from pathlib import Path

from speechbrain_xser.answer.reliability import Reliability, SureBin
from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.model_folder.locate import METADATA, RELIABILITY
from speechbrain_xser.model_folder.plain_files import read_object
from speechbrain_xser.model_folder.weight_checksums import write_checksums
from speechbrain_xser.utils.files import written_beside

MOST_BYTES = 1 << 16
MOST_BINS, MOST_ANSWERS, LONGEST_SOURCE = 100, 10**9, 200


def write_reliability(folder: str | Path, reliability: Reliability) -> None:
    """Writes it into a model folder, whole or not at all, and its checksum into the folder's metadata."""
    content = {"source": reliability.source, "bins": [found._asdict() for found in reliability.bins]}
    with written_beside(Path(folder, RELIABILITY)) as file:
        file.write(json.dumps(content, indent=1) + "\n")
    if Path(folder, METADATA).is_file():  # not yet in a folder that is being written
        write_checksums(folder)


def read_reliability(folder: str | Path) -> Reliability | None:
    """Reads it from a model folder.

    Arguments
    ---------
    folder : str or Path
        A model folder.

    Returns
    -------
    Reliability or None
        None where the folder has none.

    Raises
    ------
    CheckpointError
        If the file is damaged, or holds counts that cannot be.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> write_reliability(folder, Reliability("mine", (SureBin(0.0, 1.0, 10, 7),)))
    >>> read_reliability(folder).of(0.8).right, read_reliability(folder / "elsewhere")
    (7, None)
    """
    path = Path(folder, RELIABILITY)
    if not path.is_file():
        return None
    try:
        content = read_object(path, MOST_BYTES, CheckpointError)
        found = Reliability(content["source"], tuple(SureBin(**one) for one in content["bins"]))
        _check(found)
        return found
    except (CheckpointError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: damaged ({error}), expected counts of right answers; download it again, or remove it"
        ) from error


def _check(found: Reliability) -> None:
    """Refuses what no counting gives."""
    if not (isinstance(found.source, str) and found.source.isprintable() and len(found.source) <= LONGEST_SOURCE):
        raise ValueError(f"a source that is no text of up to {LONGEST_SOURCE} characters")
    if not 0 < len(found.bins) <= MOST_BINS:
        raise ValueError(f"{len(found.bins)} bins, not 1 to {MOST_BINS}")
    if not all(type(count) is int for one in found.bins for count in (one.answers, one.right)):
        raise ValueError("counts that are no whole numbers")
    if not all(type(bound) in (int, float) for one in found.bins for bound in (one.low, one.high)):
        raise ValueError("bounds that are no numbers")
    if not all(0 <= one.right <= one.answers <= MOST_ANSWERS and one.answers for one in found.bins):
        raise ValueError("more right answers than answers, or a bin without one")
    lows, highs = [one.low for one in found.bins], [one.high for one in found.bins]
    if [*lows, 1] != [0, *highs] or not all(one.low < one.high for one in found.bins):
        raise ValueError("bounds that do not rise from 0 to 1 without gaps")
