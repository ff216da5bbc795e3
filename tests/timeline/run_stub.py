"""A timeline with the stub model, in a separate process: prints its peak memory, and pauses on request.

python run_stub.py RECORDING OUT [PAUSE]: waits so many seconds before each batch, so that it can be killed.
"""

import resource
import sys
import time

from speechbrain_xser.cli import timeline
from tests.timeline.stub import Stub


class Slow(Stub):
    def explain_batches(self, batches, joined=8, speech_check=None, unknown=None):
        time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
        yield from super().explain_batches(batches, joined)


timeline.load_recognizer = lambda *_, **__: Slow()
try:
    timeline.timeline_command([sys.argv[1], "--out", sys.argv[2], "--batch-size", "2", "--json"])
finally:
    print("kilobytes", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
