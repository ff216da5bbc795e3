"""A packed stream with a shared prefix and a pruned last layer computes what plain transformers and PEFT compute."""

from itertools import accumulate

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from speechbrain_xser.decoder import lora
from speechbrain_xser.decoder.packing import cross_entropy as cross_entropy_module
from speechbrain_xser.decoder.packing.attention import planned_attention, use_plans
from speechbrain_xser.decoder.packing.cross_entropy import ANY_LOGIT_BYTES, LOGIT_BYTES, chunked_cross_entropy
from speechbrain_xser.decoder.packing.last_layer import prune_last_layer
from speechbrain_xser.decoder.packing.stream import Layout, PackedAttention
from speechbrain_xser.decoder.packing.trunk import last_states, run
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import with_lora
from tests.decoder.peft_by_rows import ANSWERS, TOKENS, peft_reference

PREFIX, COUNTS, ASKED = 5, (7, 3, 12, 1), [3, 1, 5, 1]


@pytest.fixture
def llm(plain):
    use_plans(plain)
    return plain.requires_grad_(False)


@pytest.fixture
def stream():
    return torch.randn(PREFIX + sum(COUNTS), 32, generator=torch.Generator().manual_seed(3))


def alone(stream, row):
    """The embeddings of one row with its prefix, [1, L, e]."""
    start = Layout(PREFIX, COUNTS).starts[row]
    return torch.cat([stream[:PREFIX], stream[start : start + COUNTS[row]]])[None]


@torch.no_grad()
@pytest.mark.parametrize("row", range(4))
def test_a_row_of_a_stream_is_what_transformers_computes_for_it_alone(llm, stream, row):
    states, head = last_states(llm, stream, Layout(PREFIX, COUNTS), ASKED)
    expected = llm(inputs_embeds=alone(stream, row)).logits[0, -ASKED[row] :]
    torch.testing.assert_close(head(states).split(ASKED)[row], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_shared_prefix_is_the_prefix_repeated(llm, stream):
    layout = Layout(PREFIX, COUNTS)
    repeated = torch.cat([alone(stream, row)[0] for row in range(4)])
    shared = last_states(llm, stream, layout, ASKED).states
    torch.testing.assert_close(shared, last_states(llm, repeated, Layout(0, tuple(layout.totals)), ASKED).states)


@torch.no_grad()
def test_a_pruned_last_layer_gives_what_the_whole_layer_gives(llm, stream):
    prune_last_layer(llm)
    layout = Layout(PREFIX, COUNTS)
    states, head = last_states(llm, stream, layout, ASKED)
    whole = run(llm, PackedAttention(layout, "cpu"), layout.positions()[None], inputs_embeds=stream[None])[0]
    torch.testing.assert_close(head(states), whole[layout.last(ASKED)], atol=1e-5, rtol=1e-5)


def test_a_packed_step_has_the_loss_and_the_lora_gradients_of_plain_peft(decoder, plain):
    with_lora(decoder, scale=0.3)
    loss, expected = peft_reference(plain, decoder)
    nats = decoder(TOKENS, CAPTION, ANSWERS).nats()
    nats.backward()
    torch.testing.assert_close(nats, loss, rtol=1e-6, atol=0)
    for name, parameter in decoder.named_parameters():
        if ".lora_" in name:
            wanted = expected[name.removeprefix("llm.")]
            assert (parameter.grad - wanted).norm() <= 1e-5 * wanted.norm(), name


def test_a_chunked_loss_has_the_value_and_gradients_of_the_whole(plain):
    states = torch.randn(50, 32, requires_grad=True)
    targets = torch.randint(plain.config.vocab_size, (50,))
    head = plain.lm_head.requires_grad_(False)
    whole = cross_entropy(head(states), targets, reduction="sum")
    parts = chunked_cross_entropy(states, head, targets, logits=7 * head.out_features)
    gradients = [torch.autograd.grad(3 * loss, states)[0] for loss in (whole, parts)]
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(*gradients)


def test_an_output_layer_that_learns_gets_its_gradient(plain):
    head = plain.lm_head.requires_grad_(True)
    chunked_cross_entropy(torch.randn(9, 32), head, torch.arange(9), logits=head.out_features).backward()
    assert head.weight.grad.abs().sum() > 0


def test_an_attention_window_hides_earlier_positions():
    query = torch.randn(1, 2, 6, 8)
    layout = Layout(2, (4,))
    near = PackedAttention(layout, "cpu").attend(0, query, query, query, sliding_window=1)
    torch.testing.assert_close(near[0], query[0].transpose(0, 1))  # a window of one sees itself alone


def test_an_llm_that_ignores_the_plan_is_refused(llm, stream):
    llm.set_attn_implementation("eager")
    with pytest.raises(BackboneError, match="does not hand its keyword arguments to attention"):
        last_states(llm, stream, Layout(PREFIX, COUNTS), ASKED)
    llm.set_attn_implementation("xser")


@torch.no_grad()
def test_an_llm_whose_last_layer_alone_has_no_attention_is_refused(llm, stream, monkeypatch):
    prune_last_layer(llm)
    monkeypatch.setattr(llm.model.layers[-1].self_attn, "forward", lambda hidden_states, **_: (hidden_states, None))
    with pytest.raises(BackboneError, match="Layer does not hand its keyword arguments to attention"):
        last_states(llm, stream, Layout(PREFIX, COUNTS), ASKED)


@pytest.mark.slow
def test_dropout_of_lora_has_the_expectation_of_no_dropout(decoder):
    layer = with_lora(decoder, scale=1.0).causal.model.layers[0].mlp.down_proj
    x = torch.randn(4, 64)
    layer.lora_dropout["default"].p = 0.3
    with torch.no_grad():
        exact = layer(x)
        layer.train()
        mean = torch.stack([layer(x.clone()) for _ in range(4000)]).mean(0)
    assert (mean - exact).norm() < 0.05 * exact.norm()


def test_queries_keys_and_values_share_one_dropout(decoder):
    attention = decoder.train().causal.model.layers[0].self_attn
    x = torch.randn(1, 6, 32)
    with torch.no_grad():
        state = torch.get_rng_state()
        attention.q_proj(x)
        drawn = torch.get_rng_state()
        attention.k_proj(x), attention.v_proj(x)
    assert not torch.equal(state, drawn) and torch.equal(drawn, torch.get_rng_state())


def test_attention_with_sinks_is_refused(llm):
    attention, query = llm.model.layers[0].self_attn, torch.zeros(1, 4, 2, 8)
    with pytest.raises(BackboneError, match="attention sinks"):
        planned_attention(attention, query, query, query, None, plan=object(), s_aux=torch.zeros(4))


@pytest.mark.parametrize("fused", [False, True], ids=["a CPU's way", "a GPU's way"])
def test_gradients_under_dropout_are_those_of_the_written_out_formula(decoder, fused, monkeypatch):
    if fused:
        monkeypatch.setattr(lora, "_drop", lambda x, level: lora._drop_fused(x, 1 - level / lora.LEVELS))
    layer = with_lora(decoder, scale=1.0).train().causal.model.layers[0].mlp.down_proj
    layer.lora_dropout["default"].p = 0.3
    x = torch.randn(6, 64, requires_grad=True)
    output = layer(x)
    dropped = layer.dropout(x, 0.3)  # the same draw
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    share = 1 - round(0.3 * lora.LEVELS) / lora.LEVELS
    expected = x @ layer.base_layer.weight.T + 2 / share * ((x * dropped.kept) @ down.T) @ up.T
    towards, inputs = torch.randn_like(output), (x, down, up)
    assert not dropped.kept.all()
    torch.testing.assert_close(output, expected)
    for found, wanted in zip(*(torch.autograd.grad(one, inputs, towards) for one in (output, expected)), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


class Products(TorchDispatchMode):
    """How often a matrix is multiplied with."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix, self.count = matrix, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        shapes = [one.shape for one in args if isinstance(one, torch.Tensor)]
        of_matrix = self.matrix.shape in shapes or self.matrix.T.shape in shapes
        self.count += func.name() in ("aten::mm", "aten::addmm") and of_matrix
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("gigabytes, reads", [(24, 8), (80, 4), (141, 2)])
def test_the_output_layer_is_read_at_most_four_times_a_step_on_a_card_with_room(gigabytes, reads, monkeypatch):
    """The longest answers of a batch of eight, 1,248 tokens over Llama 3's vocabulary: logits and their gradients."""
    monkeypatch.setattr(cross_entropy_module, "LEAST_MEMORY", gigabytes * 1e9)  # the meta device stands for the card
    head = torch.nn.Linear(8, 128256, bias=False, device="meta").requires_grad_(False)
    states = torch.empty(8 * 156, 8, device="meta", requires_grad=True)
    with Products(head.weight) as products:
        chunked_cross_entropy(states, head, torch.empty(8 * 156, dtype=torch.long, device="meta")).backward()
    assert products.count == reads and (gigabytes < 80 or reads <= 4)


class OtherLinear(torch.nn.Linear):
    """A linear that the loss does not know."""


@pytest.mark.parametrize("kind, expected", [(torch.nn.Linear, LOGIT_BYTES), (OtherLinear, ANY_LOGIT_BYTES)])
def test_a_logit_takes_the_bytes_that_chunks_are_made_for(kind, expected):
    head = kind(8, 20000, bias=False, dtype=torch.bfloat16).requires_grad_(False)
    states = torch.randn(17, 8, dtype=torch.bfloat16, requires_grad=True)
    with torch.profiler.profile(profile_memory=True) as profiled:
        chunked_cross_entropy(states, head, torch.arange(17), logits=16 * 20000)
    changes = [event.nbytes() for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    assert max(accumulate(changes)) / (16 * 20000) == pytest.approx(expected, rel=0.05)


def test_logits_of_a_large_chunk_are_never_kept_for_the_backward():
    kept = []
    head = torch.nn.Linear(8, 128256, bias=False, device="meta").requires_grad_(False)
    states = torch.empty(100, 8, device="meta", requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.numel()) or one, lambda one: one):
        chunked_cross_entropy(states, head, torch.empty(100, dtype=torch.long, device="meta"))
    assert sum(kept) == states.numel()
