"""A timeline with speakers of stubs, slow enough to be killed: python -m tests.cli.slow_speakers RECORDING OUT."""

import sys
import time

from speechbrain_xser.cli import timeline
from speechbrain_xser.lobes import speaker_encoder
from speechbrain_xser.timeline import moment_stream
from tests.timeline.conversation import PitchEncoder
from tests.timeline.stub import Loudness, Stub


class Slow(Stub):
    """Waits a second before each batch."""

    def explain_batches(self, batches, joined=8, speech_check=None, unknown=None):
        time.sleep(1)
        yield from super().explain_batches(batches, joined)


timeline.load_recognizer = lambda *_, **__: Slow()
moment_stream.SpeechDetector = Loudness
speaker_encoder.speaker_encoder = lambda folder=None: PitchEncoder()
timeline.timeline_command([sys.argv[1], "--speakers", "--out", sys.argv[2], "--batch-size", "2"])
