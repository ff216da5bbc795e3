"""Uses an installed package where there is no checkout: the command, and ``from_hparams``, on a spoken sentence."""

import json
import subprocess
import sys
from pathlib import Path

import soundfile

import speechbrain_xser
from speechbrain_xser.data.synthetic import corpus
from speechbrain_xser.inference import ExplainableEmotionRecognizer

environment = Path(sys.prefix)
assert environment in Path(speechbrain_xser.__file__).parents, f"{speechbrain_xser.__file__} is not the wheel's"

plan = corpus.plan("test", 0, 1)
soundfile.write("clip.wav", corpus.speak(plan), corpus.SAMPLE_RATE)
command = [environment / "bin" / "xser", "explain", "--model", "tiny", "clip.wav", "--json"]
row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model(), run_opts={"device": "cpu"})
explanation = recognizer.explain_file("clip.wav")

assert row["paragraph"] == explanation.paragraph, (row, explanation)
assert explanation.transcript == corpus.record(plan).transcript, explanation
print(f"wheel: xser explain and from_hparams say {explanation.paragraph!r}")
