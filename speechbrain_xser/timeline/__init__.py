"""Recordings of any length as a timeline; :func:`~speechbrain_xser.timeline.timeline.read_timeline` is its entry point.

The steps are short files: ``recording`` (samples at 16 kHz, block by block) → ``data.speech`` (probability of speech
every 32 ms) → ``cutting`` (where moments start and end) → ``timeline`` (explanations in batches) →
``text_formats``, ``subtitles`` and ``page``. No step holds more than a few moments, so memory does not grow with the
recording.
"""
