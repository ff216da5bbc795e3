"""One AdamW a stage, over its own steps."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from speechbrain_xser.stages import ASR_STAGE, SER_STAGE
from speechbrain_xser.training.optimizers import LearningRate, StageOptimizers

RATES = {"asr": LearningRate(2e-4), "ser": LearningRate(2e-5, "cosine")}


def parts():
    torch.manual_seed(0)
    content, descriptor, decoder = (nn.Linear(3, 2) for _ in range(3))
    return nn.ModuleDict(
        {"branches": nn.ModuleDict({"content": content, "descriptor": descriptor}), "decoder": decoder}
    )


def optimizers(model):
    return StageOptimizers(model, (ASR_STAGE, SER_STAGE), RATES)


def step(model, holder, stage):
    parts = (*model.branches.values(), model.decoder)
    sum(part(torch.ones(3)).sum() for part in parts).backward()
    holder.set_rate(stage, 50, 100)
    holder.by_stage[stage].step()
    holder.zero_grad()


def test_the_constant_rate_warms_up_over_3_percent_of_its_steps_and_stays():
    assert [RATES["asr"].at(step, 100) for step in (0, 2, 3, 99)] == pytest.approx([2e-4 / 3, 2e-4, 2e-4, 2e-4])


def test_the_cosine_rate_is_half_its_peak_half_way_and_0_at_its_end():
    rate = LearningRate(2e-5, "cosine", warmup_fraction=0.0)

    assert [rate.at(step, 100) for step in (0, 50, 100)] == pytest.approx([2e-5, 1e-5, 0.0])


def test_a_rate_that_yaml_cannot_mean_is_refused():
    with pytest.raises(ValueError, match="positive peak"):
        LearningRate(0.0)


def test_the_gradients_of_all_groups_are_clipped_by_one_norm():
    model = parts()
    holder = optimizers(model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)

    before = holder.clip("asr", max_norm=1.0)

    gradients = [p.grad for group in holder.by_stage["asr"].param_groups for p in group["params"]]
    assert len(holder.by_stage["asr"].param_groups) == 2
    assert before.item() == pytest.approx(16**0.5)  # 2 modules of 6 weights and 2 biases
    assert torch.cat([g.flatten() for g in gradients]).norm().item() == pytest.approx(1.0, abs=1e-5)
    assert model.branches.descriptor.weight.grad.eq(1).all()  # another stage's


def test_a_stage_moves_only_what_it_trains():
    model = parts()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    step(model, optimizers(model), "ser")

    changed = {name.rpartition(".")[0] for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed == {"branches.descriptor", "decoder"}


def test_moments_of_a_stage_come_back_to_their_own_parameters_and_the_other_stage_starts_afresh():
    model, again = parts(), parts()
    first, second = optimizers(model), optimizers(again)
    step(model, first, "asr")
    second.load_state_tensors(first.state_tensors())
    again.load_state_dict(model.state_dict())

    step(model, first, "asr")
    step(again, second, "asr")

    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert not second.by_stage["ser"].state


def test_moments_of_a_stage_that_does_not_train_are_refused_and_nothing_is_loaded():
    model = parts()
    holder = optimizers(model)
    step(model, holder, "asr")
    state = holder.state_tensors()

    with pytest.raises(KeyError, match="ser_sed"):
        holder.load_state_tensors({**state, "ser_sed/decoder.weight/exp_avg": torch.zeros(2, 3)})
    assert holder.state_tensors().keys() == state.keys()


def fake_gpu_model():
    """A model whose parameters are on a GPU that is not there."""
    with torch.device("cuda"):
        branches = nn.ModuleDict({name: nn.Linear(1, 1) for name in ("content", "descriptor")})
        return nn.ModuleDict({"branches": branches, "decoder": nn.Linear(1, 1)})


def test_adamw_is_fused_on_a_gpu_and_its_steps_are_counted_there():
    with FakeTensorMode():
        optimizers = StageOptimizers(fake_gpu_model(), (ASR_STAGE,), {"asr": LearningRate(1e-3)})
        names = optimizers.parameters["asr"]
        moments = {f"asr/{name}/{key}": torch.zeros(1) for name in names for key in ("step", "exp_avg", "exp_avg_sq")}
        optimizers.load_state_tensors(moments)
        assert optimizers.by_stage["asr"].defaults["fused"]
        assert {value.device.type for value in optimizers.state_tensors().values()} == {"cuda"}


def test_adamw_on_a_cpu_is_as_it_was():
    optimizers = StageOptimizers(parts(), (ASR_STAGE,), {"asr": LearningRate(1e-3)})
    assert not optimizers.by_stage["asr"].defaults["fused"]
