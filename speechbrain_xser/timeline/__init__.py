"""Recordings of any length as a timeline: who cares about hours reads :func:`~speechbrain_xser.timeline.timeline.\
read_timeline`.

One way through five short files: ``recording`` (samples at 16 kHz, a block at a time) → ``detector`` (how likely speech
is, every 32 ms) → ``cutting`` (where moments begin and end) → ``timeline`` (explained in batches) → ``formats``,
``subtitles`` and ``page``. No step holds more than some moments, so memory does not grow with the recording.
"""
