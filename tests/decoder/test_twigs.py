"""Rows that go on in several ways: every family of LLM computes them as it computes each way alone."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from speechbrain_xser.decoder.packing.attention import use_plans
from speechbrain_xser.decoder.packing.last_layer import prune_last_layer
from speechbrain_xser.decoder.packing.trunk import last_states
from speechbrain_xser.decoder.packing.twigs import TwigLayout
from tests.decoder.conftest import FAMILIES, other_llm_folder

LAYOUT = TwigLayout(prefix=3, counts=(7, 9), ways=(2, 1, 3))  # longer than the families' window of six
TOLD = 1 + sum(LAYOUT.ways)  # the end of a row, and all places of its ways


@pytest.fixture(params=[*FAMILIES, "gemma2, attention capped"])
def llm(request, tmp_path, llm_folder, monkeypatch):
    family, _, capped = request.param.partition(", ")
    if capped:
        monkeypatch.setitem(FAMILIES, family, {**FAMILIES[family], "attn_logit_softcapping": 0.5})
    folder = other_llm_folder(tmp_path / "llm", family, llm_folder)
    llm = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return llm.eval().requires_grad_(False)


@torch.no_grad()
def test_each_way_is_what_transformers_computes_for_its_row_and_it_alone(llm):
    width = llm.get_input_embeddings().weight.shape[1]
    stream = torch.randn(LAYOUT.prefix + sum(LAYOUT.counts) + 2 * sum(LAYOUT.ways), width)
    opening, *blocks = stream.split([LAYOUT.prefix, *(count + sum(LAYOUT.ways) for count in LAYOUT.counts)])
    expected = []
    for block, count in zip(blocks, LAYOUT.counts, strict=True):
        row, *ways = block.split([count, *LAYOUT.ways])
        expected.append(llm(inputs_embeds=torch.cat([opening, row])[None]).logits[0, -1:])
        expected += [llm(inputs_embeds=torch.cat([opening, row, way])[None]).logits[0, -len(way) :] for way in ways]
    use_plans(llm)
    prune_last_layer(llm)
    states, head = last_states(llm, stream, LAYOUT, [TOLD] * 2)
    torch.testing.assert_close(head(states), torch.cat(expected), atol=1e-5, rtol=1e-4)
