"""A tiny decoder whose LoRA is not zero, soft tokens of mixed lengths, and other families of LLM."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.llm import load_tokenizer
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.testing import tiny_llm_folder

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**SHAPE, "num_key_value_heads": 2, "max_position_embeddings": 1024}


@pytest.fixture(scope="session")
def llm_folder(tmp_path_factory):
    return tiny_llm_folder(tmp_path_factory.mktemp("llm"))


@pytest.fixture
def tokenizer(llm_folder):
    return load_tokenizer(llm_folder)


@pytest.fixture
def plain(llm_folder):
    """The same LLM as transformers loads it."""
    return LlamaForCausalLM.from_pretrained(llm_folder).eval()


@pytest.fixture
def decoder(llm_folder):
    return with_lora(LLMDecoder(llm_folder, dtype="float32")).eval()


def with_lora(decoder: LLMDecoder, seed: int = 5, scale: float = 0.1) -> LLMDecoder:
    """Gives LoRA the same random values on each call; its B would start at zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in decoder.named_parameters():
        if ".lora_" in name:
            spread = scale if "lora_B" in name else parameter.shape[1] ** -0.5
            parameter.data.copy_(spread * torch.randn(parameter.shape, generator=generator))
    return decoder


def soft_tokens(counts, width=32, seed=0, requires_grad=False) -> SoftTokens:
    """Random soft tokens with large values at padding, so that a leak shows."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = 0.1 * torch.randn(len(counts), max(counts), width, generator=generator)
    for row, count in enumerate(counts):
        embeddings[row, count:] = 100.0
    return SoftTokens(embeddings.requires_grad_(requires_grad), torch.tensor(counts))


def row_of(tokens: SoftTokens, row: int) -> SoftTokens:
    """One utterance alone, without its padding."""
    count = int(tokens.counts[row])
    return SoftTokens(tokens.embeddings[row : row + 1, :count], tokens.counts[row : row + 1])


def pair(content: SoftTokens, descriptor: SoftTokens) -> dict[str, SoftTokens]:
    """The soft tokens of the paper's two branches."""
    return {"content": content, "descriptor": descriptor}


def rows_of(tokens: dict[str, SoftTokens], row: int) -> dict[str, SoftTokens]:
    """One utterance alone in every branch."""
    return {name: row_of(one, row) for name, one in tokens.items()}


FAMILIES = {  # what sets a family apart, where its default would not show
    "mistral": {"sliding_window": 6},
    "qwen2": {},
    "qwen3": {"head_dim": 8, "use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    "gemma2": {"head_dim": 8, "final_logit_softcapping": 0.05, "attn_logit_softcapping": None},
    "gemma3_text": {
        **{"head_dim": 8, "layer_types": ["full_attention", "sliding_attention"], "sliding_window": 6},
        "final_logit_softcapping": 0.05,
    },
    "smollm3": {"no_rope_layers": [1, 0]},
    "olmo2": {},
    "granite": {
        **{"embedding_multiplier": 3.0, "attention_multiplier": 0.2, "residual_multiplier": 0.5},
        "logits_scaling": 4.0,
    },
    "phi3": {},
    "gpt_neox": {},
    "cohere": {"logit_scale": 0.25},  # its logits are multiplied, which is not known here
}


def other_llm_folder(folder, family: str, llm_folder: str) -> str:
    """A tiny LLM of another family with the tiny tokenizer; the seed gives the same one on each call."""
    tokenizer = load_tokenizer(llm_folder)
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    shape = SHAPE if family == "gpt_neox" else GROUPED
    torch.manual_seed(1)
    config = AutoConfig.for_model(family, **shape, **ids, **FAMILIES[family])
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


class Guesses:
    """Guesses the same tokens each time."""

    def __init__(self, *tokens):
        self.tokens = list(tokens)

    def guess(self, ids, limit):
        return self.tokens[:limit]

    def learn(self, ids):
        pass
