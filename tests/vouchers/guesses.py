"""A simulation of guessing: python -m tests.vouchers.guesses [--guesses N] [--live N] [--chars N] [--seed N]

Attackers who know how codes are made, and so get the open check symbol right, spread their guesses over
customers, devices, addresses and tokens and try again as soon as nobody makes them wait. The clock is
simulated; the codes, the check symbols and the rules of waiting are those of the program. What comes through
is compared with what docs/vouchers.md promises.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from server.vouchers.code import ALPHABET, Codes, random_letters, skeleton_of_made
from server.vouchers.resistance import Resistance
from server.vouchers.throttling import LOCKOUTS, Count, Kind, missed

ENFORCED = dict(LOCKOUTS)
"""The rules that the simulated service keeps to; what is promised are those of the program."""

CUSTOMERS, DEVICES, ADDRESSES, TOKENS = 50_000, 2_000, 20_000, 300
PAUSE = timedelta(milliseconds=2)
"""The least time between two attempts of all attackers together: 500 a second."""


@dataclass
class Found:
    """What became of the guesses."""

    attempted: int = 0
    refused: int = 0
    """Told to wait."""
    malformed: int = 0
    """Stopped by the check symbols."""
    looked_up: int = 0
    """Asked of the vouchers."""
    hits: int = 0
    time: timedelta = timedelta()
    expected_hits: float = 0.0
    broken: list[str] = field(default_factory=list)
    """Promises that weren't kept."""


class _Pepper:
    def key(self, purpose: str) -> bytes:
        return purpose.encode().ljust(32, b".")


def simulate(guesses: int, live: int, chars: int, seed: int) -> Found:
    """Guesses so often against so many codes in force."""
    dice = random.Random(seed)
    pepper: Any = _Pepper()
    codes = Codes(pepper, "kopi")
    alive = {random_letters(dice.randbytes(chars), chars).lower() for _ in range(live)}
    counts: dict[tuple[Kind, int], Count] = {}
    tried: Counter[tuple[Kind, int]] = Counter()
    start = now = datetime(2027, 1, 1, tzinfo=UTC)
    found = Found(attempted=guesses)
    for _ in range(guesses):
        now += PAUSE
        subjects = _subjects(dice)
        if any((count := counts.get(each)) and count.locked(now) > timedelta() for each in subjects):
            found.refused += 1
            continue
        guess = random_letters(dice.randbytes(chars), chars)
        # The keyed symbol can't be known; the other one costs an attacker nothing.
        letters = skeleton_of_made(codes.complete("", guess).replace("-", ""))
        made = codes.is_made(letters[:-1] + dice.choice(ALPHABET).lower())
        hit = made and letters[:-2] in alive
        found.malformed += not made
        found.looked_up += made
        found.hits += hit
        for each in () if hit else subjects:
            if made or each[0] is not Kind.COMPANY:
                counts[each] = missed(counts.get(each), ENFORCED[each[0]], now)
                tried[each] += 1
    found.time = now - start
    found.expected_hits = found.looked_up * live / len(ALPHABET) ** chars
    found.broken = [
        f"{kind} {number}: {count} wrong codes, more than {LOCKOUTS[kind].most(found.time)}"
        for (kind, number), count in tried.items()
        if count > LOCKOUTS[kind].most(found.time)
    ]
    return found


def _subjects(dice: random.Random) -> list[tuple[Kind, int]]:
    return [
        (Kind.CUSTOMER, dice.randrange(CUSTOMERS)),
        (Kind.DEVICE, dice.randrange(DEVICES)),
        (Kind.ADDRESS, dice.randrange(ADDRESSES)),
        (Kind.TOKEN, dice.randrange(TOKENS)),
        (Kind.COMPANY, 0),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guesses", type=int, default=10_000_000)
    parser.add_argument("--live", type=int, default=1_000_000)
    parser.add_argument("--chars", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found = simulate(asked.guesses, asked.live, asked.chars, asked.seed)
    hours = found.time.total_seconds() / 3600
    bound = Resistance(asked.chars, asked.live, found.looked_up)
    sys.stdout.write(
        f"{found.attempted} guesses in {hours:.2f} simulated hours,"
        f" against {asked.live} codes of {asked.chars} random letters\n"
        f"{found.refused} were told to wait, {found.malformed} had wrong check symbols,"
        f" {found.looked_up} were looked up; promised are at most {LOCKOUTS[Kind.COMPANY].most(found.time)}\n"
        f"{found.hits} hits; the chance of any was at most {bound.chance_ppb} in 1 000 000 000\n"
    )
    for broken in found.broken:
        sys.stdout.write(f"NOT KEPT: {broken}\n")
    sys.exit(bool(found.broken))


if __name__ == "__main__":
    main()
