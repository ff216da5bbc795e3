"""Layers in few operations give the library's numbers and gradients, and LoRA's kept copies are never stale."""

import copy
import pickle

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention, apply_rotary_pos_emb

from speechbrain_xser.decoder import layer_parts
from speechbrain_xser.decoder.layer_parts import MIXED, rotated, use_few_operations
from speechbrain_xser.decoder.llm import add_lora
from speechbrain_xser.decoder.packing.attention import use_plans
from speechbrain_xser.decoder.packing.stream import Layout
from speechbrain_xser.decoder.packing.trunk import last_states
from tests.decoder.conftest import GROUPED

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "granite", "phi3")
LAYOUT, LAST = Layout(3, (4, 2)), [2, 1]


def family(name, **options):
    torch.manual_seed(2)
    config = AutoConfig.for_model(name, **GROUPED, vocab_size=64, pad_token_id=0, **options)
    llm = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    for parameter in llm.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)  # norms are ones and biases zero
    use_plans(llm)
    return llm


def states_and_gradient(llm):
    stream = torch.randn(LAYOUT.length, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
    states, head = last_states(llm, stream, LAYOUT, LAST)
    logits = head(states)
    return logits.detach(), torch.autograd.grad(logits.square().sum(), stream)[0]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_in_few_operations_has_its_logits_and_gradients(name):
    llm = family(name)
    expected = states_and_gradient(llm)
    use_few_operations(llm)
    assert any(type(module).__name__.startswith("One") for module in llm.modules())
    torch.testing.assert_close(states_and_gradient(llm), expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("name", ["llama", "granite", "mistral", "qwen2"])
def test_a_window_is_one_where_transformers_has_it(name):
    """Llama and Granite keep the setting in their configs and ignore it."""
    windows = {"qwen2": {"use_sliding_window": True, "max_window_layers": 0}}
    llm = family(name, sliding_window=2, **windows.get(name, {}))
    ids = torch.tensor([[5, 9, 3, 7, 30, 12]])
    llm.set_attn_implementation("eager")
    expected = llm(ids).logits[0, -1]
    use_plans(llm)
    use_few_operations(llm)
    states, head = last_states(llm, llm.get_input_embeddings()(ids[0]), Layout(2, (4,)), [1])
    torch.testing.assert_close(head(states)[0], expected, atol=2e-5, rtol=2e-5)


def test_parts_are_named_as_transformers_names_them():
    for name in FAMILIES:
        kinds = {type(module).__name__ for module in family(name).modules()}
        assert kinds & set(MIXED), name


def test_attention_without_a_plan_is_the_librarys(plain, monkeypatch):
    calls, original = [], LlamaAttention.forward
    monkeypatch.setattr(LlamaAttention, "forward", lambda *given, **rest: calls.append(1) or original(*given, **rest))
    use_plans(plain)
    use_few_operations(plain)
    expected, ids = plain.config.num_hidden_layers, torch.tensor([[1, 2, 3]])
    plain(ids)
    assert len(calls) == expected
    last_states(plain, plain.get_input_embeddings()(ids[0]), Layout(1, (2,)), [1])
    assert len(calls) == expected  # with a plan it is ours


@pytest.mark.parametrize("device, fused", [("cuda", True), ("mps", False)])
def test_the_fused_norm_is_taken_where_it_has_a_backward(device, fused, monkeypatch):
    taken = []
    monkeypatch.setattr(torch.ops.aten, "_fused_rms_norm", lambda states, *_: taken.append("fused") or [states])
    monkeypatch.setattr(layer_parts, "rms_norm", lambda states, *_: taken.append("composite") or states)
    llm = family("llama").bfloat16()
    use_few_operations(llm)
    with FakeTensorMode(allow_non_fake_inputs=True):
        llm.model.norm(torch.empty(2, 32, device=device, dtype=torch.bfloat16))
    assert taken == ["fused" if fused else "composite"]


def test_copies_and_pickles_of_a_layer_keep_their_class():
    llm = family("llama")
    use_few_operations(llm)
    layer = llm.model.layers[0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301, our own bytes
        assert type(other.mlp) is type(layer.mlp)
        assert torch.equal(other.mlp.gate_proj.weight, layer.mlp.gate_proj.weight)


@pytest.mark.parametrize("beside", [True, False])
def test_rotations_have_the_gradient_that_autograd_finds(beside):
    both = torch.randn(1, 3, 6, 8, dtype=torch.float64).requires_grad_()
    angle = torch.randn(1, 3, 4, dtype=torch.float64).repeat(1, 1, 2)
    parts = both.split((4, 2), 2) if beside else [part.clone() for part in both.split((4, 2), 2)]
    expected = apply_rotary_pos_emb(*both.split((4, 2), 2), angle.cos(), angle.sin(), unsqueeze_dim=2)
    found = rotated(*parts, angle.cos(), angle.sin())
    gradients = [torch.autograd.grad(sum(one.pow(3).sum() for one in of), both)[0] for of in (found, expected)]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*gradients)


def casts(llm, run):
    """How often LoRA's matrices are copied into another type."""
    calls, original = [], torch._foreach_copy_
    torch._foreach_copy_ = lambda *given: calls.append(1) or original(*given)
    try:
        run()
    finally:
        torch._foreach_copy_ = original
    return len(calls)


def adapted(kind):
    """An LLM with LoRA, whose B is not zero."""
    llm = family("llama").to(kind)
    use_few_operations(llm)
    model = add_lora(llm, r=2, dropout=0.0)
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture
def half():
    """A bfloat16 LLM with LoRA in float32."""
    return adapted(torch.bfloat16)


@pytest.fixture(params=[False, True], ids=["a CPU's way", "a GPU's way"])
def way(request):
    """With gradients, a CPU evaluates as a GPU does."""
    with torch.set_grad_enabled(request.param):
        yield


def logits(model):
    kind = model.get_base_model().dtype
    stream = torch.randn(LAYOUT.length, 32, generator=torch.Generator().manual_seed(1)).to(kind)
    states, head = last_states(model.get_base_model(), stream, LAYOUT, LAST)
    return head(states).detach()


@pytest.mark.usefixtures("way")
def test_lora_is_cast_once_while_evaluating(half):
    groups = 2 * 4  # layers; queries with keys and values, output, gate with up, down
    assert [casts(half, lambda: logits(half)) for _ in range(3)] == [groups, 0, 0]


@torch.no_grad()
def step(model):
    for name, parameter in model.named_parameters():
        if ".lora_A" in name:
            parameter.mul_(3)


def loaded(model):
    state = {name: 2 * value if ".lora_" in name else value for name, value in model.state_dict().items()}
    model.load_state_dict(state)


def replaced(model):
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            parameter.data = 2 * parameter.data


def fused_step(model):
    """A training step that leaves the versions of tensors as they were."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.enable_grad():
        stream = torch.randn(LAYOUT.length, 32).to(model.get_base_model().dtype)
        states, head = last_states(model.train().get_base_model(), stream, LAYOUT, LAST)
        head(states).square().sum().backward()
    versions = [parameter._version for parameter in trained]
    torch.optim.AdamW(trained, lr=0.1, fused=True).step()
    assert [parameter._version for parameter in trained] == versions  # else this shows nothing
    model.zero_grad()
    model.eval()


def behind_its_back(model):
    """As shards are gathered: values change without a new version, and a training step comes before."""
    logits(model.train())
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            parameter.data.mul_(2)
    model.eval()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("change", [step, loaded, replaced, fused_step, behind_its_back])
def test_a_kept_cast_is_made_again_when_lora_changes(change, kind):
    model = adapted(kind)
    before = logits(model)
    change(model)
    found, fresh = logits(model), logits(copy.deepcopy(model))
    assert torch.equal(found, fresh) and not torch.equal(found, before)


def test_a_kept_cast_is_in_no_state_and_in_no_pickle(half):
    logits(half)
    assert not any("_copies" in name for name in half.state_dict())
    linear = half.get_base_model().model.layers[0].mlp.gate_proj
    assert "_copies" in vars(linear) and "_copies" not in vars(copy.deepcopy(linear))
