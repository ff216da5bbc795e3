"""The causal LLM that reads two kinds of soft tokens and answers with one paragraph.

Moves to ``speechbrain/integrations/huggingface``.
"""

import logging

# where bitsandbytes is installed, importing peft prints its hint at a faster kernel, whatever is quantised
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
