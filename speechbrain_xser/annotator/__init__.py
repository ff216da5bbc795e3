"""Annotator: descriptors of any speech, measured from the signal ("moves to" ``speechbrain/processing``)."""
