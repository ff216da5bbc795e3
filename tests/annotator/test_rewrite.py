"""Rewriting by an LLM: a text that changes the record is rejected."""

from pathlib import Path

import pytest

from speechbrain_xser.annotator.rewrite import Rewriter, Rewriting, checked, llm_rewriter, rewrite
from speechbrain_xser.answer import Descriptors, Record, parse, render
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.paragraphs import with_paragraphs
from speechbrain_xser.errors import PromptError
from speechbrain_xser.testing import tiny_llm_folder
from speechbrain_xser.utils.journal import Journal

TOLD = render(Record("Go on", Descriptors("male", "elderly", "low", "normal", "slow", emphasis=("on",)), "angry"))
GOOD = 'Stressing the word "on", an old man of low pitch and moderate volume slowly says, "Go on", and he sounds angry.'


@pytest.mark.parametrize(
    "written",
    [
        GOOD.replace("angry", "sad"),  # another emotion
        GOOD.replace("low pitch", "high pitch"),
        GOOD.replace("old man", "young woman"),
        GOOD.replace("slowly says", "says"),  # a fact is lost
        GOOD.replace('"Go on"', '"Go on now"'),  # other words
        GOOD.replace('"Go on"', "Go on"),
        GOOD.replace('Stressing the word "on", an', "An"),
        GOOD.replace("says", "says, with lively intonation"),  # a fact is made up
        GOOD + "\n\nI hope this helps!",
        "",
        "   ",
    ],
)
def test_a_text_that_changes_the_record_is_rejected(written):
    assert checked(TOLD, GOOD) == GOOD and checked(TOLD, written) is None


def manifest(folder, *rows) -> dict[str, str]:
    write_manifest(folder / "train.jsonl", rows)
    return {"train": str(folder / "train.jsonl")}


def clips(number: int) -> list[Utterance]:
    words = ("happy", "sad", "angry")
    rows = [Utterance(f"{n}", "a.wav", transcript=f"word {n}", emotion=words[n % 3]) for n in range(number)]
    return [with_paragraphs(row) for row in rows]


def plainly(texts) -> list[str]:
    """Gives the emotion and the words in a form that no template has."""
    records = [parse(text) for text in texts]
    said = [f' saying "{record.transcript}"' if record.transcript else "" for record in records]
    return [f"Somebody {record.emotion} is heard{words}." for record, words in zip(records, said, strict=True)]


def test_both_paragraphs_are_rewritten_and_still_say_the_record(tmp_path):
    paths = manifest(tmp_path, *clips(3))
    counts = rewrite(paths, Rewriter("plain", plainly), tmp_path / "rewrites.sqlite")
    rows = read_manifest(paths["train"])
    assert counts == {"rewritten": 6, "kept": 0}
    assert rows[0].description == "Somebody happy is heard." and 'saying "word 0"' in rows[0].caption
    assert all(parse(row.caption) == row.record() for row in rows)


def test_a_rejected_text_leaves_the_template_in_place(tmp_path):
    before = clips(4)
    paths = manifest(tmp_path, *before)
    worse = Rewriter("worse", lambda texts: ["A calm old lady hums." for _ in texts])
    assert rewrite(paths, worse, tmp_path / "rewrites.sqlite")["rewritten"] == 0
    assert read_manifest(paths["train"]) == before


def test_a_human_paragraph_is_never_sent_to_the_rewriter(tmp_path):
    own = Utterance("a", "a.wav", transcript="hi", emotion="sad", caption='A tired voice says, "hi".')
    paths, asked = manifest(tmp_path, own), []
    rewrite(paths, Rewriter("x", lambda texts: asked.extend(texts) or texts), tmp_path / "rewrites.sqlite")
    assert asked == [] and read_manifest(paths["train"]) == [own]


def test_a_killed_run_resumes_with_the_missing_paragraphs(tmp_path):
    paths, asked = manifest(tmp_path, *clips(6)), []

    def breaking(texts):
        if len(asked) >= 8:
            raise KeyboardInterrupt
        asked.extend(texts)
        return plainly(texts)

    with pytest.raises(KeyboardInterrupt):
        rewrite(paths, Rewriter("plain", breaking), tmp_path / "rewrites.sqlite", batch_size=4)
    assert read_manifest(paths["train"]) == clips(6)  # untouched till all is there
    again = []
    whole = Rewriter("plain", lambda texts: again.extend(texts) or plainly(texts))
    assert rewrite(paths, whole, tmp_path / "rewrites.sqlite") == {"rewritten": 12, "kept": 0}
    assert len(asked) == 8 and again and not set(asked) & set(again)


def test_another_rewriter_starts_over(tmp_path):
    rewrite(manifest(tmp_path, *clips(1)), Rewriter("plain", plainly), tmp_path / "rewrites.sqlite")
    rewrite(manifest(tmp_path, *clips(1)), Rewriter("other", plainly), tmp_path / "rewrites.sqlite")
    with Journal(tmp_path / "rewrites.sqlite", Rewriting) as answers:
        assert len(answers) == 4


def test_a_real_llm_that_writes_rubbish_changes_nothing(tmp_path):
    before = clips(2)
    paths = manifest(tmp_path, *before)
    tiny = llm_rewriter("packaged:llama-tiny", max_new_tokens=12)
    counts = rewrite(paths, tiny, tmp_path / "rewrites.sqlite", batch_size=3)
    assert counts == {"rewritten": 0, "kept": 4} and read_manifest(paths["train"]) == before
    with Journal(tmp_path / "rewrites.sqlite", Rewriting) as answers:
        assert list(answers.values()) == [Rewriting(None)] * 4


def test_a_paragraph_s_answer_does_not_depend_on_its_neighbours():
    tiny = llm_rewriter("packaged:llama-tiny", max_new_tokens=6)
    short, long = "A man speaks.", TOLD
    assert tiny.write([short, long])[0] == tiny.write([short])[0]


def test_a_chat_template_that_works_for_ever_is_refused(tmp_path):
    folder = Path(tiny_llm_folder(tmp_path))
    (folder / "chat_template.jinja").write_text("{% for i in range(30000) %}{% endfor %}")
    with pytest.raises(PromptError, match="chat template cannot be rendered"):
        llm_rewriter(str(folder)).write(["A man speaks."])
