"""Raters' votes: CREMA-D's genuine table, IEMOCAP's words and invalid files."""

import importlib.util
import json
from pathlib import Path

import pytest

from speechbrain_xser.data.ratings import RATINGS, read_votes, write_ratings
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.metrics.raters import human_ceiling
from tests.genuine import DATA

SPEC = importlib.util.spec_from_file_location(
    "cremad_votes", Path(__file__).parents[2] / "recipes" / "CREMA-D" / "prepare.py"
)
recipe = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(recipe)
GENUINE = DATA / "annotations" / "cremad" / "tabulatedVotes_first1999.csv"


@pytest.mark.skipif(not GENUINE.exists(), reason="the release's table of votes is not here: set XSER_DATA")
def test_the_genuine_table_is_read(tmp_path):
    write_ratings(tmp_path, recipe.read_listeners(GENUINE))
    votes = read_votes(tmp_path / RATINGS)
    assert len(votes) == 1999
    assert votes["cremad-1001_IEO_NEU_XX"] == ["happy", *["neutral"] * 10]  # H 1, N 10 of 11 responses
    assert 50 < human_ceiling(votes) < 75


def test_the_face_and_both_together_do_not_count(tmp_path):
    table = tmp_path / "tabulatedVotes.csv"
    table.write_text('"","A","D","F","H","N","S","fileName"\n"200001",5,0,0,0,0,0,"x"\n"300001",5,0,0,0,0,0,"x"\n')
    assert recipe.read_listeners(table) == []


def test_votes_are_found_where_the_release_puts_them(tmp_path):
    assert recipe.find_votes(tmp_path) is None
    (tmp_path / "processedResults").mkdir()
    (tmp_path / "processedResults" / "tabulatedVotes.csv").touch()
    assert recipe.find_votes(tmp_path) == tmp_path / "processedResults" / "tabulatedVotes.csv"


@pytest.mark.parametrize("text", ["a,b\n1,2\n", '"","A","fileName"\n"1",x,"y"\n'])
def test_another_table_is_refused_by_name(tmp_path, text):
    (tmp_path / "votes.csv").write_text(text)
    with pytest.raises(ManifestError, match="votes.csv.*expected CREMA-D's"):
        recipe.read_listeners(tmp_path / "votes.csv")


def test_a_rater_s_first_known_emotion_counts(tmp_path):
    votes = {"C-E1": ["Frustration", "Anger"], "C-E2": ["Other"], "C-F1": ["Excited", "Happiness"]}
    write_ratings(tmp_path, [{"id": "a", "votes": votes}, {"id": "b", "votes": {"C-E1": ["Other"]}}])
    assert read_votes(tmp_path / RATINGS) == {"a": ["angry", "happy"]}


@pytest.mark.parametrize("line", ["no json", json.dumps({"id": "a"}), json.dumps([1])])
def test_a_wrong_line_is_named(tmp_path, line):
    (tmp_path / RATINGS).write_text(json.dumps({"id": "a", "votes": {}}) + "\n" + line + "\n")
    with pytest.raises(ManifestError, match="ratings.jsonl, line 2.*expected id and votes"):
        read_votes(tmp_path / RATINGS)
    with pytest.raises(ManifestError, match="expected the raters' votes"):
        read_votes(tmp_path / "nowhere.jsonl")
