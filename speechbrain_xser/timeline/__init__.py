"""Recordings of any length as a timeline.

The entry point is :func:`~speechbrain_xser.timeline.moment_stream.read_timeline`.

The steps are short files: ``recording`` (samples at 16 kHz, block by block) → ``data.speech`` (probability of speech
every 32 ms) → ``cutting`` (where moments start and end) → ``moment_stream`` (explanations in batches)
→ ``text_formats``, ``subtitles`` and ``page``. No step holds more than a few moments, so memory does not grow with the
recording.
"""
