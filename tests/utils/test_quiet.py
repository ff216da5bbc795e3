"""Warnings of a library that are held back."""

import logging
import threading

from speechbrain_xser.utils.quiet import quiet

LOGGER = logging.getLogger("some.library")


def test_warnings_of_this_thread_are_held_back_and_errors_are_not(caplog):
    with quiet("some.library"):
        LOGGER.warning("old keyword")
        LOGGER.error("broken")
    LOGGER.warning("afterwards")
    assert caplog.messages == ["broken", "afterwards"]


def test_other_threads_are_heard(caplog):
    with quiet("some.library"):
        other = threading.Thread(target=LOGGER.warning, args=("of another thread",))
        other.start()
        other.join()
    assert caplog.messages == ["of another thread"] and not LOGGER.filters
