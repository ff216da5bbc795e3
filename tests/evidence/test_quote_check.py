"""Quotes beside sounds: what a decoder hears and finds likely, and what agrees with a reading."""

import pytest
import torch

from speechbrain_xser.annotator.alignment import agreement
from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking
from speechbrain_xser.evidence.quote_check import LEAST_LIKELIHOOD, alignment_check, whisper_check
from speechbrain_xser.lobes.word_recognizer import Likely, WhisperRecognizer, Word
from speechbrain_xser.utils.stopping import stoppable
from tests.annotator.real_clips import clips, needs_real_clips

WAV = torch.zeros(16000)


class Heard:
    """A recogniser that hears given words, and finds each word of a text, and its end, as likely as it is told."""

    def __init__(self, text, likelihoods, end=1.0):
        self.text, self.found, self.end, self.encodings = text, likelihoods, end, 0

    def encode(self, wavs, samples):
        self.encodings += 1
        return wavs, samples.tolist()

    def recognize(self, encoded, samples):
        assert encoded == (encoded[0], samples.tolist())
        return [[Word(word, 1.0) for word in self.text.split()]]

    def likelihoods(self, encoded, texts):
        [self.asked] = texts
        return [Likely(self.found, self.end)]


def test_a_word_fits_if_it_is_heard_or_likely():
    least = LEAST_LIKELIHOOD
    likely = whisper_check(Heard("Kids are walking.", [0.9, 0.9, 2 * least]), WAV)("kids are talking")
    unlikely = whisper_check(Heard("Kids are walking.", [0.9, 0.9, least / 2]), WAV)("kids are talking")
    heard = whisper_check(Heard("Kids, are TALKING.", [0.9, 0.9, 0.0]), WAV)("kids are talking")
    assert [found.fits for found in (likely, unlikely, heard)] == [True, False, True]
    assert unlikely.heard == "Kids are walking." and unlikely.value == pytest.approx(50 * least)


def test_a_clip_is_encoded_once_for_its_words_and_their_likelihoods():
    recognizer = Heard("Go on.", [1.0, 1.0])
    assert whisper_check(recognizer, WAV)("go on").fits and recognizer.encodings == 1


@pytest.mark.parametrize("passes", [0, 1])
def test_a_check_may_be_stopped_before_each_of_its_passes(passes):
    recognizer, asked = Heard("Go on.", [1.0, 1.0]), []

    def refused():
        asked.append(1)
        if len(asked) > passes:
            raise InterruptedError

    with stoppable(refused), pytest.raises(InterruptedError):
        whisper_check(recognizer, WAV)("go on")
    assert recognizer.encodings == passes and not hasattr(recognizer, "asked")


@pytest.mark.parametrize(
    ("heard", "quote", "likelihoods", "end"),
    [
        ("I am not happy.", "I am happy", [1.0, 1.0, 0.0001], 1.0),
        ("Kids are talking.", "kids", [1.0], 0.0001),
        ("Kids are talking.", "talking", [0.0001], 1.0),
        ("I am not at all happy.", "I was happy", [1.0, 1.0, 0.0001], 1.0),
    ],
)
def test_a_quote_that_leaves_words_out_is_contradicted(heard, quote, likelihoods, end):
    found = whisper_check(Heard(heard, likelihoods, end), WAV)(quote)
    assert not found.fits and found.value == pytest.approx(0.01)


def test_what_follows_words_left_out_may_be_likely():
    found = whisper_check(Heard("Um, kids are talking now.", [0.2, 0.0, 0.0], 0.4), WAV)("kids are talking")
    assert found.fits and found.value == pytest.approx(20)


def test_a_quote_is_asked_for_as_a_sentence_and_without_signs():
    recognizer = Heard("", [0.0] * 3)
    found = whisper_check(recognizer, WAV)("“BY, the door!”")
    assert recognizer.asked == "By the door" and found.heard == "nothing" and not found.fits


def test_a_quote_without_words_is_not_judged():
    assert whisper_check(Heard("", []), WAV)(" - ?") is None
    assert alignment_check(hear(WAV))("by the door") is None


def spoken(text):
    """Another voice and tempo than those of the reading."""
    espeak = Espeak()
    wave = torch.from_numpy(espeak.say(text, Speaking("en-us+m3", rate=140)))
    return hear(wave, sampling_rate=espeak.sample_rate)


def test_a_reading_agrees_with_its_own_words_only():
    texts = "the children were playing behind our new house", "nobody answered the telephone this morning again"
    heard = [spoken(text) for text in texts]
    own = [agreement(one, text) for one, text in zip(heard, texts, strict=True)]
    other = [agreement(one, text) for one, text in zip(heard, reversed(texts), strict=True)]
    assert min(own) > 0.1 > max(other)
    assert agreement(heard[0], "children") is None and alignment_check(heard[0])("! ? children") is None


@needs_real_clips
def test_whisper_tells_true_quotes_of_real_speech_from_wrong_ones(small):
    recognizer = WhisperRecognizer(small[0]).eval()
    found = []
    for clip in clips("ravdess", 2):
        check, words = whisper_check(recognizer, clip.wav), clip.transcript.split()
        wrong = " ".join([*words[:2], "yesterday", *words[3:]])
        shorter = (" ".join(words[:2] + words[3:]), words[0], " ".join(words[1:]), " ".join(words[:-1]))
        quotes = (clip.transcript, wrong, "Maybe tomorrow it will be cold", *shorter)
        found.append([check(quote).fits for quote in quotes])
    assert found == [[True] + [False] * 6] * 2
