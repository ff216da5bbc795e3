"""The sentences that the small model's training speech says."""

from pathlib import Path

import pytest
from Small.sentences import FILES, SHARES, sentences, written

from speechbrain_xser.errors import ManifestError
from speechbrain_xser.metrics.text_normalization import normalise

WORDNET = Path("/usr/share/wordnet")
needs_wordnet = pytest.mark.skipif(not (WORDNET / FILES[0]).is_file(), reason="Debian's wordnet-base is not installed")


@pytest.fixture
def wordnet(tmp_path):
    """Writes glosses as WordNet's files have them."""

    def write(*glosses: str) -> Path:
        for name in FILES:
            (tmp_path / name).write_text("  1 This software and database is being provided | to you\n")
        lines = [f"00001740 29 v 01 sing 0 000 | {gloss}  " for gloss in glosses]
        (tmp_path / "data.verb").write_text("\n".join(lines) + "\n")
        return tmp_path

    return write


def every(folder: Path) -> list[str]:
    return [sentence for split in SHARES for sentence in sentences(folder, split)]


def test_an_attribution_is_no_part_of_an_example(wordnet):
    gloss = 'be; "brevity is the soul of wit"- Shakespeare; "soul of  a new machine" -Tracy Kidder'
    assert sorted(every(wordnet(gloss))) == ["brevity is the soul of wit", "soul of a new machine"]


@pytest.mark.parametrize(
    "example",
    [
        "it cost 20 francs",
        "`go home,' he said angrily",
        "an altered (or changed) man",
        "she left--and he stayed",
        "the U.S. deploys its weapons",
        "it was provoked by...the enemy",
        "the depth of his sighs,",
        "tapped by the FBI again",
        "John F Kennedy said so",
        "only three words",
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
    ],
)
def test_what_is_not_spoken_as_it_is_written_is_left_out(wordnet, example):
    assert every(wordnet(f'say; "{example}"; "this one is kept"')) == ["this one is kept"]


def test_a_gloss_whose_quotation_marks_do_not_pair_is_left_out(wordnet):
    assert every(wordnet('say; "he went home late; "she stayed for a while"')) == []


def test_the_same_words_are_one_sentence(wordnet):
    assert len(every(wordnet('say; "in principle, we agree"', 'agree; "In principle we agree!"'))) == 1


@pytest.mark.parametrize(
    ("sentence", "transcript"),
    [
        ("are you sure of that", "Are you sure of that?"),
        ("where is she heading", "Where is she heading?"),
        ("what is more, it rained", "What is more, it rained."),
        ("where the cliffs of England rise", "Where the cliffs of England rise."),
        ("had he known, he would have gone", "Had he known, he would have gone."),
        ("we must win!", "We must win!"),
    ],
)
def test_a_transcript_has_a_capital_and_a_last_mark(sentence, transcript):
    assert written(sentence) == transcript


def test_a_comma_that_cannot_be_heard_can_be_left_out():
    assert written("he's here; well, half-awake", "pauseless") == "He's here well half-awake."
    assert written("he's here; well, half-awake", "words") == "he's here well half-awake"


def test_a_folder_without_wordnet_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ManifestError, match=r"data\.noun: No such file.*Install Debian's wordnet-base") as caught:
        sentences(tmp_path, "train")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_wordnet_s_is_refused(wordnet):
    folder = wordnet('say; "this one is kept"')
    (folder / "data.adj").write_text("adjectives\n")
    with pytest.raises(ManifestError, match=r"data\.adj: no gloss in it"):
        sentences(folder, "test")


def test_an_unknown_split_is_refused(wordnet):
    with pytest.raises(ManifestError, match="'dev'.*train, valid, test"):
        sentences(wordnet('say; "this one is kept"'), "dev")


@needs_wordnet
@pytest.mark.slow
def test_wordnet_has_tens_of_thousands_and_none_is_in_two_splits():
    found = {split: sentences(WORDNET, split) for split in SHARES}
    words = {split: {normalise(sentence) for sentence in found[split]} for split in SHARES}
    assert {split: len(words[split]) for split in SHARES} == {split: len(found[split]) for split in SHARES}
    assert len(found["train"]) > 28000 and min(len(found["valid"]), len(found["test"])) > 1400
    assert not words["train"] & words["valid"] and not words["test"] & (words["train"] | words["valid"])
    assert all(4 <= len(sentence.split()) <= 16 for sentence in found["train"])
