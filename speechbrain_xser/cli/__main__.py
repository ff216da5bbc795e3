"""``python -m speechbrain_xser.cli``, the same as ``xser``."""

from speechbrain_xser.cli.main import xser

xser(prog_name="xser")
