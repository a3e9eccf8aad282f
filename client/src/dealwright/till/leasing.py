"""Asking a server for leases, before they are needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping

from dealwright.till.demand import Demand
from dealwright.till.journal import Journal
from dealwright.till.leases import Held, Key, Leases
from dealwright.till.limits import Limited
from dealwright.v1.lease_service_pb2 import LeaseWish, RenewLeasesRequest, RenewLeasesResponse
from dealwright.v1.lease_service_pb2_grpc import LeaseServiceStub
from dealwright.v1.result_pb2 import REASON_BUDGET, REASON_LEASE, Result

WISHES_MAX = 500
"""What one call asks for at most; a server takes as many."""

LOOK_SECONDS = 5.0
"""How often a till looks whether a lease is low or old, beside when something was sold."""


class Demands:
    """What a till needs of leases, by promotion and store. Any thread may use it."""

    def __init__(self, store_ids: Collection[str]) -> None:
        """`store_ids` are those of the token. Empty: the till sells in the stores that its carts name."""
        self._any_store = not store_ids
        self._stores = set(store_ids)
        self._by_key: dict[Key, Demand] = {}
        self._lock = threading.Lock()

    def note(self, store_id: str, result: Result) -> bool:
        """Sees what a cart got; whether a server should be asked soon."""
        with self._lock:
            wanting = self._any_store and store_id not in self._stores
            if wanting:
                self._stores.add(store_id)
            for verdict in result.verdicts:
                if verdict.reason == REASON_BUDGET and store_id in self._stores:
                    needed = self._of((verdict.promotion_id, store_id)).needed
                    for parameter in verdict.parameters:
                        if parameter.name == "needed":
                            currency, minor = parameter.money.currency_code, parameter.money.minor
                            needed[currency] = max(needed.get(currency, 0), minor)
                wanting = wanting or verdict.reason in (REASON_BUDGET, REASON_LEASE)
            return wanting

    def wishes(self, promotion_ids: Iterable[str], held: dict[Key, Held], now: float) -> list[LeaseWish]:
        """What to ask for now."""
        with self._lock:
            keys = ((promotion_id, store_id) for promotion_id in promotion_ids for store_id in self._stores)
            wishes = (self._of(key).wish(held.get(key), now) for key in keys)
            return [wish for wish in wishes if wish is not None]

    def shrinking(self, held: dict[Key, Held], now: float) -> list[str]:
        """The leases that are larger than is needed."""
        with self._lock:
            return [each.lease.lease_id for key, each in held.items() if self._of(key).shrinks(each, now)]

    def answered(self, answer: RenewLeasesResponse, held: dict[Key, Held], now: float) -> None:
        with self._lock:
            for lease in answer.leases:
                key = lease.promotion_id, lease.store_id
                if key in held:
                    self._of(key).renewed(held[key], now)
            for refused in answer.refused:
                self._of((refused.promotion_id, refused.store_id)).refused(now)

    def _of(self, key: Key) -> Demand:
        return self._by_key.setdefault(key, Demand(key))


class Leaser:
    """Renews the leases of a till. `lock` is held while the journal is written, never during a call."""

    def __init__(
        self,
        service: LeaseServiceStub,
        leases: Leases,
        demands: Demands,
        journal: Journal,
        lock: threading.Lock,
        device_id: str,
        *,
        current: Callable[[], tuple[Mapping[str, Limited], float]],
        close_leases: Callable[[Collection[str]], None],
        upload: Callable[[], object],
    ) -> None:
        """`current` has what is limited in force, and the trusted time; `close_leases` has the journal say
        that leases are closed; `upload` brings that to the server.
        """
        self._service = service
        self._leases = leases
        self._demands = demands
        self._journal = journal
        self._lock = lock
        self._device_id = device_id
        self._current = current
        self._close_leases = close_leases
        self._upload = upload

    def renew(self) -> None:
        """Asks for what is needed; raises CallFailed or DiskFailed."""
        limited, now = self._current()
        held = self._leases.held()
        over = [
            each.lease.lease_id
            for (promotion_id, _), each in held.items()
            if promotion_id not in limited or each.expire_time <= now
        ]
        self._give_back([*over, *self._demands.shrinking(held, now)])
        wishes = self._demands.wishes(limited, self._leases.held(), now)
        for begin in range(0, len(wishes), WISHES_MAX):
            asked = wishes[begin : begin + WISHES_MAX]
            # What was closed meanwhile is there to be had now.
            self._ask(self._ask(asked, now), now)

    def _ask(self, wishes: list[LeaseWish], now: float) -> list[LeaseWish]:
        """Asks, closes what has to be closed, and takes the rest; the wishes that are still open."""
        if not wishes:
            return []
        answer = self._answer(wishes)
        refused = {(each.promotion_id, each.store_id) for each in answer.refused}
        held = self._leases.held()
        self._give_back(
            [
                *self._leases.unknown(answer.leases),
                *(each.lease.lease_id for key, each in held.items() if key in refused),
            ]
        )
        with self._lock:
            self._leases.take(answer.leases, self._journal.place)
        held = self._leases.held()
        self._demands.answered(answer, held, now)
        settled = refused | set(held)
        return [wish for wish in wishes if (wish.promotion_id, wish.store_id) not in settled]

    def _answer(self, wishes: list[LeaseWish]) -> RenewLeasesResponse:
        request = RenewLeasesRequest(
            device_id=self._device_id, journal_id=self._journal.journal_id, wishes=wishes
        )
        return self._service.RenewLeases(request)

    def _give_back(self, lease_ids: Collection[str]) -> None:
        if lease_ids:
            self._close_leases(lease_ids)
            self._upload()
