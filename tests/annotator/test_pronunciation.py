"""Timing and stress that eSpeak reports for the words it speaks."""

import numpy as np
import pytest

from speechbrain_xser.annotator.pronunciation import read
from speechbrain_xser.annotator.syllables import count_syllables
from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking
from speechbrain_xser.errors import SettingsError


def test_a_word_begins_between_its_first_phoneme_and_the_one_before():
    espeak = Espeak()
    espeak.say("Kids are talking", Speaking("en-us"))
    phones = {phone.name.strip("'"): phone.seconds for phone in espeak.phones}
    assert [word.index for word in espeak.words] == [0, 1, 2]
    assert phones["A@"] < espeak.words[2].seconds <= phones["t"]


@pytest.mark.parametrize(
    "text, spoken",
    [
        ("door - of the 1999 don't", [0, 2, 4, 5]),  # a dash is silent, "of the" one entry, a number several words
        ("- well", [1]),
        ("a < b & c", [0, 2, 3, 4]),  # the mark-up has more letters than the text
        ("¿Qué? «naïve» costs", [0, 1, 2]),
        ("", []),
    ],
)
def test_a_start_belongs_to_its_white_space_word(text, spoken):
    espeak = Espeak()
    espeak.say(text, Speaking("en-us"))
    assert [word.index for word in espeak.words] == spoken


def test_an_emphasised_word_does_not_shift_the_others():
    espeak = Espeak()
    espeak.say("we saw the dog", Speaking("en-us", emphasis="saw"))
    assert [word.index for word in espeak.words] == [0, 1, 2, 3]


def test_every_white_space_word_is_expected_once_and_a_dash_takes_no_time():
    words = read("The door - of the house.").words
    assert len(words) == 6 and words[2].seconds == 0 and words[2].stress == 0
    assert all(word.seconds > 0 for index, word in enumerate(words) if index != 2)


def test_words_spoken_without_a_break_share_their_time_by_letters():
    of, the = read("side of the house").words[1:3]
    assert the.seconds / of.seconds == pytest.approx(3 / 2)
    assert the.start_seconds == pytest.approx(of.start_seconds + of.seconds)


def test_words_and_pauses_fill_the_reading():
    reading = read("Well, we went home. Then we slept.")
    pauses = sum(stop - start for start, stop in reading.pauses)
    words = sum(word.seconds for word in reading.words)
    assert words + pauses == pytest.approx(len(reading.wave) / reading.sample_rate, abs=0.05)


def test_content_words_have_lexical_stress_and_function_words_none():
    stress = np.array([word.stress for word in read("Der Lappen liegt auf dem Eisschrank.", "de").words])
    assert stress[[1, 2, 5]].tolist() == [1, 1, 1] and stress[[0, 4]].tolist() == [0, 0]


def test_an_unknown_language_is_named():
    with pytest.raises(SettingsError, match="'klingonese'"):
        read("hello", "klingonese")


def test_a_reading_does_not_depend_on_what_was_read_before():
    read.cache_clear()
    alone = read("Good morning to you", high=True)
    Espeak().say("Something else, in a breathy voice", Speaking("en-us+f2", rate=120))
    read.cache_clear()
    again = read("Good morning to you", high=True)
    assert np.array_equal(alone.wave, again.wave) and alone.words == again.words


def test_syllables_come_from_the_library_that_is_loaded_now(monkeypatch):
    """A reading reloads eSpeak, which makes the old handle invalid."""
    count_syllables("the elephant")
    read("the elephant")
    loaded, asked = Espeak._library, []

    class Watched:
        def __getattr__(self, name):
            asked.append(name)
            return getattr(loaded, name)

    monkeypatch.setattr(Espeak, "_library", Watched())
    assert count_syllables("the elephant") == 4 and "espeak_TextToPhonemes" in asked
