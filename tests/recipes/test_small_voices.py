"""Voices that can say any text, and what becomes of programs that do not."""

import os
import shutil
import stat
import sys
import textwrap
from pathlib import Path
from random import Random

import pytest
import torch
from Small.flite import Flite
from Small.piper import Piper
from Small.voices import Manner, Programs, Speaker, draw_manner, draw_speaker, open_voice, speakers

from speechbrain_xser.data.synthetic.voices import voices
from speechbrain_xser.errors import AudioError, SettingsError

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
needs_piper = pytest.mark.skipif(
    "XSER_PIPER" not in os.environ, reason="set XSER_PIPER to Piper's program and XSER_PIPER_MODEL to its model"
)
SENTENCE = "He made a great maneuver."


@pytest.fixture
def program(tmp_path):
    """Makes a program of a few lines of Python that may use ``sys``, ``os``, ``time`` and ``speak(path)``."""

    def make(body: str) -> str:
        head = f"#!{sys.executable} -S\nimport os, sys, time, wave\n" + textwrap.dedent(
            """
            def speak(path):
                with wave.open(path, "wb") as file:
                    file.setparams((1, 2, 16000, 0, "NONE", ""))
                    file.writeframes(bytes([0, 16]) * 8000)
            """
        )
        path = tmp_path / "program"
        path.write_text(head + textwrap.dedent(body))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


LISTS = "if '-lv' in sys.argv: print('Voices available: kal slt '); sys.exit()\n"


@pytest.fixture
def model(tmp_path) -> str:
    for name in ("joe.onnx", "joe.onnx.json"):
        (tmp_path / name).touch()
    return str(tmp_path / "joe.onnx")


def one_line(caught: pytest.ExceptionInfo) -> bool:
    return "\n" not in str(caught.value)


def test_a_missing_flite_is_one_line_with_the_remedy():
    with pytest.raises(SettingsError, match=r"no-flite cannot be run \(No such file.*Install Debian's flite") as caught:
        Flite("slt", program="no-flite")
    assert one_line(caught)


def test_a_voice_that_flite_does_not_have_is_refused_since_flite_would_take_another(program):
    with pytest.raises(SettingsError, match="no voice 'bdl', but kal, slt"):
        Flite("bdl", program=program(LISTS))


def test_a_flite_that_fails_is_told_with_its_own_words(program):
    path = program(LISTS + "print('out of\\nmemory', file=sys.stderr); sys.exit(3)")
    with pytest.raises(AudioError, match="failed on 'Hello' with code 3: out of memory") as caught:
        Flite("slt", program=path).say("Hello")
    assert one_line(caught)


def test_a_flite_that_cannot_write_and_says_all_is_well_is_told(program):
    path = program(LISTS + "print('cannot open file', file=sys.stderr)")
    with pytest.raises(AudioError, match="wrote no whole file of 'Hello': cannot open file"):
        Flite("slt", program=path).say("Hello")


def test_half_a_file_of_flite_is_not_taken(program):
    body = "speak(sys.argv[-1]); os.truncate(sys.argv[-1], 5000)"
    with pytest.raises(AudioError, match="wrote no whole file of 'Hello'"):
        Flite("slt", program=program(LISTS + body)).say("Hello")


def test_a_flite_that_hangs_is_ended(program):
    path = program(LISTS + "time.sleep(60)")
    with pytest.raises(AudioError, match=r"did not speak 'Hello' \(no end after 0.5 s\)"):
        Flite("slt", program=path, seconds=0.5).say("Hello")


def test_a_missing_piper_is_one_line_with_the_remedy(model):
    with pytest.raises(SettingsError, match="no-piper cannot be run.*environment of its own") as caught:
        Piper("no-piper", model)
    assert one_line(caught)


@pytest.mark.parametrize("path", [None, "nowhere/joe.onnx"])
def test_a_missing_model_of_piper_is_named(path):
    with pytest.raises(SettingsError, match=f"model {path} is not there"):
        Piper("piper", path)


PIPER = """
folder = sys.argv[sys.argv.index("-d") + 1]
for number, line in enumerate(sys.stdin):
    path = os.path.join(folder, f"{number}.wav")
    speak(path)
    print("INFO:__main__:Wrote", path, file=sys.stderr, flush=True)
"""


def test_piper_speaks_line_after_line_and_leaves_nothing(program, model):
    voice = Piper(program(PIPER), model)
    assert [len(voice.say(text)) for text in ("One.", "Two\nlines.")] == [8000, 8000]
    folder = Path(voice.folder.name)
    assert list(folder.iterdir()) == []
    voice.close()
    assert voice.process.returncode is not None and not folder.exists()


def test_a_piper_that_ends_is_told_with_its_last_words(program, model):
    path = program("print('Traceback:\\nno such operator', file=sys.stderr); sys.stdin.readline(); sys.exit(1)")
    voice = Piper(path, model)
    with pytest.raises(AudioError, match="ended before it spoke 'Hello': Traceback: no such operator") as caught:
        voice.say("Hello")
    assert one_line(caught) and voice.process.returncode is not None


def test_a_piper_that_has_ended_already_is_told_with_its_last_words(program, model):
    voice = Piper(program("sys.exit('no model')"), model)
    voice.process.wait()
    with pytest.raises(AudioError, match="ended before it spoke 'Hello': no model"):
        voice.say("Hello")


def test_a_piper_that_hangs_is_ended(program, model):
    voice = Piper(program("time.sleep(60)"), model, seconds=0.5)
    with pytest.raises(AudioError, match="no sound of 'Hello' after 0.5 s"):
        voice.say("Hello")
    assert voice.process.returncode is not None


def test_half_a_file_of_piper_is_not_taken(program, model):
    voice = Piper(program(PIPER.replace("speak(path)", "speak(path); os.truncate(path, 5000)")), model)
    with pytest.raises(AudioError, match=r"0\.wav"):
        voice.say("Hello")


def test_nobody_who_trains_is_in_the_test():
    programs = Programs(piper="piper")
    who = {
        split: {speaker for there in speakers(split, programs).values() for speaker in there}
        for split in ("train", "valid", "test")
    }
    assert not who["train"] & who["test"] and not who["valid"] & (who["train"] | who["test"])
    assert Speaker("flite", "rms", "male") in who["test"]
    assert {speaker.name for speaker in who["test"] if speaker.program == "espeak"} == {
        voice.name for voice in voices("test")
    }


def test_programs_speak_by_their_shares_and_genders_alike():
    there = speakers("train", Programs(piper="piper"))
    drawn = [draw_speaker(Random(n), there, {"flite": 0.5, "espeak": 0.3, "piper": 0.2}) for n in range(2000)]
    share = {program: sum(each.program == program for each in drawn) / 2000 for program in there}
    assert share == pytest.approx({"flite": 0.5, "espeak": 0.3, "piper": 0.2}, abs=0.04)
    of_flite = [each.gender for each in drawn if each.program == "flite"]
    assert of_flite.count("female") / len(of_flite) == pytest.approx(0.5, abs=0.06)


def test_who_cannot_change_the_pitch_keeps_it():
    fixed = (Speaker("piper", "joe", "male"), Speaker("flite", "rms", "male"))
    assert {draw_manner(Random(n), speaker).pitch for n in range(20) for speaker in fixed} == {1.0}


def test_an_unknown_program_is_refused():
    with pytest.raises(SettingsError, match="no program 'festival'.*flite, espeak or piper"):
        open_voice(Speaker("festival", "don", "male"), Manner(), Programs())


def spoken(speaker: Speaker, manner: Manner, programs: Programs) -> torch.Tensor:
    voice = open_voice(speaker, manner, programs)
    try:
        return voice.say(SENTENCE)
    finally:
        voice.close()


def check_speaker(speaker: Speaker, programs: Programs) -> None:
    """Half again as fast is at most 0.85 as long, and the same twice is the same."""
    usual, again, fast = (spoken(speaker, Manner(rate), programs) for rate in (1.0, 1.0, 1.5))
    assert usual.dtype == torch.float32 and torch.equal(usual, again)
    assert len(fast) < 0.85 * len(usual)


@needs_flite
@pytest.mark.slow
@pytest.mark.parametrize("name", ["slt", "awb", "kal16", "rms"])
def test_flite_speaks(name):
    check_speaker(Speaker("flite", name, "male"), Programs())


@needs_flite
@pytest.mark.slow
def test_flite_speaks_higher():
    from speechbrain_xser.annotator.analysis import hear

    def hertz(pitch: float) -> float:
        found = hear(spoken(Speaker("flite", "slt", "female"), Manner(1.0, pitch), Programs())).hertz
        return found[found > 0].median().item()

    assert hertz(1.2) / hertz(0.85) == pytest.approx(1.2 / 0.85, rel=0.1)


def test_espeak_speaks():
    check_speaker(Speaker("espeak", "en-us+f1", "female"), Programs())


@needs_piper
@pytest.mark.slow
def test_piper_speaks():
    check_speaker(
        Speaker("piper", "joe", "male"), Programs("flite", *map(os.environ.get, ("XSER_PIPER", "XSER_PIPER_MODEL")))
    )
