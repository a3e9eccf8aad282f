"""Who gets a snapshot now: when a thousand tills come back at once, they get theirs one after another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

SNAPSHOTS_MAX = 64
"""How many streams of a process get a snapshot at the same time."""

TURN_SECONDS = 10.0
"""After so long a till that hasn't answered its snapshot keeps nobody from theirs any more."""


class Turns:
    """The streams of a process that get a snapshot, and the line of those that wait."""

    def __init__(self, count: int = SNAPSHOTS_MAX) -> None:
        self._count = count
        self._taken: OrderedDict[Turn, float] = OrderedDict()
        self._line: OrderedDict[Turn, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How long the line is."""
        return len(self._line)

    def of(self, wake: Callable[[], None]) -> Turn:
        """What a stream asks for its turn; `wake` is called when it should ask again."""
        return Turn(self, wake)

    def take(self, turn: Turn, now: float) -> bool:
        if turn not in self._taken and len(self._taken) >= self._count:
            self._line.setdefault(turn)
            return False
        self._line.pop(turn, None)
        self._taken.setdefault(turn, now)
        return True

    def give_back(self, turn: Turn) -> None:
        self._line.pop(turn, None)
        if self._taken.pop(turn, None) is not None:
            self._wake()

    def expire(self, now: float) -> None:
        """Takes back what was held for too long. `now` is in monotonic seconds."""
        while self._taken and now - next(iter(self._taken.values())) >= TURN_SECONDS:
            self._taken.popitem(last=False)
        self._wake()

    def _wake(self) -> None:
        """As many as have room ask again; who finds none then is in line again."""
        for _ in range(min(self._count - len(self._taken), len(self._line))):
            turn, _ = self._line.popitem(last=False)
            turn.wake()


class Turn:
    """The turn of one stream."""

    __slots__ = ("_turns", "wake")

    def __init__(self, turns: Turns, wake: Callable[[], None]) -> None:
        self._turns = turns
        self.wake = wake

    def take(self, now: float) -> bool:
        """Whether the stream may begin its snapshot. If not, it is in line. `now` is in monotonic seconds."""
        return self._turns.take(self, now)

    def give_back(self) -> None:
        """The snapshot is answered, or nobody wants it any more."""
        self._turns.give_back(self)
