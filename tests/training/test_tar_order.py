"""Packed clips stream: tars are read in one go, the order is as good as arithmetic says, and resuming is exact."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_xser.data import member
from speechbrain_xser.data.archives import OpenArchives
from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.data.packing import pack
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.errors import CheckpointError, SettingsError
from speechbrain_xser.training.sampler import WindowSampler
from speechbrain_xser.training.tar_order import streamed, tars_of
from tests.training.runner import final_weights, make, tiny_data, tiny_hparams, train_in_process

TARS = [np.arange(first, first + 100) for first in range(0, 4000, 100)]


def order(open_tars, epoch=1):
    return streamed(TARS, open_tars, np.random.default_rng(epoch))


@pytest.mark.parametrize("open_tars", [1, 3, 8, 99])
def test_each_tar_is_read_in_one_go_and_few_are_begun_and_not_ended(open_tars):
    found = order(open_tars)
    assert sorted(found) == list(range(4000)) and order(open_tars, 2).tolist() != found.tolist()

    places = [np.flatnonzero(found // 100 == tar) for tar in range(40)]
    assert all((np.diff(found[place]) == 1).all() for place in places)
    spans = [(place[0], place[-1]) for place in places]
    begun = [sum(first <= step <= last for first, last in spans) for step in range(4000)]
    assert max(begun) == min(open_tars, 40)


@pytest.mark.parametrize("open_tars", [4, 8, 20])
def test_two_clips_in_a_row_are_of_one_tar_as_seldom_as_arithmetic_says_in_all_parts_of_an_epoch(open_tars):
    """Queues of n = 4000 / open_tars clips: one queue with p = (n - 1) / 3999; of two in a row in a queue of tars of
    100, 99 of 100 are in one tar. A full shuffle has 99 / 3999. Bounds are five standard deviations."""
    clips = 4000 / open_tars
    expected = 0.99 * (clips - 1) / 3999

    for part in np.split(order(open_tars) // 100, 4):
        same = np.mean(part[1:] == part[:-1])
        assert abs(same - expected) < 5 * np.sqrt(expected * (1 - expected) / 999)


def neighbours(windows):
    """The share of clips that have a neighbour of their tar in their window."""
    pairs = [abs(one - other) == 1 for window in windows for one in window for other in window]
    return sum(pairs) / sum(map(len, windows))


def sampler(open_tars, epoch=2, offset=0, **values):
    tars = {} if open_tars is None else {"tars": TARS, "open_tars": open_tars}
    work = np.random.default_rng(3).lognormal(5.0, 0.5, 4000).clip(40, 700)
    found = WindowSampler(work, **{"window_size": 8, "seed": 5, "pool_windows": 25, **tars, **values})
    found.start(epoch, offset)
    return found


def test_pools_part_the_neighbours_in_a_tar():
    """A clip's two neighbours are in its pool of 200, and among its window's 7 others of 199: at most 2 x 7 / 199."""
    pooled, unpooled, full = (
        neighbours(list(sampler(open_tars, pool_windows=pool))) for open_tars, pool in ((8, 25), (8, 0), (None, 25))
    )
    assert full < 0.01 < pooled < 2 * 7 / 199 + 5 * np.sqrt(2 * 7 / 199 / 4000)
    assert unpooled > 0.15  # 2 x 7 / 8 / 8, less at a window's borders


@pytest.mark.parametrize("values", [{}, {"window_size": 1, "window_work": 1600.0}])
def test_a_streamed_epoch_has_the_same_windows_on_any_number_of_ranks_and_from_any_offset(values):
    alone = [sorted(window) for window in sampler(8, **values)]

    assert sorted(sum(alone, [])) == list(range(4000))
    assert [sorted(sum(shares, [])) for shares in sampler(8, world_size=3, **values).shares()] == alone
    assert [sorted(window) for window in sampler(8, offset=77, **values)] == alone[77:]


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ({}, 10 + 6 * np.sqrt(10)),  # of a pool of 200, about a twentieth is of one tar
        ({"window_size": 1, "window_work": 1600.0}, 24 + 6 * np.sqrt(24)),  # windows by work reach into two of 236
    ],
)
def test_a_step_back_in_a_tar_is_no_longer_than_its_part_of_a_pool(values, most):
    read = np.concatenate(list(sampler(20, **values)))
    back = [(np.maximum.accumulate(mine) - mine).max() for mine in (read[read // 100 == tar] for tar in range(40))]
    assert max(back) < most


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A manifest of 120 clips in 12 tars of noise, and its folder."""
    folder = tmp_path_factory.mktemp("corpus")
    noise = np.random.default_rng(1)
    for clip in range(120):
        soundfile.write(folder / f"{clip}.wav", noise.uniform(-0.5, 0.5, 800), 16000)
    write_manifest(folder / "train.jsonl", [Utterance(f"c{clip}", f"{clip}.wav") for clip in range(120)])
    packed = pack({"train": folder / "train.jsonl"}, folder / "packed", clips_per_shard=10, workers=1)
    return packed["train"], folder / "packed"


def opens(packed, monkeypatch, open_tars):
    """How often tars are opened in an epoch of windows of 4 and pools of 8, if four may stay open."""
    monkeypatch.setattr(member, "ARCHIVES", archives := OpenArchives(most=4))
    clips = dataset(*packed)
    tars = () if open_tars is None else (tars_of(clips.data[id]["path"] for id in clips.data_ids), open_tars)
    read = [clips[clip]["id"] for window in WindowSampler([1.0] * 120, 4, 1, 2, None, 0, 1, *tars) for clip in window]
    assert len(set(read)) == 120
    return archives.opens


def test_an_epoch_opens_each_tar_once_where_a_full_shuffle_opens_one_for_most_clips(packed, monkeypatch):
    """Of twelve tars four are open, so two of three clips of a full shuffle open one: 80 of 120, less 5 deviations."""
    assert opens(packed, monkeypatch, open_tars=2) == 12
    assert opens(packed, monkeypatch, open_tars=None) > 80 - 5 * np.sqrt(120 * 2 / 9)


def test_an_archive_that_is_replaced_or_cut_is_opened_again(tmp_path):
    archives, path = OpenArchives(), tmp_path / "a.tar"
    path.write_bytes(b"before")
    assert archives.read(path, 0, 6) == b"before"
    (tmp_path / "b.tar").write_bytes(b"behind")
    (tmp_path / "b.tar").replace(path)

    assert archives.read(path, 0, 6) == b"behind"
    path.write_bytes(b"be")
    assert archives.read(path, 0, 6) == b"be"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        archives.read(path, 0, 6)


def test_no_more_archives_stay_open_than_allowed(tmp_path):
    archives = OpenArchives(most=2)
    for name in "abcab":
        (tmp_path / name).write_bytes(name.encode())
        assert archives.read(tmp_path / name, 0, 1) == name.encode()
    assert archives.opens == 5
    archives.read(tmp_path / "a", 0, 1)
    assert archives.opens == 5


def test_clips_that_are_no_tar_are_refused():
    with pytest.raises(SettingsError, match="open_tars streams clips from tars, and b.wav is a file of its own"):
        tars_of(["a.tar#512+9", "b.wav"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Seven clips in three tars."""
    folder = tmp_path_factory.mktemp("data")
    data = tiny_data(folder)
    manifest = pack({"train": data["train_manifest"]}, folder / "packed", clips_per_shard=3, workers=1)["train"]
    valid = pack({"valid": data["valid_manifest"]}, folder / "packed_valid", clips_per_shard=3, workers=1)["valid"]
    return {**data, "train_manifest": manifest, "valid_manifest": valid}


@pytest.mark.training
def test_a_killed_run_that_streams_ends_with_the_weights_of_one_that_was_not(data, tmp_path):
    for manifest in ("train", "valid"):
        data = {**data, f"{manifest}_manifest": placed(data[f"{manifest}_manifest"], tmp_path / f"{manifest}.jsonl")}
    whole, killed = (tiny_hparams(data, tmp_path / name, open_tars=2) for name in ("whole", "killed"))
    assert train_in_process(whole) == 0
    assert train_in_process(killed, 3) == -9
    assert train_in_process(killed) == 0

    expected, found = final_weights(tmp_path / "whole"), final_weights(tmp_path / "killed")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)

    brain, loaders = make(tiny_hparams(data, tmp_path / "whole", open_tars=1))
    with pytest.raises(CheckpointError, match="open_tars: checkpoint has 2, this run 1"):
        brain.fit(loaders.train)


def placed(manifest, path):
    """The manifest with absolute paths."""
    path.write_text(Path(manifest).read_text("utf-8").replace("{data_root}", str(Path(manifest).parent)), "utf-8")
    return path
