"""Running sums of an epoch's training steps, small enough to be saved with every checkpoint."""

from __future__ import annotations

from typing import Any


class Tally:
    """Averages named values over steps.

    Example
    -------
    >>> tally = Tally()
    >>> tally.add(loss=1.0); tally.add(loss=3.0)
    >>> resumed = Tally(tally.state())
    >>> resumed.add(loss=5.0)
    >>> resumed.means()
    {'loss': 3.0}
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self._sums: dict[str, float] = dict((state or {}).get("sums", {}))
        self._steps: int = (state or {}).get("steps", 0)

    def add(self, **values: float) -> None:
        """Adds one step's values."""
        self._steps += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """The average of each value."""
        return {name: value / max(1, self._steps) for name, value in self._sums.items()}

    def state(self) -> dict[str, Any]:
        """The state, in a form that JSON holds and the constructor accepts."""
        return {"sums": dict(self._sums), "steps": self._steps}
