"""Annotator: descriptors of any speech, measured from the signal (would move to ``speechbrain/processing``)."""
