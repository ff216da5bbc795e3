"""A paragraph that is shown while it is generated, and what comes of it."""

import pytest
import torch

import speechbrain_xser
from speechbrain_xser import ExplainableEmotionRecognizer, Explanation
from speechbrain_xser.data.synthetic.corpus import plan, speak
from speechbrain_xser.decoder.generation.streaming import streamed_text
from speechbrain_xser.errors import AudioError

HALF = "\N{REPLACEMENT CHARACTER}"


@pytest.fixture(scope="module")
def spoken():
    return torch.from_numpy(speak(plan("test", 3, seed=1)))


@pytest.fixture(scope="module", params=[{}, {"speculate": 4}, {"structured": True}, {"merge": True}], ids=str)
def packaged(request):
    source = speechbrain_xser.packaged_model()
    return ExplainableEmotionRecognizer.from_hparams(source, run_opts={"device": "cpu"}, **request.param)


def test_the_last_is_what_the_clip_gets_in_a_batch(packaged, spoken):
    for _ in range(2):  # what was answered before is guessed the second time
        *texts, last = packaged.explain_live(spoken)
        assert isinstance(last, Explanation)
        assert [last] == packaged.explain_batch(spoken[None])
        assert texts[-1] == last.paragraph


def test_every_text_goes_on_where_the_one_before_ended(packaged, spoken):
    *texts, _ = packaged.explain_live(spoken)
    assert len(texts) > 5
    assert all(late.startswith(early) for early, late in zip(texts, texts[1:], strict=False))


def test_a_decoder_of_random_words_is_shown_as_it_speaks(recognizer):
    wav = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(3))
    *texts, last = recognizer.explain_live(wav)
    assert texts[-1] == last.paragraph == recognizer.explain_batch(wav[None])[0].paragraph


def test_between_two_texts_gradients_and_modes_are_the_callers_own(recognizer):
    recognizer.mods.model.train()
    try:
        live = recognizer.explain_live(torch.zeros(16000))
        for _ in range(3):
            next(live)
            assert torch.is_grad_enabled() and recognizer.mods.model.decoder.training
    finally:
        recognizer.mods.model.eval()


def test_two_clips_whose_texts_alternate_do_not_mix(recognizer, spoken):
    wavs = [spoken, 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(3))]
    alone = [recognizer.explain_batch(wav[None])[0] for wav in wavs]
    lives = [recognizer.explain_live(wav) for wav in wavs]
    found = [None, None]
    while lives:
        for live in list(lives):
            one = next(live, None)
            if one is None:
                lives.remove(live)
            elif isinstance(one, Explanation):
                found[alone.index(one)] = one
    assert found == alone


def test_a_clip_that_cannot_be_used_is_refused_at_the_first_text(recognizer):
    live = recognizer.explain_live(torch.full((16000,), torch.nan))
    with pytest.raises(AudioError, match="NaN"):
        next(live)


def test_half_a_character_waits_for_its_other_half():
    assert list(streamed_text(["", f"a{HALF}", f"a{HALF}{HALF}", "a€", "a€b"])) == ["a", "a€", "a€b"]


def test_a_text_that_takes_back_what_was_shown_is_left_out():
    assert list(streamed_text(["é", f"{HALF}{HALF}x", "éx"])) == ["é", "éx"]
