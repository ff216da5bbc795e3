"""Teacher-forced logits: those of plain transformers on the same embeddings, at answer positions only."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.prompt import PromptTemplate
from speechbrain_xser.errors import PromptError
from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import other_llm_folder, pair, row_of, rows_of, soft_tokens

ANSWERS = ["the way he talks about people", "", "kids are talking by the door, <Content>"]
CONTENT = soft_tokens([4, 1, 7], seed=1)
DESCRIPTOR = soft_tokens([2, 5, 3], seed=2)
TOKENS = pair(CONTENT, DESCRIPTOR)


def reference_logits(llm, tokenizer, content, descriptor, answer):
    """Logits that predict one row's answer and its end, from embeddings assembled by hand over all positions."""
    embed = llm.get_input_embeddings()
    ids = tokenizer(answer, add_special_tokens=False).input_ids
    texts = [*PromptTemplate().segments(CAPTION, tokenizer), ids]
    opening, between, closing, said = (embed(torch.tensor([text], dtype=torch.long)) for text in texts)
    sequence = torch.cat([opening, content.embeddings, between, descriptor.embeddings, closing, said], 1)
    return llm(inputs_embeds=sequence).logits[0, -len(ids) - 1 :], [*ids, tokenizer.eos_token_id]


@torch.no_grad()
def assert_equal_to_reference(decoder, llm):
    output = decoder(TOKENS, CAPTION, ANSWERS)
    for row, answer in enumerate(ANSWERS):
        expected, targets = reference_logits(
            llm, decoder.tokenizer, row_of(CONTENT, row), row_of(DESCRIPTOR, row), answer
        )
        assert output.targets[output.rows == row].tolist() == targets
        torch.testing.assert_close(output.logits[output.rows == row], expected, atol=1e-4, rtol=0)


def test_answer_logits_of_a_mixed_batch_are_those_of_plain_transformers(llm_folder, plain):
    decoder = LLMDecoder(llm_folder, dtype="float32").eval()  # LoRA adds nothing before training
    assert_equal_to_reference(decoder, plain)


@pytest.mark.parametrize(
    "family, targets", [("qwen2", ["q_proj"]), ("gpt_neox", ["query_key_value"]), ("gemma2", ["q_proj"])]
)
def test_other_families_of_llm_give_their_own_logits_too(family, targets, tmp_path, llm_folder):
    folder = other_llm_folder(tmp_path, family, llm_folder)
    decoder = LLMDecoder(folder, dtype="float32", lora={"targets": targets}).eval()
    assert_equal_to_reference(decoder, AutoModelForCausalLM.from_pretrained(folder).eval())


def test_each_row_gives_what_it_gives_alone(decoder):
    output = decoder(TOKENS, CAPTION, ANSWERS)
    for row, answer in enumerate(ANSWERS):
        alone = decoder(rows_of(TOKENS, row), CAPTION, [answer])
        torch.testing.assert_close(output.logits[output.rows == row], alone.logits, atol=1e-4, rtol=0)


def test_an_empty_answer_is_its_end_token_alone(decoder, tokenizer):
    output = decoder(TOKENS, CAPTION, ANSWERS)
    assert output.targets[output.rows == 1].tolist() == [tokenizer.eos_token_id]


def test_answer_tokens_count_the_targets_before_the_forward(decoder):
    counted = [len(ids) for ids in decoder.answer_tokens(ANSWERS)]
    assert decoder(TOKENS, CAPTION, ANSWERS).rows.bincount().tolist() == counted


def test_the_output_layer_sees_answer_positions_only(decoder):
    seen = []
    decoder.causal.lm_head.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape[:-1].numel()))
    output = decoder(TOKENS, CAPTION, ANSWERS)
    assert len(output.logits) == len(output.targets) and seen == [len(output.targets)]


def test_no_hook_remains_on_the_output_layer(decoder):
    decoder(TOKENS, CAPTION, ANSWERS)
    full = decoder.causal(inputs_embeds=torch.zeros(2, 5, 32)).logits
    assert full.shape[:2] == (2, 5)


def test_zero_soft_tokens_take_their_places_in_the_prompt(decoder):
    """A disabled branch gives zero vectors, and their number still affects the output."""
    silent = [soft_tokens([count])._replace(embeddings=torch.zeros(1, count, 32)) for count in (2, 3)]
    outputs = [decoder(pair(row_of(CONTENT, 0), zeros), CAPTION, ["by the door"]).logits for zeros in silent]
    assert not torch.allclose(*outputs, atol=1e-6)


def test_gradient_reaches_soft_tokens_and_lora_but_not_the_base(decoder):
    content, descriptor = soft_tokens([4, 1], 32, 1, True), soft_tokens([2, 3], 32, 2, True)
    output = decoder(pair(content, descriptor), CAPTION, ["by the door", ""])
    torch.nn.functional.cross_entropy(output.logits, output.targets).backward()
    assert content.embeddings.grad[0].abs().sum(-1).gt(0).tolist() == [True] * 4
    assert content.embeddings.grad[1].abs().sum(-1).gt(0).tolist() == [True, False, False, False]
    assert descriptor.embeddings.grad[1].abs().sum() > 0
    with_gradient = {name for name, parameter in decoder.named_parameters() if parameter.grad is not None}
    assert with_gradient == {name for name, _ in decoder.named_parameters() if ".lora_" in name}


def test_frozen_weights_cost_no_weight_gradient(decoder):
    """Forward and backward cost 2N a token each; weight gradients of the base would make the backward 4N."""
    content, descriptor = soft_tokens([4], 32, 1, True), soft_tokens([2], 32, 2, True)
    with FlopCounterMode(display=False) as forward:
        loss = decoder(pair(content, descriptor), CAPTION, ["by the door"]).logits.float().logsumexp(-1).sum()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    assert backward.get_total_flops() < 1.75 * forward.get_total_flops()


def test_a_sequence_longer_than_the_context_is_refused_with_its_lengths(decoder):
    decoder.causal.config.max_position_embeddings = 60
    long = soft_tokens([3, 40])
    with pytest.raises(PromptError, match=r"Row 1 has \d+ tokens of prompt, audio and answer.*context is 60"):
        decoder(pair(long, long), CAPTION, ["by the door", "by the door"])


def test_a_number_of_answers_other_than_of_rows_is_refused_with_both(decoder):
    with pytest.raises(PromptError, match="3 of content, 3 of descriptor and 1 answers"):
        decoder(TOKENS, CAPTION, ["by the door"])


def test_a_third_slot_follows_the_second_on_its_own_line(llm_folder, plain, tokenizer):
    slots = ("content", "descriptor", "speaker")
    decoder = LLMDecoder(llm_folder, dtype="float32", template=PromptTemplate(slots=slots)).eval()
    tokens = {**TOKENS, "speaker": soft_tokens([3, 2, 1], seed=3)}
    embed, texts = plain.get_input_embeddings(), PromptTemplate(slots=slots).segments(CAPTION, tokenizer)
    assert texts[1] == texts[2] == PromptTemplate().segments(CAPTION, tokenizer)[1]
    opening, first, second, closing = (embed(torch.tensor([text])) for text in texts)
    content, how, who = (row_of(tokens[name], 1).embeddings for name in slots)
    with torch.no_grad():
        sequence = torch.cat([opening, content, first, how, second, who, closing], 1)
        expected = plain(inputs_embeds=sequence).logits[0, -1:]
        output = decoder(tokens, CAPTION, ANSWERS)
    torch.testing.assert_close(output.logits[output.rows == 1], expected, atol=1e-4, rtol=0)


def test_a_branch_without_a_slot_is_named(decoder):
    with pytest.raises(PromptError, match="soft tokens of content, descriptor, speaker.*slots content, descriptor"):
        decoder({**TOKENS, "speaker": CONTENT}, CAPTION, ANSWERS)
