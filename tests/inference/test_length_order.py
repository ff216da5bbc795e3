"""Many clips by their length: which are together, which place each keeps, and when each is read."""

import pytest
import torch

from speechbrain_xser.inference.length_order import explain_by_length


class Recorder:
    """Says how many samples each row has; keeps the shape of each batch and the options that it was given."""

    def __init__(self):
        self.shapes, self.options = [], None

    def explain_batches(self, batches, **options):
        self.options = options
        for wavs, shares in batches:
            self.shapes.append(tuple(wavs.shape))
            yield [round(wavs.shape[1] * share) for share in shares.tolist()]


def explained(lengths, batch_size, read=torch.ones, **options):
    recorder, by_place = Recorder(), dict(enumerate(lengths))
    found = explain_by_length(recorder, by_place, lambda place: read(lengths[place]), batch_size, **options)
    return list(found), recorder


def test_short_clips_come_first_and_each_keeps_its_place():
    found, recorder = explained([9, 3, 7, 5, 11], 2)
    assert found == [(1, 3), (3, 5), (2, 7), (0, 9), (4, 11)]
    assert recorder.shapes == [(2, 5), (2, 9), (1, 11)]


def test_clips_of_one_length_stay_in_their_order():
    assert [place for place, _ in explained([4, 4, 2, 4], 3)[0]] == [2, 0, 1, 3]


@pytest.mark.parametrize("left_out", [{3}, {3, 5}, {3, 5, 7, 9, 11}])
def test_a_clip_that_is_left_out_is_in_no_batch_and_moves_no_other(left_out):
    lengths = [9, 3, 7, 5, 11]
    found, recorder = explained(lengths, 2, lambda length: None if length in left_out else torch.ones(length))
    assert dict(found) == {place: length for place, length in enumerate(lengths) if length not in left_out}
    assert sum(rows for rows, _ in recorder.shapes) == len(found) and all(rows for rows, _ in recorder.shapes)


def test_a_clip_is_read_when_its_batch_is_asked_for():
    read = []
    found = explain_by_length(Recorder(), dict.fromkeys(range(6), 4), lambda n: read.append(n) or torch.ones(4), 2)
    next(found)
    assert read == [0, 1]


def test_the_recogniser_is_told_how_many_batches_go_together_and_whether_to_look_for_speech():
    assert explained([2], 1)[1].options == {"joined": 8, "speech_check": None, "unknown": None}
    given = {"joined": 4, "speech_check": False, "unknown": True}
    assert explained([2], 1, **given)[1].options == given


def test_no_clips_are_no_batches():
    found, recorder = explained([], 2)
    assert found == [] and recorder.shapes == []
