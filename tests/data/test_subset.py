"""Clips are drawn by the checksum of their ids; its values for single letters are published."""

from pathlib import Path

import pytest

from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.data.subset import sampled_batches
from speechbrain_xser.errors import TrainingError
from speechbrain_xser.testing import tiny_manifest


def test_clips_are_drawn_by_the_checksum_of_their_ids_and_not_by_their_place(tmp_path):
    """CRC-32 of a is e8b7be43, of b 71beeff9, of c 06b9df6f."""
    rows = read_manifest(tiny_manifest(tmp_path, clips=3))
    named = [row._replace(id=name) for row, name in zip(rows, "abc", strict=True)]
    manifests = [write(tmp_path / f"{place}.jsonl", order) for place, order in enumerate((named, named[::-1]))]
    for manifest in manifests:
        [batch] = sampled_batches(manifest, str(tmp_path), 30.0, limit=2)
        assert [utterance.id for utterance in batch.utterances] == ["c", "b"]


def test_unreadable_clips_are_left_out_up_to_a_share(tmp_path):
    """A finished training draws clips for its mean voice, and has judged before how many may be unreadable."""
    first, second, third = read_manifest(tiny_manifest(tmp_path, clips=3))
    rows = [first._replace(wav="lost.wav"), second._replace(wav="gone.wav"), third]
    manifest = write(tmp_path / "lost.jsonl", rows)
    with pytest.raises(TrainingError, match="2 of 3 clips cannot be read; at most 1"):
        list(sampled_batches(manifest, str(tmp_path), 30.0))
    [batch] = sampled_batches(manifest, str(tmp_path), 30.0, max_unreadable=1.0)
    assert batch.ids == (third.id,)


def write(path: Path, rows: list) -> str:
    write_manifest(path, rows)
    return str(path)
