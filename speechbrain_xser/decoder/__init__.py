"""The causal LLM that reads two kinds of soft tokens and answers with one paragraph.

Moves to ``speechbrain/integrations/huggingface``.
"""
