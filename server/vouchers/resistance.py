"""How long codes have to be, so that nobody finds one by guessing.

The chance that any of G guesses is one of N codes in force, out of 32^n, is at most N * G / 32^n. Check
symbols aren't counted: who knows how codes are made can find the first, and may have learnt something about
the second.
"""

from dataclasses import dataclass

from server.vouchers.code import ALPHABET

CHARS_MIN = 8
CHARS_MAX = 24

CHANCE_PPM = 100
"""The chance that is wanted when nothing else is said: one in 10 000 that anything is found in the time."""


@dataclass(frozen=True, slots=True)
class Resistance:
    """What random letters are worth against guesses."""

    chars: int
    live: int
    """How many codes are in force."""
    guesses: int
    """How many guesses reach them."""

    @property
    def chance(self) -> tuple[int, int]:
        """The chance that any guess is right is at most this fraction."""
        return self.live * self.guesses, len(ALPHABET) ** self.chars

    @property
    def chance_ppb(self) -> int:
        """The same in parts per billion, rounded up."""
        numerator, denominator = self.chance
        return -(-numerator * 1_000_000_000 // denominator)


def needed(live: int, guesses: int, chance_ppm: int = CHANCE_PPM) -> Resistance:
    """The fewest letters with at most the chance that is wanted."""
    for chars in range(CHARS_MIN, CHARS_MAX):
        offered = Resistance(chars, live, guesses)
        numerator, denominator = offered.chance
        if numerator * 1_000_000 <= chance_ppm * denominator:
            return offered
    return Resistance(CHARS_MAX, live, guesses)
