"""Batches in an order that only seed and epoch decide."""

import numpy as np
import pytest

from speechbrain_xser.errors import SettingsError
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
@pytest.mark.parametrize("values", [{"window_size": 20}, {"window_size": 1, "window_work": 200.0}])
def test_any_number_of_ranks_takes_the_same_windows_in_the_same_order(count, values):
    def shares(ranks):
        given = {"work": SECONDS[:count], "seed": 1, "world_size": ranks, **values}
        samplers = [WindowSampler(rank=rank, **given) for rank in range(ranks)]
        assert {len(sampler) for sampler in samplers} == {len(list(samplers[0]))}
        return [sorted(sum(window, [])) for window in zip(*samplers, strict=True)]

    assert sorted(sum(shares(1), [])) == list(range(count))
    assert shares(2) == shares(5) == shares(8) == shares(1)


def test_at_the_paper_s_size_eight_ranks_take_the_windows_of_one_process():
    """670,070 utterances in steps of eight: 83,759 windows on any number of ranks, the last one of six."""
    work = np.random.default_rng(7).lognormal(5.0, 0.5, 670_070)
    alone, ranks = (WindowSampler(work, 8, seed=1986, pool_windows=50, world_size=count) for count in (1, 8))

    assert len(alone) == len(ranks) == 83_759
    for sampler in (alone, ranks):
        sampler.start(3, offset=83_700)
    pairs = list(zip(alone.shares(), ranks.shares(), strict=True))
    assert len(pairs) == 59
    assert all(sorted(one[0]) == sorted(sum(shared, [])) for one, shared in pairs)
    assert {len(sum(shared, [])) for _, shared in pairs} <= {8, 6}


def test_a_pass_may_be_divided_into_epochs_that_have_every_utterance_once_before_the_next_pass():
    """13 windows in thirds: from 0, 4 and 8, five each, so that the first two share their last window with the next."""
    whole, thirds = windows(), [windows(epoch, epochs_a_pass=3) for epoch in (1, 2, 3, 4)]
    assert thirds[:3] == [whole[0:5], whole[4:9], whole[8:13]]
    assert thirds[3] == windows(2)[0:5]
    assert windows(2, offset=3, epochs_a_pass=3) == whole[7:9]
    assert len(WindowSampler(SECONDS, 8, 5, epochs_a_pass=3)) == 5


def test_more_epochs_a_pass_than_steps_are_refused():
    with pytest.raises(SettingsError, match="epochs_a_pass is 6, and a pass has 5 steps"):
        WindowSampler([1.0] * 9, window_size=2, seed=0, epochs_a_pass=6)


def test_a_window_that_the_ranks_cannot_share_is_refused():
    with pytest.raises(SettingsError, match="is 2 utterances a step, which 3 ranks cannot share"):
        WindowSampler([1.0] * 9, window_size=2, seed=0, world_size=3)


LENGTHS = np.random.default_rng(3).lognormal(5.0, 0.5, 2000).clip(40, 700).tolist()  # tokens, as of GigaSpeech


def by_work(epoch=1, offset=0, **values):
    sampler = WindowSampler(LENGTHS, window_size=8, seed=5, **{"pool_windows": 20, "window_work": 1600.0, **values})
    sampler.start(epoch, offset)
    return sampler, list(sampler)


@pytest.mark.parametrize("pool_windows", [0, 20])
def test_windows_by_work_have_the_same_work_and_every_utterance_once(pool_windows):
    sampler, windows = by_work(pool_windows=pool_windows)

    assert sorted(sum(windows, [])) == list(range(2000)) and len(windows) == len(sampler)
    work = [sum(LENGTHS[index] for index in window) for window in windows]
    assert max(work) < 1600 + max(LENGTHS) and max(abs(one - 1600) for one in work) < max(LENGTHS)
    assert max(map(len, windows)) > 2 * min(map(len, windows)) or pool_windows == 0


def test_windows_by_work_are_as_many_in_every_epoch_and_go_on_where_they_were():
    (sampler, first), (_, second) = by_work(1), by_work(2)

    assert len(first) == len(second) == len(sampler) and first != second
    assert by_work(2, offset=7)[1] == second[7:]


def test_ranks_share_a_window_by_work():
    shares = [by_work(window_work=6400.0, rank=rank, world_size=4)[1] for rank in range(4)]

    balance = []
    for window in zip(*shares, strict=True):
        loads = [sum(LENGTHS[index] for index in share) for share in window]
        balance.append(np.mean(loads) / max(loads))
    assert np.mean(balance) >= 0.95
    assert sorted(index for share in shares for window in share for index in window) == list(range(2000))


def test_eight_utterances_a_rank_are_shared_by_work_too():
    shares = [list(WindowSampler(LENGTHS, 16, seed=5, pool_windows=0, rank=rank, world_size=2)) for rank in range(2)]

    loads = np.array([[sum(LENGTHS[index] for index in window) for window in share] for share in shares])
    assert (loads.mean(0) / loads.max(0)).mean() >= 0.95


def test_a_window_with_less_work_than_an_utterance_is_refused():
    with pytest.raises(SettingsError, match="batch_tokens .* is 100, and the longest utterance has about"):
        by_work(window_work=100.0)
