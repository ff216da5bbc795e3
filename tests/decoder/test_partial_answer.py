"""Growing answers of several rows, over a cache with scripted answers."""

import pytest
import torch

from speechbrain_xser.decoder.generation.answer import PartialAnswer
from speechbrain_xser.decoder.generation.loop import greedy
from tests.decoder.conftest import Guesses


class ScriptedCache:
    """Stands in for an LLM and its cache: row r answers the r-th list of ids, whatever it reads; 10 tokens exist."""

    def __init__(self, script, rows, _capacity, _graphs):
        self.script, self.device, self.calls = script, "cpu", []
        self.holds = [None] * rows  # which prompt was read into each row

    def read(self, rows, prompts):
        for row, prompt in zip(rows, prompts, strict=True):
            self.holds[row] = prompt
        self.calls.append(("read", list(prompts)))
        return self.logits([self.script[prompt][0] for prompt in prompts])

    def step(self, ids, positions, _longest):
        self.calls.append((ids.tolist(), positions.tolist()))
        said = (positions - PROMPT + 1).clamp(min=0).tolist()
        rows = zip((self.script[prompt] for prompt in self.holds), said, strict=True)
        return self.logits([[ids[min(n, len(ids) - 1)] for n in row] for ids, row in rows])

    def keep(self, rows):
        self.calls.append(("keep", rows))
        self.holds = [self.holds[row] for row in rows]

    @staticmethod
    def logits(wanted):
        return torch.nn.functional.one_hot(torch.tensor(wanted), 10).float()


PROMPT = 4  # tokens of every prompt


@pytest.fixture
def answers_of(monkeypatch):
    """Runs a script; returns the new ids of each row, and the calls."""

    def answer(script, limit=6, rows=32, begun=None, odd_quotes=(), **rules):
        caches = []
        monkeypatch.setattr(
            "speechbrain_xser.decoder.generation.loop.RowCache",
            lambda *args: caches.append(ScriptedCache(*args)) or caches[0],
        )
        answers = [PartialAnswer(start, limit, {7, 8}, odd_quotes, **rules) for start in begun or [[]] * len(script)]
        greedy(script, list, [PROMPT] * len(script), answers, pad=0, rows=rows)
        return [one.new for one in answers], caches[0].calls

    return answer


def test_scripted_rows_end_at_any_of_several_end_tokens(answers_of):
    assert answers_of([[1, 2, 7], [3, 8]])[0] == [[1, 2], [3]]


def test_scripted_row_that_ends_at_once_has_an_empty_answer(answers_of):
    assert answers_of([[8], [1, 7]])[0] == [[], [1]]


def test_scripted_rows_that_never_end_stop_at_the_limit_in_tokens(answers_of):
    assert answers_of([[1], [2]], limit=3)[0] == [[1, 1, 1], [2, 2, 2]]


def test_scripted_row_cannot_end_inside_a_quotation(answers_of):
    # token 5 is a quotation mark; the end at the third place is refused (7 and 8 end; of equals the first, 0, is taken)
    assert answers_of([[5, 2, 7, 5, 7], [5, 2, 5, 8]], odd_quotes={5})[0] == [[5, 2, 0, 5], [5, 2, 5]]


def test_scripted_row_whose_beginning_opened_a_quotation_cannot_end_before_it_is_closed(answers_of):
    assert answers_of([[7, 5, 7], [7]], odd_quotes={5}, begun=[[1, 5], [5, 5]])[0] == [[0, 5], []]


def test_scripted_rows_stop_computing_when_all_have_ended(answers_of):
    calls = answers_of([[1, 7], [1, 2, 8]], limit=50)[1]
    assert len([call for call in calls if isinstance(call[0], list)]) == 2


def test_scripted_new_tokens_stand_at_the_positions_after_their_prompt(answers_of):
    calls = answers_of([[1, 2, 3, 7]])[1]
    assert calls[1:] == [([[1]], [[4]]), ([[2]], [[5]]), ([[3]], [[6]])]


def test_scripted_remaining_rows_move_together(answers_of):
    answers, calls = answers_of([[7], [1, 2, 3, 7], [8], [4, 7]])
    assert answers == [[], [1, 2, 3], [], [4]]
    assert [call[1] for call in calls if call[0] == "keep"] == [[1, 3], [0]]


def test_scripted_waiting_prompts_replace_finished_rows(answers_of):
    answers, calls = answers_of([[1, 7], [2, 2, 2, 7], [3, 7], [4, 7]], rows=2)
    assert answers == [[1], [2, 2, 2], [3], [4]]
    assert [call[1] for call in calls if call[0] == "read"] == [[0, 1], [2], [3]]


@pytest.mark.parametrize("guess", [[], [2], [2, 3], [2, 3, 4, 7], [9, 9], [2, 9], [1, 2, 3]])
def test_scripted_guesses_change_no_token(answers_of, guess):
    assert answers_of([[1, 2, 3, 4, 7], [1, 2, 5, 8]], drafter=Guesses(*guess))[0] == [[1, 2, 3, 4], [1, 2, 5]]


def test_scripted_right_guesses_save_steps(answers_of):
    script = [[1, 2, 3, 1, 2, 3, 7]]
    plain, guessed = (answers_of(script, limit=20, drafter=Guesses(*guess))[1] for guess in ([], [2, 3, 1]))
    assert len(plain) == 1 + 6  # the prompt, and a step a token
    assert len(guessed) == 1 + 3  # 2 3 1 were right and 2 came with them; then 3; then the end
