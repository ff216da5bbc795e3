"""Operations of a training step and of a token at the paper's size, counted without a card: half of what they were."""

import pytest
import torch
from torch import nn

from benchmarks.operations import Launches, step_operations, token_operations
from benchmarks.sizes import PAPER

# counted by benchmarks.operations at commit a7df45b, with the library's own layers, and a LoRA linear each; attention
# under a mask was one operation forward and one backward
BEFORE = {"step": 7879, "token": 2205}

pytestmark = pytest.mark.slow


def test_a_step_has_half_the_operations_that_it_had():
    assert step_operations(PAPER).total <= BEFORE["step"] / 2


def test_a_token_without_merging_has_half_the_operations_that_it_had():
    assert token_operations(PAPER) <= BEFORE["token"] / 2


def test_operations_of_a_backward_count_and_views_and_what_the_host_computes_do_not():
    layer, x = nn.Linear(4, 3, bias=False, device="meta"), torch.empty(2, 4, device="meta")
    with Launches() as launched:
        layer(x).view(6).t().backward(torch.empty(6, device="meta"))
        torch.ones(3).exp()
    assert launched.by_name == {"aten.mm.default": 2}  # the product, and the gradient of its weight
