"""What a step and an answer cost, counted and not timed: positions, logit rows, FLOPs, bytes, calls, waits."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.decoding import PROMPT, SHARED, ours, prompts
from benchmarks.material import build, utterances
from benchmarks.sizes import CI, CPU
from benchmarks.training import padded_step, plain_lora, step
from speechbrain_xser.decoder.generation import row_cache
from speechbrain_xser.decoder.packing import trunk
from speechbrain_xser.lobes.layer_mix import layer_sums
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE
from speechbrain_xser.training.criterion import Criterion, Totals
from speechbrain_xser.training.step_bytes import on_meta

SECONDS = np.array([2.1, 2.2, 2.4, 2.5])
RANDOM_SECONDS = np.array([4.5, 1.2, 2.4, 1.1])  # the same sum


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build(CI, tmp_path_factory.mktemp("ci"), "cpu", "float32")


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """The size that the CPU benchmark trains: a vocabulary of 128,256. Many CPUs take minutes for it in bfloat16."""
    return build(CPU, tmp_path_factory.mktemp("cpu"), "cpu", "float32").train()


def saved_bytes(run):
    """Bytes that a forward keeps for its backward, by storage: what several operations keep counts once."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    return kept


def weights_of(model):
    return {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}


def peer_step(model, batch, labels):
    plain_lora(model, True)
    try:
        return padded_step(model, batch, labels)
    finally:
        plain_lora(model, False)
        model.zero_grad()


class Cost(NamedTuple):
    """Of one step."""

    operations: int
    bytes: int  # kept for the backward, without the weights


@pytest.fixture(scope="module")
def costs(wide) -> tuple[Cost, Cost]:
    """Of our step and of the naive one, each taken once."""
    known, found = weights_of(wide), []
    for run in (
        lambda: step(wide, utterances(SECONDS, "cpu")),
        lambda: peer_step(wide, utterances(RANDOM_SECONDS, "cpu"), labels=False),
    ):
        with FlopCounterMode(display=False) as counter:
            kept = saved_bytes(run)
        found.append(Cost(counter.get_total_flops(), sum(size for place, size in kept.items() if place not in known)))
        wide.zero_grad()
    return tuple(found)


@pytest.mark.slow
def test_a_step_takes_at_most_a_third_of_the_operations_of_the_naive_form(costs):
    own, theirs = costs
    assert 0 < own.operations <= 0.35 * theirs.operations


@pytest.mark.slow
def test_a_step_keeps_at_most_a_quarter_of_the_bytes_of_the_naive_form(costs):
    own, theirs = costs
    assert 0 < own.bytes <= 0.25 * theirs.bytes


def test_layer_sums_keep_the_buffer_and_nothing_else():
    layers, weights = torch.randn(6, 2, 50, 16), [torch.randn(6, requires_grad=True) for _ in range(2)]
    kept = saved_bytes(lambda: layer_sums(weights, layers))
    assert set(kept.values()) == {layers.nbytes, 2 * 6 * 4}  # and two rows of weights


def test_every_position_of_an_answer_is_computed_once(model, monkeypatch):
    positions, logit_rows = [], []
    model.decoder.causal.base_model.layers[0].register_forward_hook(
        lambda _, inputs, output: positions.append(inputs[0].shape[:2].numel())
    )

    def counted(head, states):
        logit_rows.append(states.shape[:-1].numel())
        return original(head, states)

    original = trunk.few_logits
    monkeypatch.setattr(trunk, "few_logits", counted)
    monkeypatch.setattr(row_cache, "few_logits", counted)
    ours(model.decoder, prompts(model.decoder, 8), tokens=10)
    assert positions == [SHARED + 8 * (PROMPT - SHARED)] + 9 * [8]
    assert logit_rows == [8] + 9 * [8]


@pytest.mark.parametrize("stage, silent", [(ASR_STAGE, "descriptor"), (SER_STAGE, None)])
def test_a_branch_that_is_off_is_not_called(model, stage, silent):
    called = []
    for name in ("content", "descriptor"):
        model.branches[name].bottleneck.encoder.register_forward_hook(lambda *_, name=name: called.append(name))
    batch = utterances(SECONDS, "cpu")
    model(batch.wavs, batch.samples, stage, batch.answers)
    assert set(called) == {"content", "descriptor"} - {silent}


def test_a_branch_that_is_frozen_keeps_no_graph(model):
    batch = utterances(SECONDS, "cpu")
    output = model.train()(batch.wavs, batch.samples, SER_STAGE, batch.answers)
    model.eval()
    content, descriptor = output.branches.values()
    assert not content.tokens.embeddings.requires_grad and not content.latent.kl.requires_grad
    assert descriptor.tokens.embeddings.requires_grad


@pytest.mark.parametrize("stage", [ASR_STAGE, SER_STAGE])
@pytest.mark.slow
def test_no_value_is_read_back_inside_a_step(tmp_path, stage):
    """On the meta device there are no values: whatever waits for one fails. It has no autocast, which is asked for."""
    model = build(CI, tmp_path, "meta", "float32").train()
    batch = utterances(SECONDS, "cpu")
    criterion = Criterion()
    with on_meta():
        output = model(batch.wavs.to("meta"), batch.samples, stage, batch.answers)
        loss = criterion.loss(criterion.parts(output, stage), Totals(100, 400), 1e-3)
        loss.backward()
    assert loss.device.type == "meta"
    trained = model.branches["descriptor" if stage is SER_STAGE else "content"]
    assert trained.adapter.output.weight.grad is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="waits can be refused on a CUDA GPU only")
def test_a_gpu_is_not_waited_for_inside_a_step(tmp_path):
    model = build(CI, tmp_path, "cuda").train()
    batch = utterances(SECONDS, "cuda")
    step(model, batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(model, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
