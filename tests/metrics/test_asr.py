"""Word error rate: by hand, and as published for a public system."""

import io
import math

import pytest
from speechbrain.utils.metric_stats import ErrorRateStats

from speechbrain_xser.metrics import CharacterErrorRate, WordErrorRate
from tests.genuine import DATA


def errors(references, hypotheses):
    rate = WordErrorRate()
    rate.append([str(n) for n in range(len(references))], references, hypotheses)
    return rate


def test_a_corpus_is_one_long_text():
    """1 substitution of 1 word and 0 errors of 9: 10 %, not the mean of rates, 50 %."""
    assert errors(["no", "a b c d e f g h i"], ["yes", "a b c d e f g h i"]).summarize("WER") == 10.0


def test_each_kind_of_error_is_counted():
    assert errors(["a b c d"], ["a x c d e"]).summarize() == (
        {"WER": 50.0, "words": 4, "substitutions": 1, "deletions": 0, "insertions": 1}
    )


def test_punctuation_and_case_are_no_errors():
    assert errors(["Don’t go!"], ["don't GO"]).summarize("WER") == 0.0


def test_no_hypothesis_deletes_every_word():
    assert errors(["a b", "c d"], [None, ""]).summarize("deletions") == 4


def test_unknown_references_are_left_out():
    assert errors([None, "a"], ["x y z", "a"]).summarize() == (
        {"WER": 0.0, "words": 1, "substitutions": 0, "deletions": 0, "insertions": 0}
    )


def test_words_over_an_empty_reference_are_inserted():
    assert errors(["...", "a b"], ["x", "a b"]).summarize("WER") == 50.0


def test_without_words_there_is_no_rate():
    assert math.isnan(WordErrorRate().summarize("WER"))
    assert math.isnan(errors([""], ["x"]).summarize("WER"))


def test_statistics_are_written_with_every_utterance():
    stream = io.StringIO()
    errors(["a b"], ["a"]).write_stats(stream)
    assert stream.getvalue() == "50.00 % WER, 2 words, S 0 D 1 I 0\n0\n  ref: a b\n  hyp: a\n"


@pytest.mark.skipif(not (DATA / "metrics").is_dir(), reason="needs published transcripts: set XSER_DATA")
def test_a_published_system_has_its_published_rate():
    def texts(name):
        lines = (DATA / "metrics" / f"wer_test-other_{name}.tsv").read_text(encoding="utf-8").splitlines()
        return dict((line.split("\t", 1) + [""])[:2] for line in lines)

    references, hypotheses = texts("ref"), texts("hyp_b1")
    summary = errors(list(references.values()), [hypotheses[id] for id in references]).summarize()
    assert summary["WER"] == pytest.approx(9.607779454750396, abs=1e-12)
    assert (summary["words"], summary["substitutions"] + summary["deletions"] + summary["insertions"]) == (52343, 5029)


def test_characters_are_counted_after_the_same_normaliser_with_single_spaces():
    rate = CharacterErrorRate()
    rate.append(["a", "b"], ["Go  ON!", None], ["go in", "anything"])  # "go on" against "go in": one of five
    assert rate.summarize() == {"CER": 20.0, "characters": 5, "substitutions": 1, "deletions": 0, "insertions": 0}


def test_speechbrains_own_character_error_rate_agrees():
    references, hypotheses = ["the cat sat on a mat", "so it is"], ["a cat sad on mat", "so is it"]
    ours, theirs = CharacterErrorRate(), ErrorRateStats(split_tokens=False)
    ours.append(["a", "b"], references, hypotheses)
    theirs.append(["a", "b"], [list(text) for text in hypotheses], [list(text) for text in references])
    assert ours.summarize("CER") == pytest.approx(theirs.summarize("error_rate"), abs=1e-9)
