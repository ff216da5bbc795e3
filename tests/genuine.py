"""Where genuine speech, annotation files and published figures lie, which are never part of a checkout."""

import os
from pathlib import Path

DATA = Path(os.environ.get("XSER_DATA", Path(__file__).parents[2] / "shared" / "data"))
