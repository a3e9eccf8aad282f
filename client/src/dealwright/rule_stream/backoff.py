"""When a till connects again. Randomness comes from outside, so that a simulation can repeat it."""

from dataclasses import dataclass

FIRST_SECONDS = 0.5
LAST_SECONDS = 60.0

HEALTHY_SECONDS = 60.0
"""A stream that lived for so long wasn't the trouble: after it the waits begin small again."""

DOUBLINGS_MAX = 7


@dataclass(slots=True)
class Backoff:
    """Waits that double with each failure, each of them somewhere between nothing and the whole of it."""

    failures: int = 0

    def healthy(self) -> None:
        self.failures = 0

    def next(self, draw: float, asked: float = 0.0) -> float:
        """How many seconds to wait; `draw` is from [0, 1), `asked` is what the server asked for at least."""
        limit = min(LAST_SECONDS, FIRST_SECONDS * float(1 << self.failures))
        self.failures = min(self.failures + 1, DOUBLINGS_MAX)
        # What was asked of many tills at once is spread as well.
        return asked * (1 + draw) + limit * draw
