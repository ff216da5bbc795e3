"""Speed and memory side by side with named peers, in one run: ``python -m benchmarks``, with ``--paper`` on a GPU.

Weights are random (time does not depend on them) and lengths are as in GigaSpeech. Variants of one work take turns, so
that whatever else the machine does hits all of them; what is shown are medians and their ratios.
"""
