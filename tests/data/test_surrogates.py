"""Half a surrogate pair, which JSON and file names can hold and UTF-8 cannot: refused by line, escaped or replaced."""

import json
import os
import subprocess
import sys

import pytest
import torch

from speechbrain_xser.answer import Descriptors, parse
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.data.folds import speaker_folds
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.paragraphs import with_paragraphs
from speechbrain_xser.data.speakers import hashed_side, split_speakers
from speechbrain_xser.decoder.llm import load_tokenizer
from speechbrain_xser.decoder.prompt import PAPER_PROMPT, PlainTokens
from speechbrain_xser.errors import ManifestError, MetricError
from speechbrain_xser.evidence.claims import check_claims
from speechbrain_xser.evidence.clip_evidence import Evidence
from speechbrain_xser.explaining.clips import SourceClip, Told
from speechbrain_xser.explaining.report import Report
from speechbrain_xser.explaining.rows import plain_row
from speechbrain_xser.metrics.answers import read_answers
from speechbrain_xser.metrics.scores import score
from speechbrain_xser.stages import SER_STAGE, target_text
from speechbrain_xser.testing import tiny_llm_folder
from speechbrain_xser.utils.files import written_beside

HALF = "\ud83d"  # of a smiling face
BYTE = "\udce9"  # a byte of a file's name that is no UTF-8, as os.fsdecode gives it
SAID = Explanation(f"A man says {HALF}.", f"so {HALF}", Descriptors(emphasis=(HALF,)), "sad", {"sad": 1.0})


@pytest.mark.parametrize("field", ["id", "wav", "transcript", "caption", "description", "speaker", "topic", "split"])
def test_half_a_surrogate_pair_is_refused_by_line_and_field(tmp_path, field):
    path = tmp_path / "a.jsonl"
    rows = [{"id": "a", "wav": "a.wav"}, {"id": "b", "wav": "b.wav", field: f"so {HALF}"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ManifestError, match=rf"a.jsonl, line 2, utterance .*: {field} holds '.ud83d'") as error:
        read_manifest(path)
    str(error.value).encode()  # the message itself can be written
    with pytest.raises(ManifestError, match=rf"item 1, utterance .*: {field} holds"):
        write_manifest(tmp_path / "b.jsonl", [Utterance(**rows[1])])


def test_an_emphasised_word_is_checked_and_a_whole_pair_is_accepted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "a", "wav": "a.wav", "emphasis": ["so", HALF]}))
    with pytest.raises(ManifestError, match="emphasis holds"):
        read_manifest(path)
    path.write_text(json.dumps({"id": "a", "wav": "a.wav", "transcript": "\U0001f600"}))  # as two escapes
    assert "\\ud83d\\ude00" in path.read_text() and read_manifest(path)[0].transcript == "\U0001f600"


def test_an_answer_or_its_reference_is_refused_by_line(tmp_path):
    path = tmp_path / "answers.jsonl"
    for answer, transcript in ((f"Sad {HALF}.", "so"), ("Sad.", HALF)):
        reference = {"emotion": "sad", "transcript": transcript}
        path.write_text(json.dumps({"id": "a", "answer": answer, "reference": reference}))
        with pytest.raises(MetricError, match="line 1, utterance 'a': .* holds"):
            read_answers(path)


def test_half_a_surrogate_pair_is_an_escape_in_whatever_is_written(tmp_path):
    with written_beside(tmp_path / "a.json") as file:
        json.dump(plain_row(Told(SourceClip(f"caf{BYTE}.wav", ""), SAID)), file, ensure_ascii=False)
    back = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert back["path"] == f"caf{BYTE}.wav" and back["transcript"] == f"so {HALF}"  # JSON reads the escape back


def test_a_page_shows_the_escape(tmp_path, monkeypatch):
    monkeypatch.setattr("speechbrain_xser.explaining.report.evidence_sections", lambda *_: f"<p>{HALF}</p>")
    with Report(f"A note {HALF}") as report:
        report.add(Told(SourceClip(f"caf{BYTE}.wav", ""), SAID), Evidence(SAID, [], *[None] * 6))
        report.write(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<p>\\ud83d</p>" in text and "caf\\udce9.wav" in text and "A note \\ud83d" in text


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_command_prints_it_as_an_escape_in_every_locale(locale):
    script = (
        "from speechbrain_xser.utils.commandline import as_a_command\n"
        "with as_a_command():\n    print('a', '\\ud83d')"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment | locale, capture_output=True, check=True)
    assert done.stdout == b"a \\ud83d\n" and done.stderr == b""


def test_half_a_surrogate_pair_is_a_question_mark_to_a_tokenizer(tmp_path):
    tokenizer = load_tokenizer(tiny_llm_folder(tmp_path))
    assert PlainTokens(tokenizer)(f"so {HALF}") == PlainTokens(tokenizer)("so ?")
    assert PAPER_PROMPT.segments(f"Say {HALF}.", tokenizer) == PAPER_PROMPT.segments("Say ?.", tokenizer)


def test_claims_of_such_words_are_checked():
    tone = 0.1 * torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    claims = check_claims(f'A man with low pitch says, "so {HALF}".', tone, transcript=f"so {HALF}")
    assert [claim.field for claim in claims] == ["gender", "pitch", "words"]


def test_such_words_are_parsed_scored_and_drawn_by():
    assert parse(f'A man says, "so {HALF}", sounding sad.').emotion == "sad"
    truth = Utterance(HALF, "a.wav", speaker=HALF, transcript=f"so {HALF}", emotion="sad", gender="male")
    assert score([truth.record()], [f'A man says, "so {HALF}", sounding sad.']).ua == 100
    shares = {"train": 0.5, "test": 0.5}
    assert set(split_speakers([HALF, "a", "b"], shares, "1")) == {HALF, "a", "b"}
    assert set(speaker_folds({HALF: None, "a": None}, 2)) == {HALF, "a"} and hashed_side(HALF, shares, "1") in shares
    assert HALF in target_text(SER_STAGE, truth) and HALF in with_paragraphs(truth).caption
