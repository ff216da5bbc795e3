"""The causal LLM that takes the branches' soft tokens and answers with one paragraph.

Would move to ``speechbrain/integrations/huggingface``.
"""

import logging

# its import logs a hint at a faster kernel in any case
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
