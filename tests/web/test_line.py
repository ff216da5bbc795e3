"""Places and turns in front of the model."""

from threading import Thread

import pytest

from speechbrain_xser.errors import AbandonedError, BusyError
from speechbrain_xser.web.line import Line
from speechbrain_xser.web.listeners import Listeners, Presence


class Absent(Presence):
    """Nobody listens any more."""

    def here(self) -> bool:
        return False

    def expected(self) -> bool:
        return False


def test_who_finds_no_place_is_told_when_to_try_again():
    line = Line(places=2)
    with line.place(), line.place(), pytest.raises(BusyError, match="2 requests are .* Try again in 3 s"), line.place():
        pass
    assert not line.taken


def test_a_turn_that_nobody_waits_for_does_not_begin_and_holds_up_nobody():
    line = Line()
    with pytest.raises(AbandonedError), line.turn(Absent()):
        raise AssertionError("it began")
    assert not line.turns and not line.in_use
    with line.turn(Presence()):
        assert line.turns == 1


def test_who_has_yet_to_listen_is_overtaken():
    line, listeners, order = Line(), Listeners(), []

    def asked(name, presence):
        with line.turn(presence):
            order.append(name)

    late = Thread(target=asked, args=("late", Presence(listeners, "late")))
    late.start()
    asked("early", Presence())
    listeners.came("late")
    late.join(60)
    assert order == ["early", "late"]


def test_a_line_that_ends_lets_the_running_turn_end_and_gives_no_other():
    line, ended = Line(), []
    waiting = Thread(target=lambda: ended.append(pytest.raises(BusyError, line.turn(Presence()).__enter__)))
    place = line.place()
    place.__enter__()
    with line.turn(Presence()):
        waiting.start()
        ender = Thread(target=line.end, args=(60,))
        ender.start()
        waiting.join(60)
        assert "the server is ending" in str(ended[0].value) and ender.is_alive()
    place.__exit__(None, None, None)
    ender.join(60)
    assert not ender.is_alive()
    with pytest.raises(BusyError, match="ending"), line.place():
        pass
