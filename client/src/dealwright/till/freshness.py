"""How far a till may go on with what it has: the state of its bundle, and of each promotion. No I/O."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dealwright.v1.promotion_pb2 import Promotion

FRESH_SECONDS = 45.0
"""News this old are fresh: a server says something every 15 s."""


class Freshness(StrEnum):
    """How good what a till has still is."""

    EMPTY = "empty"
    """There is no bundle; nothing is granted."""
    FRESH = "fresh"
    """A server has just confirmed it."""
    STALE = "stale"
    """There was no news for a while; everything is still applied."""
    DEGRADED = "degraded"
    """Some promotions aren't applied any more, for want of news."""
    EXPIRED = "expired"
    """The bundle has expired; only promotions that may go on beyond that are applied."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long each promotion may be applied without news, as far as a promotion says anything of it."""

    max_staleness: Mapping[str, float] = field(default_factory=dict)
    """Seconds, by promotion."""
    beyond_expiry: frozenset[str] = frozenset()
    timed: frozenset[str] = frozenset()
    """Promotions that hold at certain times."""
    every: frozenset[str] = frozenset()
    """All promotions."""

    @classmethod
    def of(cls, promotions: Collection[Promotion]) -> Terms:
        return cls(
            {
                promotion.id: promotion.offline.max_staleness.ToNanoseconds() / 1e9
                for promotion in promotions
                if promotion.HasField("offline") and promotion.offline.HasField("max_staleness")
            },
            frozenset(promotion.id for promotion in promotions if promotion.offline.beyond_expiry),
            frozenset(promotion.id for promotion in promotions if promotion.HasField("schedule")),
            frozenset(promotion.id for promotion in promotions),
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What holds from one moment to another."""

    freshness: Freshness
    left_out: frozenset[str]
    """Promotions that aren't applied."""
    until: float
    """Trusted time in Unix seconds at which to judge again."""


def judge(
    terms: Terms, *, news_time: float, expire_time: float, now: float, distrusted: bool = False
) -> Judgement:
    """Judges a bundle. All times are trusted, in Unix seconds; `news_time` is that of the last news.

    `distrusted` leaves out what holds at certain times, since nobody knows the time.
    """
    age = now - news_time
    overdue = frozenset(name for name, bound in terms.max_staleness.items() if age > bound)
    untimed = terms.timed if distrusted else frozenset()
    if now >= expire_time:
        left_out = (terms.every - terms.beyond_expiry) | overdue | untimed
        return Judgement(Freshness.EXPIRED, left_out, _next(terms, news_time, now))
    if overdue or untimed:
        freshness = Freshness.DEGRADED
    else:
        freshness = Freshness.FRESH if age < FRESH_SECONDS else Freshness.STALE
    until = min(expire_time, _next(terms, news_time, now))
    if freshness is Freshness.FRESH:
        until = min(until, news_time + FRESH_SECONDS)
    return Judgement(freshness, overdue | untimed, until)


def _next(terms: Terms, news_time: float, now: float) -> float:
    """When the next promotion becomes overdue."""
    moments = (math.nextafter(news_time + bound, math.inf) for bound in terms.max_staleness.values())
    return min((moment for moment in moments if moment > now), default=math.inf)
