"""The embedded corpus: synthetic speech whose every label is true by construction."""

from speechbrain_xser.data.synthetic.corpus import prepare

__all__ = ["prepare"]
