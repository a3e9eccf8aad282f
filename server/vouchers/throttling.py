"""Keeping codes from being guessed: who is wrong too often waits, for longer each time.

Wrong codes are counted by customer, device, token and address, and for the company as a whole. Each kind
forgives a few, forgets one every so often, and beyond the few makes the next attempt wait, twice as long each
time. So in a time T nobody tries more than `Lockout.most(T)` codes, whatever they do; `most` is what the
documents promise and what `dealwright voucher guesses` shows.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from server.runtime.errors import TooMany

if TYPE_CHECKING:
    from server.actors import Actor

CODES_MAX = 10
"""How many codes an attempt may have."""


class Kind(StrEnum):
    """What wrong codes are counted by."""

    CUSTOMER = "customer"
    DEVICE = "device"
    TOKEN = "token"  # noqa: S105 - what is counted, no secret
    ADDRESS = "address"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Lockout:
    """How one kind is kept from guessing."""

    free: int
    """How many wrong codes nobody waits for."""
    forget: timedelta
    """How long it takes to forget one."""
    first: timedelta
    """How long the first wait is; each next one is twice as long."""
    longest: timedelta
    """The longest wait. At least CODES_MAX times `forget`, so that after it nothing is left of an attempt."""

    def most(self, time: timedelta) -> int:
        """How many wrong codes fit into a time at most, attempts that are on their way at once aside.

        Those that were forgotten, and those that can be remembered: the free ones, one for each doubling up
        to the longest wait, and a last attempt. After the longest wait as much is forgotten as an attempt can
        add.
        """
        doublings = (-(-self.longest // self.first) - 1).bit_length()
        return self.free + doublings + CODES_MAX + time // self.forget


LOCKOUTS = {
    Kind.CUSTOMER: Lockout(5, timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)),
    Kind.DEVICE: Lockout(20, timedelta(minutes=5), timedelta(seconds=30), timedelta(hours=1)),
    Kind.ADDRESS: Lockout(20, timedelta(minutes=5), timedelta(seconds=30), timedelta(hours=1)),
    # A token may speak for a whole web shop, so it only keeps one from using up what the company has.
    Kind.TOKEN: Lockout(200, timedelta(seconds=1), timedelta(seconds=1), timedelta(minutes=1)),
    # The breaker: what all together may try, however many they are.
    Kind.COMPANY: Lockout(500, timedelta(milliseconds=600), timedelta(seconds=1), timedelta(seconds=10)),
}

COMPANY_YEAR_GUESSES = LOCKOUTS[Kind.COMPANY].most(timedelta(days=365))
"""How many wrong codes all callers together may try in a year: what lengths of codes are reckoned with."""


@dataclass(frozen=True, slots=True)
class Count:
    """The wrong codes of one subject."""

    misses: int
    counted_at: datetime
    """Up to when they were forgotten."""
    locked_until: datetime | None = None

    def locked(self, now: datetime) -> timedelta:
        """How long it still waits; not above zero when it doesn't."""
        return timedelta() if self.locked_until is None else self.locked_until - now


def missed(count: Count | None, lockout: Lockout, now: datetime, misses: int = 1) -> Count:
    """The count after so many more wrong codes."""
    count = _forgotten(count or Count(0, now), lockout, now)
    count = replace(count, misses=count.misses + misses)
    beyond = count.misses - lockout.free
    if beyond <= 0:
        return count
    # Beyond 2^32 first waits there is only the longest.
    wait = min(lockout.first * 2 ** min(beyond - 1, 32), lockout.longest)
    return replace(count, locked_until=now + wait)


def _forgotten(count: Count, lockout: Lockout, now: datetime) -> Count:
    """What is left of a count by now. A part of the time to forget one is kept, not lost."""
    forgotten = max((now - count.counted_at) // lockout.forget, 0)
    if forgotten >= count.misses:
        return replace(count, misses=0, counted_at=max(now, count.counted_at))
    return replace(
        count, misses=count.misses - forgotten, counted_at=count.counted_at + forgotten * lockout.forget
    )


Subject = tuple[Kind, bytes]

SUBJECT_BYTES = 16


class Subjects:
    """Who stands behind an attempt, each by the MAC of their name: counting needs nobody's address."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(
        self, actor: Actor, customer_id: str = "", device_id: str = "", address: str = ""
    ) -> list[Subject]:
        """The subjects of an attempt, in the order in which they are locked."""
        named = {
            Kind.CUSTOMER: customer_id,
            Kind.DEVICE: device_id,
            Kind.TOKEN: actor.token_id,
            Kind.ADDRESS: address,
            Kind.COMPANY: actor.company_id,
        }
        return sorted((kind, self._mac(kind, name)) for kind, name in named.items() if name)

    def _mac(self, kind: Kind, name: str) -> bytes:
        return hmac.digest(self._key, f"{kind}:{name}".encode(), "sha256")[:SUBJECT_BYTES]


def require_unlocked(counts: Mapping[Subject, Count], now: datetime) -> None:
    """Refuses an attempt while one of its subjects waits; which one isn't said."""
    wait = max((count.locked(now) for count in counts.values()), default=timedelta())
    if wait > timedelta():
        raise TooMany(
            "VOUCHER_CHECKS_PAUSED",
            "too many codes were wrong; try again later",
            retry_seconds=math.ceil(wait.total_seconds()),
        )
