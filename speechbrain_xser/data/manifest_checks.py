"""What is wrong with manifests, told before a model is loaded for them."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain_xser.data.mapped_rows import first_rooted, rows_of
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import ManifestError


def check_manifests(manifests: Sequence[str], data_folder: str | None = None, apart: bool = False) -> None:
    """Reads manifests before a model is loaded for them.

    Arguments
    ---------
    manifests : sequence of str
        Paths of JSONL manifests.
    data_folder : str, optional
        What ``{data_root}`` in them stands for.
    apart : bool
        Whether ids must be unique across all of them.

    Raises
    ------
    ManifestError
        If a manifest is invalid or needs a data folder, or two share an id although ``apart`` is set.

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_manifest
    >>> manifest = tiny_manifest(getfixture("tmp_path"), clips=2)
    >>> check_manifests([manifest, manifest])
    >>> check_manifests([manifest, manifest], apart=True)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.ManifestError: ...train.jsonl: 'train-000' is in another manifest too, ...
    """
    seen: set[str] = set()
    for manifest in manifests:
        rows = rows_of(manifest)
        if data_folder is None and (rooted := first_rooted(rows)) is not None:
            resolve(rooted, None)  # raises
        ids = {row.id for row in rows} if apart else set()
        if shared := seen & ids:
            raise ManifestError(
                f"{manifest}: {min(shared)!r} is in another manifest too, expected unique ids, because all answers "
                "go into one file. Evaluate the manifests one by one."
            )
        seen.update(ids)
