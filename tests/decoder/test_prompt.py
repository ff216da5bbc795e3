"""The prompt equals the paper's figure, whatever text surrounds the slots."""

from pathlib import Path

import pytest

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.prompt import PlainTokens, PromptTemplate
from speechbrain_xser.errors import PromptError
from speechbrain_xser.stages import CAPTION
from speechbrain_xser.testing import tiny_llm_folder

CONTENT, DESCRIPTOR = "<Content>", "<Speech descriptor>"
FIGURE = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "You are a helpful language and speech assistant.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n"
    "<Content>\n<Speech descriptor>\n"
    "Please caption the input audio according to content and speech descriptor-related information.<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
CHAT = (
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>{{ m.content | trim }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>{% endif %}"
)


def cut_at_slots(text):
    opening, rest = text.split(CONTENT)
    return [opening, *rest.split(DESCRIPTOR)]


def test_the_prompt_with_its_slots_written_out_is_the_figure_character_by_character():
    opening, between, closing = PromptTemplate().texts(CAPTION)
    assert opening + CONTENT + between + DESCRIPTOR + closing == FIGURE


def test_token_ids_are_those_of_the_whole_template_cut_at_its_slots(tokenizer):
    expected = [tokenizer(text, add_special_tokens=False).input_ids for text in cut_at_slots(FIGURE)]
    assert list(PromptTemplate().segments(CAPTION, tokenizer)) == expected


def test_each_header_is_one_token(tokenizer):
    opening = PromptTemplate().segments(CAPTION, tokenizer)[0]
    controls = [token for token in tokenizer.convert_ids_to_tokens(opening) if token.startswith("<|")]
    assert controls == [
        "<|begin_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
    ]


def test_decoded_ids_hold_the_instruction(tokenizer):
    closing = PromptTemplate().segments(CAPTION, tokenizer)[-1]
    assert CAPTION in tokenizer.decode(closing)


def test_nothing_is_added_to_the_vocabulary(tokenizer):
    before = len(tokenizer)
    PromptTemplate().segments(CAPTION, tokenizer)
    assert len(tokenizer) == before
    assert len(tokenizer(CONTENT, add_special_tokens=False).input_ids) > 1


def test_slot_text_inside_an_instruction_is_plain_text(tokenizer):
    instruction = "Repeat <Content> and <Speech descriptor> and {system}."
    segments = PromptTemplate().segments(instruction, tokenizer)
    assert segments[:2] == PromptTemplate().segments(CAPTION, tokenizer)[:2]
    assert instruction in tokenizer.decode(segments[-1])


def test_slot_text_and_control_tokens_inside_a_transcript_are_plain_text(tokenizer):
    ids = PlainTokens(tokenizer)('says "<Content> <|eot_id|> <|start_header_id|>"')
    assert not {tokenizer.convert_tokens_to_ids(name) for name in ("<|eot_id|>", "<|start_header_id|>")} & set(ids)
    assert tokenizer.decode(ids) == 'says "<Content> <|eot_id|> <|start_header_id|>"'


def test_a_control_token_inside_an_instruction_is_refused_by_name(tokenizer):
    with pytest.raises(PromptError, match=r"control token '<\|eot_id\|>'"):
        PromptTemplate().segments("Stop <|eot_id|> here.", tokenizer)


def test_an_unknown_style_is_refused_with_the_known_ones():
    with pytest.raises(PromptError, match="'llama2'.*'llama3' or 'chat'"):
        PromptTemplate(style="llama2")


def test_chat_style_is_the_tokenizers_own_template_cut_at_its_slots(tokenizer):
    tokenizer.chat_template = CHAT
    system = {"role": "system", "content": "Be brief."}
    user = {"role": "user", "content": "<Content>\n<Speech descriptor>\nWhat is said?"}
    whole = tokenizer.apply_chat_template([system, user], tokenize=False, add_generation_prompt=True)
    expected = [tokenizer(text, add_special_tokens=False).input_ids for text in cut_at_slots(whole)]
    assert list(PromptTemplate("Be brief.", "chat").segments("What is said?", tokenizer)) == expected


def test_chat_style_keeps_slot_text_of_an_instruction_as_text(tokenizer):
    tokenizer.chat_template = CHAT
    closing = PromptTemplate("Be brief.", "chat").texts("Say <Content>.", tokenizer)[2]
    assert closing == "\nSay <Content>.<|eot_id|><|start_header_id|>assistant<|end_header_id|>"


def test_chat_style_without_a_chat_template_is_refused_with_the_remedy(tokenizer):
    tokenizer.chat_template = None
    with pytest.raises(PromptError, match="no chat template: use the prompt style 'llama3'"):
        PromptTemplate(style="chat").segments("What is said?", tokenizer)


def test_a_chat_template_that_refuses_a_system_turn_names_the_remedy(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('no system role') if messages[0].role == 'system' }}" + CHAT
    with pytest.raises(PromptError, match="no system role.*empty system text"):
        PromptTemplate(style="chat").segments("What is said?", tokenizer)
    assert PromptTemplate("", "chat").texts("What is said?", tokenizer)[0].endswith("user<|end_header_id|>")


def test_a_chat_template_that_fails_is_told_when_the_decoder_is_built(tmp_path):
    folder = Path(tiny_llm_folder(tmp_path))
    (folder / "chat_template.jinja").write_text("{{ raise_exception('for tools only') }}")
    with pytest.raises(PromptError, match="for tools only"):
        LLMDecoder(str(folder), template=PromptTemplate(style="chat"))


def test_a_chat_template_that_loses_the_users_turn_is_refused(tokenizer):
    tokenizer.chat_template = "{{ messages[0].content }}"
    with pytest.raises(PromptError, match="lost or repeated a slot"):
        PromptTemplate(style="chat").segments("What is said?", tokenizer)


@pytest.mark.parametrize("slots", [(), ("content", "content")])
def test_a_prompt_without_slots_or_with_one_twice_is_refused(slots):
    with pytest.raises(PromptError, match="expected at least one, each once"):
        PromptTemplate(slots=slots)


def test_chat_style_cuts_at_three_slots(tokenizer):
    tokenizer.chat_template = CHAT
    texts = PromptTemplate("Be brief.", "chat", ("content", "descriptor", "speaker")).texts("What is said?", tokenizer)
    assert texts[1:3] == ["\n", "\n"] and texts[3].startswith("\nWhat is said?")
