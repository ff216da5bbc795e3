"""The benchmark of decoding with real weights, on the tiny ones."""

from benchmarks import real_decoding
from speechbrain_xser.decoder.decoder import LLMDecoder


def test_both_ways_give_the_same_tokens_and_their_classes_are_restored():
    decoder = LLMDecoder("packaged:llama-tiny", dtype="float32").eval()
    classes = [type(module) for module in decoder.modules()]
    row = real_decoding._row(decoder, 2, tokens=3, repeats=1, how="LoRA not merged")
    assert row.note.startswith("same tokens in 2 of 2 rows") and row.ours > 0 and row.theirs > 0
    assert [type(module) for module in decoder.modules()] == classes


def test_without_weights_there_are_no_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(real_decoding, "user_cache", lambda: tmp_path)
    assert real_decoding.rows() == []
