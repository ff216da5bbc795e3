"""The trained folder that these tests share."""

from tests.trained import folder, recognizer, trained  # noqa: F401
