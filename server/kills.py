"""Killed promotions: out of force at once, whatever is published."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Killed:
    """The promotions of a company that are killed."""

    sequence: int = 0
    """Grows by one with each change."""
    promotion_ids: tuple[str, ...] = ()


NOTHING_KILLED = Killed()
