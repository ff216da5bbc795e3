"""A rewarded stage on a tiny random model: what is sampled is what is trained, and a run survives being killed."""

import json

import pytest
import torch

from speechbrain_xser.annotator.cutoffs import reference_cutoffs
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import Batch
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.stages import STAGES
from speechbrain_xser.training.criterion import Totals
from speechbrain_xser.training.policy import PolicyLoss
from speechbrain_xser.training.reinforcement import Reinforcement
from speechbrain_xser.training.rewards import PARTS, Rewards
from speechbrain_xser.training.run import make_model, make_reinforcement
from speechbrain_xser.training.schedule import StageSchedule, Turn
from speechbrain_xser.training.window import Window
from tests.training.runner import (
    LONG_ENOUGH,
    REWARDED,
    final_weights,
    make,
    tiny_data,
    tiny_hparams,
    train_in_process,
)

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"), max_new_tokens=LONG_ENOUGH)


class Watched(PolicyLoss):
    """Keeps each token's ratio and drift."""

    def __init__(self):
        super().__init__()
        self.ratios, self.drifts, self.advantages, self.answers = [], [], [], []

    def parts(self, answer, rollouts):
        log_probs = -answer.token_nats().detach()
        self.ratios.append((log_probs - rollouts.sampled).exp())
        self.drifts.append(log_probs - rollouts.reference)
        self.advantages.append(rollouts.advantages)
        self.answers.append(len(rollouts.ids))
        return super().parts(answer, rollouts)


def trained(data, folder, watched=None, poison_at=None, options=None, **values):
    """A run of this process; its brain, and the reports of its steps."""
    brain, loaders = make(tiny_hparams(data, folder, **{**REWARDED, **values}), **(options or {}))
    reports, fit_batch = [], brain.fit_batch
    brain.on_fit_batch_end = lambda batch, report, loss, should_step: reports.append(report)
    brain.criterion.policy = watched or brain.criterion.policy

    def fit(batch):
        poisoned = brain.optimizer_step == poison_at
        return fit_batch(batch._replace(wavs=batch.wavs * float("nan")) if poisoned else batch)

    brain.fit_batch = fit
    brain.fit(loaders.train)
    return brain, reports


def test_what_is_trained_is_what_was_sampled_noise_of_the_bottleneck_included(data, tmp_path):
    watched = Watched()
    brain, reports = trained(data, tmp_path, watched)
    assert max(float((ratio - 1).abs().max()) for ratio in watched.ratios) < 1e-4
    assert sum(watched.answers) == 4 * 7 and len(reports) == 4
    assert any(advantages.any() for advantages in watched.advantages)
    assert not watched.drifts[0].any() and watched.drifts[-1].any()  # the reference is where the stage began


def test_frozen_parts_stay_and_branch_and_lora_train(data, tmp_path):
    hparams = tiny_hparams(data, tmp_path, **REWARDED)
    before = make_model(hparams).state_dict()
    brain, _ = trained(data, tmp_path)
    changed = {name for name, tensor in brain.model.state_dict().items() if not tensor.equal(before[name])}
    assert any(name.startswith("branches.descriptor") for name in changed) and any("lora_" in name for name in changed)
    assert not any(name.startswith(("branches.content", "encoder")) for name in changed)


def test_several_updates_on_the_same_answers_move_the_ratio(data, tmp_path):
    watched = Watched()
    trained(data, tmp_path, watched, updates_per_sample=2, grad_accumulation_factor=1, batch_size=4)
    first, second = watched.ratios[:2]
    assert (first - 1).abs().max() < 1e-4 < (second - 1).abs().max()
    assert watched.advantages[0].equal(watched.advantages[1])


def test_micro_batches_change_nothing(data, tmp_path):
    """Answers and noise are those of the utterances, wherever they are."""

    def losses(folder, **values):
        brain, loaders = make(tiny_hparams(data, tmp_path / folder, **REWARDED, **values))
        found = []
        brain.on_fit_batch_end = lambda batch, report, loss, should_step: found.append(report.loss)
        brain.fit(loaders.train)
        return found

    whole = losses("whole", batch_size=4, grad_accumulation_factor=1)
    assert losses("split", batch_size=2, grad_accumulation_factor=2) == pytest.approx(whole, abs=1e-4)


def test_a_killed_run_ends_bit_equal(data, tmp_path):
    """Two updates a step, killed twice; the reference is that of the first step, not of the restart."""
    values = {**REWARDED, "epochs_per_stage": 2, "updates_per_sample": 2, "batch_size": 1}
    assert train_in_process(tiny_hparams(data, tmp_path / "whole", **values)) == 0
    killed = tiny_hparams(data, tmp_path / "killed", **values)
    assert train_in_process(killed, 3) < 0 and train_in_process(killed, 7) < 0
    assert train_in_process(killed) == 0
    expected, found = final_weights(tmp_path / "whole"), final_weights(tmp_path / "killed")
    assert expected.keys() == found.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_step_that_is_no_number_is_left_out_and_its_utterances_named(data, tmp_path, caplog):
    brain, reports = trained(data, tmp_path, poison_at=1)
    assert [report.accepted for report in reports] == [True, False, True, True]
    assert brain.stepper.guard.skipped == 1 and "with the utterances" in caplog.text
    assert all(tensor.isfinite().all() for tensor in brain.model.state_dict().values())


def test_groups_that_earned_the_same_are_counted(data, tmp_path):
    """Of a reward for words alone, where no answer quotes, nothing is left to learn."""
    weights = {f"reward_{part}": float(part == "words") for part in PARTS}
    brain, reports = trained(data, tmp_path, beta=0.0, **weights)
    told = brain.tally.means()
    assert told["constant groups"] == told["constant parts"] == 1 and told["reward"] == told["policy"] == 0
    assert all(report.gradient_norm == pytest.approx(0, abs=1e-6) for report in reports)


def test_half_precision_trains(data, tmp_path):
    watched = Watched()
    brain, reports = trained(data, tmp_path, watched, options={"precision": "bf16"})
    assert all(report.accepted for report in reports)
    assert max(float((ratio - 1).abs().max()) for ratio in watched.ratios) < 0.2  # two ways to round


def test_every_part_is_logged_by_name_in_training_and_in_validation(data, tmp_path):
    brain, loaders = make(tiny_hparams(data, tmp_path, **REWARDED, search_limit=None))
    brain.fit(loaders.train, loaders.valid)
    [line] = (tmp_path / "train_log.txt").read_text().splitlines()
    parts = ("supported", "contradicted", "emotion", "malformed", "looping")
    assert all(f"{split} reward {part}: " in line for split in ("train", "valid") for part in parts)
    assert all(f"train {name}: " in line for name in ("reward", "policy", "reference", "constant groups", "wordings"))
    steps = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    assert all(f"reward {part}" in steps[0] for part in parts)


def test_a_validation_s_answer_that_was_cut_at_its_limit_costs(data, tmp_path, monkeypatch):
    brain, loaders = make(tiny_hparams(data, tmp_path, **REWARDED, search_limit=None))
    decoder, batch, found = brain.model.decoder, next(iter(loaders.valid)), []
    decoder.max_new_tokens, greedy = 1, decoder.greedy_answers
    monkeypatch.setattr(decoder, "greedy_answers", lambda *of, **how: found.append(greedy(*of, **how)) or found[-1])
    texts, _ = brain.reinforcement.judged(brain.model, batch, STAGES["rl_sed"])
    [answers] = found
    assert [answer.text for answer in answers] == texts
    assert [answer.ended for answer in answers] == [answer.text == "" for answer in answers]
    for ended in (True, False):
        given = [answer._replace(text="A man.", ended=ended) for answer in answers]
        monkeypatch.setattr(decoder, "greedy_answers", lambda *_, **__: given)  # noqa: B023
        _, rewards = brain.reinforcement.judged(brain.model, batch, STAGES["rl_sed"])
        assert {reward.parts["malformed"] for reward in rewards} == {float(not ended)}


def test_answers_are_seeded_by_the_utterance_and_the_step_and_not_by_their_place():
    """What the decoder is asked for, of a window in two orders and of another step."""
    asked = []

    class Recorded:
        def encode(self, wavs, *_):
            return {"voice": SoftTokens(wavs[..., None], torch.ones(len(wavs), dtype=torch.int64))}

        def sample(self, tokens, instruction, sampling, decoding):
            asked.append(list(sampling.seed))
            return [[]] * len(sampling.seed)

    model, reinforcement = Recorded(), Reinforcement(Rewards())
    model.decoder = model
    for ids, step in ((("a", "b"), 3), (("b", "a"), 3), (("a", "b"), 4)):
        batch = Batch(ids, torch.zeros(2, 1), torch.ones(2), tuple(Utterance(id, "-") for id in ids))
        window = Window([batch], [[]], Totals(1, 1), [1.0])
        reinforcement._sampled(model, window, Turn(STAGES["rl"], step, 9), 5)
    first, turned, later = asked
    assert first == turned[::-1] and len({*first, *later}) == 4


def test_other_votes_bounds_or_language_are_another_run():
    votes = [{"a": ["sad", "angry"]}, {"a": ["sad", "sad"]}]
    bounds = reference_cutoffs()._replace(level_decibels=(-40.0, -20.0))
    options = [{}, {"votes": votes[0]}, {"votes": votes[1]}, {"language": "de"}, {"cutoffs": bounds}]
    described = [json.dumps(Reinforcement(Rewards(**values)).describe()) for values in options]
    assert len(set(described)) == len(options)
    assert described[1] == json.dumps(Reinforcement(Rewards(votes=votes[0])).describe())


def test_the_recipe_s_language_is_that_of_the_annotator(data, tmp_path):
    made = make_reinforcement(tiny_hparams(data, tmp_path, **REWARDED, language="de"))
    assert made.rewards.facts.language == "de"


def test_a_rewarded_stage_alternates_with_none_and_needs_an_llm(data, tmp_path):
    with pytest.raises(SettingsError, match="'rl' goes on from what the others have taught"):
        StageSchedule("alternating", stages=("ser", "rl"))
    assert [stage.name for stage in StageSchedule("two_stage", 1, stages=("asr", "ser", "rl")).stages_by_epoch()] == [
        "asr",
        "ser",
        "rl",
    ]


@pytest.mark.parametrize(
    "values", [{"answers_per_clip": 1}, {"reward_words": -1}, {"clip_range": 2}, {"credit_discount": 1.5}]
)
def test_values_out_of_range_end_before_anything_is_trained(data, tmp_path, values):
    with pytest.raises(SettingsError):
        make(tiny_hparams(data, tmp_path, **{**REWARDED, **values}))
