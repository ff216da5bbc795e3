"""EmoDB's hand-labelled syllables and stresses, as the words of its transcripts."""

from functools import lru_cache

import pytest

from recipes.Annotator.accents import NEW_SPEAKERS, Labelled, labelled_clips
from tests.genuine import DATA

LABELS = DATA / "annotations" / "emodb"
needs_emodb = pytest.mark.skipif(
    not (DATA / "emodb" / "wav").is_dir() or not (LABELS / "lablaut").is_dir(),
    reason="EmoDB's clips and labels are not here: set XSER_DATA to the folder with emodb/ and annotations/emodb/",
)


@lru_cache
def new_speakers() -> list[Labelled]:
    """Clips of the five speakers that were not used to choose the weights."""
    return labelled_clips(DATA / "emodb", LABELS, NEW_SPEAKERS)
