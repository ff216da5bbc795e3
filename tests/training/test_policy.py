"""The loss of sampled answers against arithmetic by hand, and against autograd over plain logits."""

import pytest
import torch
from torch import nn

from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.training.criterion import Criterion, Totals
from speechbrain_xser.training.policy import PolicyLoss, Rollouts, constant_groups, leave_one_out
from speechbrain_xser.training.reference_policy import ReferencePolicy


def answers(log_ratios, advantages, rows, drift=0.0):
    """N tokens of even logits over two classes, log(2) nats each, that were sampled ``log_ratios`` less likely."""
    states = torch.zeros(len(rows), 2, requires_grad=True)
    targets = torch.zeros(len(rows), dtype=torch.int64)
    now = torch.full((len(rows),), 0.5).log()
    each = torch.tensor(advantages)[torch.tensor(rows)]
    rollouts = Rollouts([], now - torch.tensor(log_ratios), now - drift, each)
    return states, AnswerLogits(states, targets, torch.tensor(rows)), rollouts


def test_an_answer_is_compared_with_the_mean_of_the_others():
    [found] = leave_one_out(torch.tensor([[3.0, 1.0, 1.0, 0.0]])).tolist()
    assert found == pytest.approx([3 - 2 / 3, 1 - 4 / 3, 1 - 4 / 3, 0 - 5 / 3])


def test_rewards_that_are_all_the_same_compare_as_nothing_exactly():
    tenths = torch.tensor([[0.1 + 0.2, 0.3, 0.3]], dtype=torch.float64)  # 0.1 + 0.2 is not 0.3
    assert leave_one_out(tenths).tolist() == [[0, 0, 0]] and constant_groups(tenths).tolist() == [True]


def test_a_group_that_earned_the_same_gives_no_gradient():
    states, answer, rollouts = answers([0.0, 0.0, 0.0], [0.0, 0.0], rows=[0, 0, 1])
    PolicyLoss().parts(answer, rollouts)["policy"].backward()
    assert not states.grad.any()


@pytest.mark.parametrize(
    ("log_ratio", "advantage", "gained", "pushed"),
    [
        (0.0, 2.0, 2.0, True),
        (0.1, 2.0, 2.0 * 1.1051709, True),  # inside 1 +- 0.2
        (0.5, 2.0, 2.0 * 1.2, False),  # likelier already: no further
        (0.5, -2.0, -2.0 * 1.6487213, True),  # wrong and likelier: back
        (-0.5, 2.0, 2.0 * 0.6065307, True),  # right and less likely: back
        (-0.5, -2.0, -2.0 * 0.8, False),  # less likely already: no further
    ],
)
def test_a_ratio_is_clipped_only_where_it_would_go_further(log_ratio, advantage, gained, pushed):
    states, answer, rollouts = answers([log_ratio], [advantage], rows=[0])
    part = PolicyLoss(clip_range=0.2).parts(answer, rollouts)["policy"]
    part.backward()
    assert -part.item() == pytest.approx(gained, rel=1e-5) and bool(states.grad.any()) == pushed


def test_tokens_of_long_and_short_answers_are_pushed_alike():
    """Divided by its own length, a wrong answer of three tokens would be pushed a third as hard as one of one."""
    states, answer, rollouts = answers([0.0] * 4, [-1.0, -1.0], rows=[0, 0, 0, 1])
    PolicyLoss().parts(answer, rollouts)["policy"].backward()
    assert torch.allclose(states.grad, states.grad[:1].expand(4, 2))


def test_the_gradient_is_that_of_the_plain_formula():
    generator = torch.Generator().manual_seed(3)
    head, rows = nn.Linear(6, 9).requires_grad_(False), torch.tensor([0, 0, 1, 2, 2])
    states = torch.randn(5, 6, generator=generator, requires_grad=True)
    targets = torch.randint(9, (5,), generator=generator)
    sampled, reference = (-3 * torch.rand(5, generator=generator) for _ in range(2))
    advantages = torch.randn(5, generator=generator)
    rollouts = Rollouts([], sampled, reference, advantages)
    parts = PolicyLoss(0.2, 0.1).parts(AnswerLogits(states, targets, rows, head), rollouts)
    [found] = torch.autograd.grad(parts["policy"] + 0.1 * parts["reference"], states)

    chosen = head(states).log_softmax(-1)[torch.arange(5), targets]
    ratio = torch.exp(chosen - sampled)
    surrogate = torch.min(ratio * advantages, torch.clamp(ratio, 0.8, 1.2) * advantages)
    loss = -surrogate.sum() + 0.1 * (chosen - reference).pow(2).sum() / 2
    assert torch.allclose(found, torch.autograd.grad(loss, states)[0], atol=1e-6)


def test_the_pull_to_the_reference_is_the_gradient_of_the_divergence():
    """Over all tokens of one place, weighed by their probability: that of sum p * log(p / q)."""
    logits = torch.tensor([0.3, -1.0, 0.8], requires_grad=True)
    reference = torch.tensor([-0.2, 0.4, 0.1]).log_softmax(0)
    probabilities = logits.softmax(0).detach()
    pull = torch.zeros(3)
    for token in range(3):
        answer = AnswerLogits(logits[None], torch.tensor([token]), torch.tensor([0]))
        rollouts = Rollouts([], torch.zeros(1), reference[token][None], torch.zeros(1))
        part = PolicyLoss().parts(answer, rollouts)["reference"]
        pull += probabilities[token] * torch.autograd.grad(part, logits)[0]
    divergence = (logits.softmax(0) * (logits.log_softmax(0) - reference)).sum()
    assert torch.allclose(pull, torch.autograd.grad(divergence, logits)[0], atol=1e-6)


def test_the_parts_enter_the_loss_per_answer_and_the_bottleneck_per_frame():
    criterion = Criterion(beta=0.5, policy=PolicyLoss(reference_weight=0.1))
    parts = {name: torch.tensor(value) for name, value in (("policy", -6.0), ("reference", 9.0), ("kl_x", 8.0))}
    loss = criterion.loss(parts, Totals(tokens=3, frames=4), beta=0.5)
    assert loss.item() == pytest.approx(-6 / 3 + 0.1 * 9 / 3 + 0.5 * 8 / 4)


@pytest.mark.parametrize("values", [{"clip_range": 0.0}, {"clip_range": 1.0}, {"reference_weight": -0.1}])
def test_values_out_of_range_are_refused(values):
    with pytest.raises(SettingsError, match="clip_range"):
        PolicyLoss(**values)


def test_the_reference_stands_in_for_the_weights_and_steps_back_even_after_an_error():
    layer = nn.Linear(2, 2)
    reference = ReferencePolicy(dict(layer.named_parameters()))
    first = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight += 1
    with pytest.raises(ZeroDivisionError), reference.in_place():
        assert torch.equal(layer.weight, first) and not layer(torch.ones(1, 2)).requires_grad
        1 / 0  # noqa: B018
    assert torch.equal(layer.weight, first + 1) and layer.weight.requires_grad
