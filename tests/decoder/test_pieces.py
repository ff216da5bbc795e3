"""The most frequent tokens of a vocabulary, against byte-pair merges by hand."""

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from speechbrain_xser.decoder.llm import load_tokenizer
from speechbrain_xser.decoder.pieces import Pieces
from speechbrain_xser.errors import BackboneError


def small(merges, vocabulary):
    model = models.BPE({token: number for number, token in enumerate(vocabulary)}, merges)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model))


@pytest.fixture
def tokenizer():
    return small([("a", "b"), ("ab", "c"), ("c", "c")], ["a", "b", "c", "ab", "abc", "cc"])


@pytest.mark.parametrize(
    ("size", "ids"),
    [(6, [4, 5]), (5, [4, 2, 2]), (4, [3, 2, 2, 2]), (3, [0, 1, 2, 2, 2])],
)
def test_merges_beyond_the_size_are_not_made(tokenizer, size, ids):
    assert Pieces(tokenizer, size)("abccc") == ids


def test_symbols_may_stand_behind_what_is_made_of_them():
    tokenizer = small([("a", "b"), ("ab", "c")], ["ab", "abc", "a", "b", "c"])
    pieces = Pieces(tokenizer, 4)
    assert pieces("abc") == [3, 2] and [pieces.ids[place] for place in (3, 2)] == [0, 4]  # ab, c


@pytest.mark.parametrize("llm", ["packaged:llama-tiny"])
def test_frequent_words_have_the_llm_s_own_tokens(llm):
    tokenizer = load_tokenizer(llm)
    pieces = Pieces(tokenizer, 400)
    assert [pieces.ids[place] for place in pieces(" the")] == tokenizer(" the", add_special_tokens=False).input_ids


def test_control_tokens_are_plain_text():
    tokenizer = load_tokenizer("packaged:llama-tiny")
    pieces = Pieces(tokenizer, 400)
    places = pieces("stop <|eot_id|> here")
    assert not {pieces.ids[place] for place in places} & set(tokenizer.all_special_ids)
    assert pieces.text(places) == "stop <|eot_id|> here"


def test_the_tokenizer_itself_is_not_changed(tokenizer):
    Pieces(tokenizer, 3)
    assert tokenizer("abccc").input_ids == [4, 5]


@pytest.mark.parametrize("size", [2, 7])
def test_a_size_without_all_symbols_or_beyond_all_tokens_is_refused(tokenizer, size):
    with pytest.raises(BackboneError, match=f"{size} tokens for rows: this LLM has 3 symbols and 6 tokens"):
        Pieces(tokenizer, size)


def test_a_tokenizer_of_another_kind_is_refused():
    unigram = Tokenizer(models.Unigram([("a", -1.0), ("b", -2.0)], unk_id=0))
    with pytest.raises(BackboneError, match="byte pairs"):
        Pieces(PreTrainedTokenizerFast(tokenizer_object=unigram), 2)
