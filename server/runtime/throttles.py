"""How often somebody may call: a bucket of calls for each caller, which fills up all the time.

It is counted in this process, so that several allow several times as much, and on its event loop alone, so
that it needs no lock.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import structlog

from server.runtime.errors import TooMany

if TYPE_CHECKING:
    from server.runtime.metrics import Metrics
    from server.runtime.settings import Settings

log = structlog.get_logger()

HOUR_SECONDS = 3600.0
MINUTE_SECONDS = 60.0
SECOND = 1.0

SYNC = "/api/v1/sync/"

REMEMBERED = 10_000
"""How many callers are remembered at least; twice as many at most. Who is forgotten has all calls again."""

IPV6_PREFIX = 64
"""Whoever has one address of IPv6 has all that begin with the same bits."""

TOLD_SECONDS = 60.0
"""How often a bound names in the log whom it refuses."""

_NAMES = {HOUR_SECONDS: "an hour", MINUTE_SECONDS: "a minute", SECOND: "a second"}


@dataclass(slots=True)
class Throttle:
    """A number of calls in some time for each caller: all of them at once, or one after another."""

    calls: int
    """0: no bound."""
    seconds: float
    seen: Callable[[str], None] = lambda caller: None
    """Told of each call that is refused: whose it is."""
    clock: Callable[[], float] = time.monotonic
    _full: dict[str, float] = field(default_factory=dict)
    """When the bucket of a caller is full again: one number says both how much is in it and since when."""
    _full_before: dict[str, float] = field(default_factory=dict)
    """The same of callers who were remembered before."""

    def take(self, caller: str) -> None:
        """Counts a call, or refuses it and says when there is room again."""
        if not self.calls:
            return
        now, each = self.clock(), self.seconds / self.calls
        full = self._full.get(caller) or self._full_before.get(caller, 0.0)
        full = (max(now, full)) + each
        # Half a call more, since sums of fractions are a little off.
        if full - now > self.seconds + each / 2:
            self._refuse(caller, full - now - self.seconds)
        if len(self._full) >= REMEMBERED and caller not in self._full:
            self._full_before, self._full = self._full, {}
        self._full[caller] = full

    @property
    def remembered(self) -> int:
        """How many callers are remembered."""
        return len(self._full) + len(self._full_before)

    def _refuse(self, caller: str, seconds: float) -> None:
        self.seen(caller)
        wait = max(1, math.ceil(seconds))
        raise TooMany(
            "TOO_MANY_CALLS",
            f"a caller has {self.calls} such calls {_NAMES[self.seconds]}; try again in {wait} s",
            retry_seconds=wait,
        )


@dataclass(slots=True)
class Refusals:
    """Counts what a bound refuses, and names one of those whom it refuses now and then."""

    kind: str
    count: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    _tell_at: float = -math.inf

    def __call__(self, caller: str) -> None:
        self.count()
        now = self.clock()
        if now >= self._tell_at:
            self._tell_at = now + TOLD_SECONDS
            log.warning("calls_throttled", kind=self.kind, caller=caller)


def _unbounded() -> Throttle:
    return Throttle(0, SECOND)


@dataclass(frozen=True, slots=True)
class Throttles:
    """The bounds of a process."""

    sync: Throttle = field(default_factory=_unbounded)
    """Calls of a token below /api/v1/sync."""
    api: Throttle = field(default_factory=_unbounded)
    """Other calls of a token over HTTP."""
    grpc: Throttle = field(default_factory=_unbounded)
    """Calls of a token over gRPC, and of an address where none is needed."""
    strangers: Throttle = field(default_factory=_unbounded)
    """Calls from an address of which nobody knows who makes them."""

    @classmethod
    def of(cls, settings: Settings, metrics: Metrics) -> Throttles:
        def throttle(kind: str, calls: int, seconds: float) -> Throttle:
            return Throttle(calls, seconds, Refusals(kind, metrics.throttled.labels(kind).inc))

        return cls(
            sync=throttle("sync", settings.sync_calls_per_hour, HOUR_SECONDS),
            api=throttle("api", settings.api_calls_per_hour, HOUR_SECONDS),
            grpc=throttle("grpc", settings.grpc_calls_per_second, SECOND),
            strangers=throttle("stranger", settings.stranger_calls_per_minute, MINUTE_SECONDS),
        )

    def take_http(self, path: str, token_id: str) -> None:
        """Counts a request with a token. People in a browser have none, and aren't counted."""
        if token_id:
            (self.sync if path.startswith(SYNC) else self.api).take(token_id)


def network(address: str) -> str:
    """Whose address it is: an address of IPv4, or what addresses of IPv6 begin with."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((known, IPV6_PREFIX), strict=False))


def network_of_peer(peer: str) -> str:
    """The same of a caller as gRPC names it, such as ipv4:127.0.0.1:4711."""
    kind, _, place = peer.partition(":")
    host = place.rpartition(":")[0]
    if kind == "ipv4":
        return host
    return network(unquote(host).strip("[]")) if kind == "ipv6" else kind
