"""Batches in an order that only seed and epoch decide."""

import pytest

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.training.sampler import WindowSampler

SECONDS = [float(index % 13) + 0.1 * index for index in range(101)]


def windows(epoch=1, offset=0, **values):
    sampler = WindowSampler(SECONDS, **{"window_size": 8, "seed": 5, "pool_windows": 4, **values})
    sampler.start(epoch, offset)
    return list(sampler)


@pytest.mark.parametrize("pool_windows", [0, 4])
def test_an_epoch_has_every_utterance_once_and_another_epoch_another_order(pool_windows):
    first, second = (windows(epoch, pool_windows=pool_windows) for epoch in (1, 2))

    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(101))
    assert first != second
    assert first == windows(1, pool_windows=pool_windows)


def test_a_resumed_epoch_goes_on_with_the_windows_that_were_left():
    assert windows(3, offset=5) == windows(3)[5:]


def test_windows_of_similar_length_waste_less_on_padding_than_random_ones():
    def padding(batches):
        return sum(max(SECONDS[i] for i in batch) * len(batch) - sum(SECONDS[i] for i in batch) for batch in batches)

    assert padding(windows()) < 0.5 * padding(windows(pool_windows=0))


@pytest.mark.parametrize("count", [101, 96, 97, 5])
def test_ranks_have_equally_many_windows_none_empty_and_share_every_utterance_once(count):
    shares = []
    for rank in range(5):
        sampler = WindowSampler(SECONDS[:count], window_size=4, seed=1, rank=rank, world_size=5)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1])

    assert len({len(share) for share in shares}) == 1
    assert all(window for share in shares for window in share)
    assert sorted(index for share in shares for window in share for index in window) == list(range(count))


def test_less_data_than_ranks_is_refused():
    with pytest.raises(TrainingError, match="2 utterances cannot be shared by 3 ranks"):
        WindowSampler([1.0, 1.0], window_size=1, seed=0, world_size=3)
