"""What clients saw of one limit, and whether any order of effects explains it.

An operation is seen as invoked and, unless its outcome is unknown, as answered at some instant. A history is
legal when each operation can be given one moment between the two, such that a counter with a limit would have
given the same answers in the order of these moments. An unknown outcome took effect at some moment after its
invocation, or never.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Seen(Enum):
    """What a client saw of a take."""

    GRANTED = "granted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Operation:
    """One take (amount 1) or give-back (amount -1) as its client saw it. Times are of one clock."""

    invoked: float
    answered: float
    seen: Seen
    amount: int = 1

    @property
    def end(self) -> float:
        return float("inf") if self.seen is Seen.UNKNOWN else self.answered


def is_legal(history: Sequence[Operation], limit: int) -> bool:
    """Whether a counter that starts at 0 and never exceeds the limit explains a history.

    A depth-first search over which operation took effect next. What was decided before depends on which
    operations are left and on the count alone, so that no such state is looked at twice.
    """
    operations = sorted(history, key=lambda operation: operation.invoked)
    everything = frozenset(range(len(operations)))
    looked_at: set[tuple[frozenset[int], int]] = set()
    states = [(everything, 0)]
    while states:
        left, count = states.pop()
        if all(operations[index].seen is Seen.UNKNOWN for index in left):
            return True
        if (left, count) in looked_at:
            continue
        looked_at.add((left, count))
        # Nothing takes effect after another operation was answered that hasn't taken effect yet.
        first_end = min(operations[index].end for index in left)
        alike: set[tuple[Seen, int]] = set()
        for index in sorted(left, key=lambda index: operations[index].end):
            operation = operations[index]
            if operation.invoked > first_end:
                continue
            # Of open operations that look the same, the one that ends first goes first.
            if (operation.seen, operation.amount) in alike:
                continue
            alike.add((operation.seen, operation.amount))
            after = _after(operation, count, limit)
            if after is not None:
                states.append((left - {index}, after))
    return False


def _after(operation: Operation, count: int, limit: int) -> int | None:
    """The count after an operation took effect; None where it would have been answered otherwise."""
    if operation.seen is Seen.REFUSED:
        return count if count + operation.amount > limit else None
    after = count + operation.amount
    return after if 0 <= after <= limit else None
