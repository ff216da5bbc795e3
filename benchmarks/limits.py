"""The least a work can take by this run's own ceilings: floating-point operations, or bytes of weights."""

from __future__ import annotations

from benchmarks.ceilings import Ceilings
from benchmarks.growth import positions
from benchmarks.material import Utterances
from speechbrain_xser.model import ExplainableSER


def llm_sizes(model: ExplainableSER) -> tuple[int, int]:
    """Weights of the LLM's layers, and of its output layer."""
    causal = model.decoder.causal
    head = causal.get_output_embeddings().weight.numel()
    layers = sum(p.numel() for name, p in causal.base_model.layers.named_parameters() if ".lora_" not in name)
    return layers, head


def training_seconds(model: ExplainableSER, batch: Utterances, most: Ceilings) -> float:
    """A step at the peak: encoder once, the LLM's layers twice at every position, its output layer at the answers."""
    layers, head = llm_sizes(model)
    encoder = sum(p.numel() for p in model.encoder.parameters())
    frames = int(model.encoder.frame_counts(batch.samples).sum())
    answers = model.decoder.count_tokens(batch.answers, "")
    llm = 4 * layers * positions(model, batch) + 4 * head * answers
    return (2 * encoder * frames + llm) / most.flops


def token_seconds(model: ExplainableSER, most: Ceilings) -> float:
    """A generated token of one row: all weights are read once; a copy's bandwidth counts reading and writing."""
    read = [weight for name, weight in model.decoder.causal.named_parameters() if "embed" not in name]
    return sum(weight.numel() * weight.element_size() for weight in read) / most.bandwidth
