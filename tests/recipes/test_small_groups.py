"""Groups of actors: who is in them, and what is counted."""

from click.testing import CliRunner
from Small.groups import by_group, main, read_races

from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.metrics.answers import UtteranceAnswer, write_answers

RIGHT, WRONG = 'A man says, "Go home", in a sad voice.', 'A man says, "Go".'


def answered(path, *rows):
    """Writes the answers of actors, each with an age band, a gender and a text."""
    answers = [
        UtteranceAnswer(
            Utterance(
                str(n), "a.wav", speaker=f"cremad-{who}", age=age, gender=sex, emotion="sad", transcript="go home"
            ),
            told,
        )
        for n, (who, age, sex, told) in enumerate(rows)
    ]
    write_answers(path, answers)
    return path


def test_a_group_has_its_actors_and_an_answer_without_emotion_is_wrong(tmp_path):
    rows = [(1001, "youth adult", "male", RIGHT), (1001, "youth adult", "male", WRONG), (1002, None, "female", RIGHT)]
    found = by_group(answered(tmp_path / "cremad.jsonl", *rows), {})
    assert found == {"female": (1, 1, 100.0, 0.0), "male": (1, 2, 50.0, 25.0), "youth adult": (1, 2, 50.0, 25.0)}


def test_the_table_of_actors_tells_race_and_ethnicity(tmp_path):
    table = tmp_path / "VideoDemographics.csv"
    table.write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Hispanic"\n'
        '1002,21,"Female","Asian","Not Hispanic"\n'
    )
    answers = answered(tmp_path / "a.jsonl", (1001, None, None, RIGHT), (1002, None, None, WRONG))
    found = by_group(answers, read_races(table))
    assert {name: (group.clips, group.ua) for name, group in found.items()} == {
        "Caucasian": (1, 100.0),
        "Hispanic": (1, 100.0),
        "Asian": (1, 0.0),
        "Not Hispanic": (1, 0.0),
    }
    shown = CliRunner().invoke(main, [str(answers), "--demographics", str(table)])
    assert "Asian: 1 actors, 1 clips, UA 0.0, WER 50.0" in shown.output
