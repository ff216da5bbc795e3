"""Cross-entropy over tokens and KL over frames, in float32, of branches that train."""

from types import SimpleNamespace

import pytest
import torch

from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE
from speechbrain_xser.training.criterion import Criterion, Objective, Totals

UNIFORM = torch.zeros(3, 4)  # each of 4 tokens has probability 1/4


def output(logits=UNIFORM, content=None, descriptor=None):
    """What a model returns, with the KL of each branch in a list; ``None`` for a branch that is off."""
    targets = torch.zeros(len(logits), dtype=torch.int64)
    heard = {"content": content, "descriptor": descriptor}
    branches = {name: SimpleNamespace(latent=SimpleNamespace(kl=kl[0])) for name, kl in heard.items() if kl}
    answer = AnswerLogits(logits, targets, rows=torch.zeros_like(targets))
    return SimpleNamespace(answer=answer, branches=branches)


def test_three_uniform_tokens_and_five_nats_in_two_frames_give_log_4_plus_beta_times_two_and_a_half():
    criterion = Criterion(beta=0.1)
    parts = criterion.parts(output(content=[torch.tensor([[2.0, 3.0, 0.0]])]), ASR_STAGE)

    loss = criterion.loss(parts, Totals(tokens=3, frames=2))

    assert loss.item() == pytest.approx(1.3862944 + 0.1 * 2.5, abs=1e-6)


def test_the_kl_of_a_frozen_branch_is_left_out():
    parts = Criterion().parts(output(content=[torch.ones(1, 5)], descriptor=[torch.ones(1, 2)]), SER_STAGE)

    assert (parts["kl_content"].item(), parts["kl_descriptor"].item()) == (0.0, 2.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_both_terms_are_float32(dtype):
    logits = torch.randn(50, 300, generator=torch.Generator().manual_seed(0)).to(dtype)
    kl = torch.full((1, 1000), 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        parts = Criterion().parts(output(logits, content=[kl]), ASR_STAGE)

    expected = -logits.double().log_softmax(-1)[:, 0].sum()
    assert {part.dtype for part in parts.values()} == {torch.float32}
    assert parts["cross_entropy"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert parts["kl_content"].item() == pytest.approx(100.0, rel=1e-5)


def test_a_window_without_tokens_or_frames_has_a_loss_of_0():
    criterion = Criterion()

    assert criterion.loss(criterion.parts(output(torch.zeros(0, 4)), ASR_STAGE), Totals(0, 0)).item() == 0.0


def test_beta_rises_from_0_over_a_fraction_of_the_stage_s_own_steps():
    criterion = Criterion(beta=1e-3, warmup_fraction=0.25)

    assert [criterion.beta_at(step, 100) for step in (0, 5, 25, 99)] == pytest.approx([0.0, 2e-4, 1e-3, 1e-3])
    assert Criterion(1.0, warmup_fraction=0.0).beta_at(0, 100) == 1.0


def test_a_further_objective_is_a_named_part_with_a_weight_of_its_own():
    """Log 4 a token, and 0.5 times the 12 of the objective over 4 frames."""
    objective = Objective(lambda output, stage: torch.tensor(12.0), per="frames", weight=0.5)
    criterion = Criterion(objectives={"mine": objective})
    parts = criterion.parts(output(), ASR_STAGE)

    assert list(parts) == ["cross_entropy", "mine"]
    assert criterion.loss(parts, Totals(tokens=3, frames=4)).item() == pytest.approx(1.3862944 + 0.5 * 12 / 4, abs=1e-6)


def test_an_objective_under_the_name_of_another_part_is_refused():
    with pytest.raises(SettingsError, match="'kl_content' has the name of a part"):
        Criterion(objectives={"kl_content": Objective(lambda output, stage: torch.tensor(0.0))})


def test_the_names_of_a_stage_s_parts_are_known_before_any_batch():
    assert Criterion().names(SER_STAGE) == ["cross_entropy", "kl_content", "kl_descriptor"]
