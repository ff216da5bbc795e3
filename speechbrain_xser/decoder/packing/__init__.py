"""Packing: how a causal LLM processes a batch without padding, with attention by plans, and its output layer."""
