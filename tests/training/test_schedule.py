"""Which stage trains at which step, and how far it has come."""

import pytest

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.testing import tiny_model
from speechbrain_xser.training.optimizers import StageOptimizers
from speechbrain_xser.training.schedule import StageSchedule
from speechbrain_xser.training.training_settings import TrainingSettings


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


THREE = {"stages": ["asr", "ser", "joint"]}


def peaks(**values) -> dict[str, tuple]:
    rates = TrainingSettings.from_hparams(values).rates()
    return {stage: (rate.peak, rate.shape, rate.warmup_fraction) for stage, rate in rates.items()}


def test_every_stage_of_a_schedule_has_its_own_rate(tmp_path):
    joint = {"peak": "1e-6", "shape": "cosine", "warmup_fraction": 0.5}
    settings = TrainingSettings.from_hparams({**THREE, "stage_rates": {"joint": joint}})
    found = peaks(**THREE, stage_rates={"joint": joint})
    assert found == {"asr": (2e-4, "constant", 0.03), "ser": (2e-5, "cosine", 0.03), "joint": (1e-6, "cosine", 0.5)}
    optimizers = StageOptimizers(tiny_model(tmp_path), settings.schedule().stages, settings.rates())
    assert [optimizers.set_rate(stage, 9, 10) for stage in ("asr", "joint")][0] == 2e-4
    assert optimizers.set_rate("joint", 5, 10) == 1e-6  # after a warm-up of half its steps


def test_one_or_two_stages_have_the_rates_that_are_numbered_and_what_stage_rates_says_goes_over_them():
    assert peaks() == {"asr": (2e-4, "constant", 0.03), "ser": (2e-5, "cosine", 0.03)}
    assert peaks(stages=["ser"]) == {"ser": (2e-5, "cosine", 0.03)}
    assert peaks(order="one_stage") == {"ser": (2e-5, "cosine", 0.03)}
    assert peaks(stages=["asr", "ser", "asr"]) == peaks()
    assert peaks(stage_rates={"asr": {"peak": 1e-3}})["asr"] == (1e-3, "constant", 0.03)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (THREE, "3 stages, and joint no learning rate.*--stage_rates="),
        ({**THREE, "stage_rates": {"joint": {"shape": "cosine"}}}, "joint no learning rate"),
        ({"stage_rates": {"joint": {"peak": 1e-4}}}, "'joint', which is not a stage of the schedule: asr, ser"),
        ({"stage_rates": {"asr": 1e-4}}, "0.0001 for asr; expected some of peak, shape, warmup_fraction"),
        ({"stage_rates": {"asr": {"rate": 1e-4}}}, "expected some of peak"),
        ({"stage_rates": {"asr": {"peak": "fast"}}}, "stage_rates: asr: peak is 'fast'; expected a number"),
        ({"stage_rates": {"asr": {"peak": -1}}}, "expected a positive"),
        ({"stage_rates": [1e-4, 1e-5]}, "expected a rate by stage"),
    ],
)
def test_rates_that_do_not_fit_the_schedule_are_refused_by_name(values, message):
    with pytest.raises(SettingsError, match=message):
        TrainingSettings.from_hparams(values).rates()


def test_a_start_is_a_run_of_its_own():
    assert StageSchedule("one_stage", stages=("asr", "labels")).stages[0].start == "labels"
    with pytest.raises(SettingsError, match="a run of its own"):
        StageSchedule("two_stage", stages=("labels", "ser"))
