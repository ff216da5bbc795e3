"""The embedded corpus: synthetic speech whose labels are true by construction."""

from speechbrain_xser.data.synthetic.corpus import prepare

__all__ = ["prepare"]
