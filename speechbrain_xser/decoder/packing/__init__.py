"""How a causal LLM reads a batch: rows without padding, attention by plans, and what its output layer makes of them."""
