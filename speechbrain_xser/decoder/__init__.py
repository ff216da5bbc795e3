"""The causal LLM that reads two kinds of soft tokens and answers with one paragraph.

Moves to ``speechbrain/integrations/huggingface``.
"""

import logging

# its import prints a hint at a faster kernel, whichever are there
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
