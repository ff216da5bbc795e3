"""The style ``chat`` with the templates that families of LLMs ship, as TRL's package holds them (Apache-2.0).

TRL compares a tokenizer's template with these files character by character, so each is the publisher's text. None of
them is copied into this repository. SmolLM2's is read from the backbone that ``xser setup small`` brings.
"""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from speechbrain_xser.decoder.prompt import PromptTemplate
from speechbrain_xser.utils.sources import resolve_source

SYSTEM, QUESTION = "Be brief.", "What is said?"
SLOTS = "<Content>\n<Speech descriptor>\n"
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
DATED = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
LLAMA = (
    "<s><|start_header_id|>system<|end_header_id|>\n\n{}Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
    f"{SLOTS}What is said?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)
CHATML = (
    "<|im_start|>system\nBe brief.<|im_end|>\n"
    f"<|im_start|>user\n{SLOTS}What is said?<|im_end|>\n<|im_start|>assistant\n"
)
GEMMA = f"<s><start_of_turn>user\nBe brief.\n\n{SLOTS}What is said?<end_of_turn>\n<start_of_turn>model\n"
PHI = f"<|system|>\nBe brief.<|end|>\n<|user|>\n{SLOTS}What is said?<|end|>\n<|assistant|>\n"
FAMILIES = {  # a file of trl/chat_templates: the prompt, written by hand; None where it states today's date
    "llama3": LLAMA.format(""),
    "llama3_1": LLAMA.format(DATED),
    "llama3_2": None,
    "qwen2_5": CHATML,
    "qwen3": CHATML,
    "qwen3_instruct_2507": CHATML,
    "gemma3": GEMMA,
    "phi3": PHI,
    "phi3_5": PHI,
}


@pytest.fixture(scope="module")
def templates() -> Path:
    """The folder of TRL's package, which is not imported."""
    found = find_spec("trl")
    if found is None:
        pytest.skip("trl, which holds the templates, is not installed")
    return Path(found.submodule_search_locations[0]) / "chat_templates"


def both(tokenizer: PreTrainedTokenizerFast, template: str) -> tuple[str, str]:
    """Our prompt with its slots written out, and what transformers makes of the same turns."""
    tokenizer.chat_template = template
    opening, between, closing = PromptTemplate(SYSTEM, "chat").texts(QUESTION, tokenizer)
    turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": SLOTS + QUESTION}]
    theirs = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return opening + "<Content>" + between + "<Speech descriptor>" + closing, theirs


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prompt_of_a_family_is_what_transformers_renders_and_what_was_written_by_hand(templates, tokenizer, family):
    tokenizer.add_special_tokens(SPECIAL)
    ours, theirs = both(tokenizer, (templates / f"{family}.jinja").read_text(encoding="utf-8"))
    assert ours == theirs
    assert FAMILIES[family] in (None, ours)


def test_the_prompt_of_smollm2_is_what_transformers_renders(small, tokenizer):
    [source] = (name for name in small if "smollm2" in name)
    settings = json.loads((Path(resolve_source(source)) / "tokenizer_config.json").read_text(encoding="utf-8"))
    ours, theirs = both(tokenizer, settings["chat_template"])
    assert ours == theirs == CHATML
