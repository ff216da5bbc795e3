"""What a run reports, and which weights it ends with."""

import math

import pytest
import torch

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.training import collapse
from speechbrain_xser.training.checkpoint import CheckpointStore, load_tensors
from speechbrain_xser.training.collapse import Diagnostics
from speechbrain_xser.training.loaders import evaluation_loader
from speechbrain_xser.training.training_settings import TrainingSettings
from tests.training.runner import make, tiny_data, tiny_hparams

pytestmark = pytest.mark.training


def scores_in_turn(*values):
    """A score that gives these UAs one after the other."""
    left = iter(values)
    return lambda utterances, answers, target: {"ua": next(left)} if target == "paragraph" else {"wer": 1.0}


def trained(tmp_path, score, **values):
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run", **values)
    brain, loaders = make(hparams)
    brain.score = score
    brain.fit(loaders.train, loaders.valid)
    return brain, loaders


def test_evaluation_loads_the_weights_with_the_best_ua_and_not_those_with_nan(tmp_path):
    brain, loaders = trained(tmp_path, scores_in_turn(30.0, 60.0, math.nan, 0.0), order="one_stage", epochs_per_stage=3)
    store = CheckpointStore(tmp_path / "run" / "checkpoints")
    assert (store.best("ua").step, store.latest().step) == (8, 12)

    brain.evaluate(loaders.valid)

    best = load_tensors(store.best("ua"), "model")
    assert all(torch.equal(best[name], tensor) for name, tensor in brain.model.state_dict().items())
    assert brain.evaluated.step == 8


def test_a_debug_run_leaves_no_checkpoint_to_go_on_from(tmp_path):
    brain, loaders = make(tiny_hparams(tiny_data(tmp_path), tmp_path / "run"), debug=True)
    brain.fit(loaders.train, loaders.valid)

    assert CheckpointStore(tmp_path / "run" / "checkpoints").list() == []


def test_an_epoch_that_a_limit_of_steps_cuts_short_is_gone_on_with(tmp_path):
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run")
    brain, loaders = make(hparams, optimizer_step_limit="3")
    brain.fit(loaders.train, loaders.valid)
    again, _ = make(hparams)
    again.fit(loaders.train, loaders.valid)

    assert tuple(brain.position) == (1, 3)
    steps = [value for name, value in again.stage_optimizers.state_tensors().items() if name.endswith("/step")]
    assert {step.item() for step in steps} == {4.0}


def test_a_test_without_a_checkpoint_is_refused(tmp_path):
    brain, loaders = make(tiny_hparams(tiny_data(tmp_path), tmp_path / "run"), test_only=True)
    brain.fit(loaders.train, loaders.valid)

    with pytest.raises(CheckpointError, match="no checkpoint to test"):
        brain.evaluate(loaders.valid)


def test_answers_that_choose_the_best_epoch_are_of_long_and_short_clips(tmp_path):
    hparams = tiny_hparams(tiny_data(tmp_path, valid=6), tmp_path / "run", search_limit=2, valid_batch_size=1)
    brain, loaders = make(hparams)
    brain.fit(loaders.train, loaders.valid)
    order = [id for batch in loaders.valid for id in batch.ids]

    assert [order.index(answer.utterance.id) for answer in brain.evaluation.answers] == [0, 3]


@pytest.mark.parametrize(("steps", "expected"), [(0, (0, 15)), (5, (5, 0))])
def test_saving_every_so_many_steps_goes_before_the_default_of_minutes(tmp_path, steps, expected):
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run", ckpt_interval_steps=0, ckpt_interval_minutes=15)
    brain, _ = make(hparams, **({"ckpt_interval_steps": steps} if steps else {}))

    assert (brain.autosave.every_steps, brain.autosave.every_minutes) == expected


def test_each_stage_is_validated_in_its_own_target_and_logged(tmp_path):
    trained(tmp_path, scores_in_turn(25.0))

    asr, ser = (tmp_path / "run" / "train_log.txt").read_text().splitlines()
    assert "stage: asr" in asr and "valid wer" in asr and "valid content gain" in asr and "valid ua" not in asr
    assert "stage: ser" in ser and "valid ua: 25.00," in ser and "valid descriptor kl" in ser


def test_the_last_epoch_s_training_survives_a_validation_that_fails(tmp_path):
    def broken(*_):
        raise RuntimeError("scoring failed")

    try:
        trained(tmp_path, broken)
    except RuntimeError:
        pass

    assert CheckpointStore(tmp_path / "run" / "checkpoints").latest().step == 4


def test_a_branch_that_says_the_same_of_every_clip_is_warned_of_by_name(tmp_path, caplog):
    brain, loaders = make(tiny_hparams(tiny_data(tmp_path), tmp_path / "run"))
    model, stage = brain.model.eval(), brain.schedule.stages[0]
    for parameter in model.branches.content.bottleneck.parameters():
        torch.nn.init.zeros_(parameter)
    batch = next(iter(loaders.valid))

    signs = collapse.listen(model, batch, stage, [u.transcript for u in batch.utterances])
    collapse.warn(signs)

    assert (signs[0].branch, signs[0].active_units) == ("content", 0)
    assert "The content branch has collapsed" in caplog.text


def test_the_loss_of_an_evaluation_does_not_depend_on_its_batches(tmp_path):
    data = tiny_data(tmp_path, valid=5)
    losses = []
    for size in (1, 2, 5):
        hparams = tiny_hparams(data, tmp_path / str(size), valid_batch_size=size, search_limit=0)
        brain, loaders = make(hparams)
        brain.evaluate(loaders.valid)
        losses.append(brain.evaluation.losses(brain.criterion, "cpu")["loss"])

    assert max(losses) - min(losses) < 1e-4


def test_validation_has_the_batches_of_the_device_of_the_run(tmp_path, monkeypatch):
    from speechbrain_xser.data.pipeline import dataset
    from speechbrain_xser.testing import tiny_manifest

    monkeypatch.setattr("speechbrain_xser.training.loaders.evaluation_rows", {"cpu": 2, "cuda:1": 5, None: 6}.get)
    clips = dataset(tiny_manifest(tmp_path, clips=6))
    loaders = [evaluation_loader(clips, TrainingSettings(num_workers=0), device) for device in ("cpu", "cuda:1")]
    assert [loader.batch_size for loader in loaders] == [2, 5]


def test_longest_clips_come_first_in_an_evaluation(tmp_path):
    from speechbrain_xser.data.pipeline import dataset
    from speechbrain_xser.testing import tiny_manifest

    loader = evaluation_loader(dataset(tiny_manifest(tmp_path, clips=6)), TrainingSettings(num_workers=0))
    lengths = [int(count) for batch in loader for count in batch.samples]

    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            Diagnostics("content", kl=0.123456, active_units=0, units=8, gain=0.0012345),
            "KL 0.123 nats per frame, 0 of 8 latent units active, the right audio gains 0.00123 nats per token",
        ),
        (Diagnostics("content", kl=0.5, active_units=0, units=8, gain=None), "0.5 nats per frame, 0 of 8 latent"),
        (Diagnostics("descriptor", None, None, None, gain=-0.25), "yet: the right audio gains -0.25 nats per token"),
    ],
)
def test_a_warning_of_collapse_says_what_is_known_and_nothing_else(found, told, caplog):
    collapse.warn([found])
    assert told in caplog.text and "None" not in caplog.text
