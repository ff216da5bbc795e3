"""Which stage trains at which step, and how far it has come."""

import pytest

from speechbrain_xser.training.schedule import StageSchedule


def stages(schedule, steps_per_epoch):
    return [schedule.turn(step, steps_per_epoch).stage.name for step in range(schedule.epochs * steps_per_epoch)]


def test_alternating_changes_the_stage_every_epoch():
    assert stages(StageSchedule("alternating", 2), 2) == ["asr", "asr", "ser", "ser", "asr", "asr", "ser", "ser"]


def test_two_stage_finishes_the_first_stage_before_the_second():
    assert stages(StageSchedule("two_stage", 2), 1) == ["asr", "asr", "ser", "ser"]


def test_one_stage_trains_the_second_stage_only():
    assert stages(StageSchedule("one_stage", 3), 1) == ["ser"] * 3


def test_turns_counted_in_steps_go_on_across_epochs():
    assert stages(StageSchedule("alternating", 1, steps_per_turn=3), 4) == ["asr"] * 3 + ["ser"] * 3 + ["asr"] * 2


@pytest.mark.parametrize("steps_per_turn", [None, 1, 3, 100])
def test_each_stage_counts_its_own_steps_without_a_gap(steps_per_turn):
    schedule = StageSchedule("alternating", 2, steps_per_turn)
    turns = [schedule.turn(step, 5) for step in range(20)]

    for stage in schedule.stages:
        own = [turn for turn in turns if turn.stage == stage]
        assert [turn.stage_step for turn in own] == list(range(len(own)))
        assert {turn.stage_steps for turn in own} in ({len(own)}, set())


def test_a_schedule_that_cannot_be_says_what_can():
    with pytest.raises(ValueError, match="alternating, two_stage, one_stage"):
        StageSchedule("random")
    with pytest.raises(ValueError, match="at least 1"):
        StageSchedule("alternating", 0)
    with pytest.raises(ValueError, match="needs the order 'alternating'"):
        StageSchedule("two_stage", steps_per_turn=5)
    with pytest.raises(ValueError, match="Unknown stages"):
        StageSchedule(stages=("asr", "nothing"))
