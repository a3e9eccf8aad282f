"""A server that lends, without a network: its use cases, and journals that tell what was spent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dealwright.till.chain import Entry, Place, next_entry
from dealwright.v1.cart_pb2 import Voucher
from dealwright.v1.journal_pb2 import JournalClosing, JournalRecord, JournalSale
from dealwright.v1.journal_service_pb2 import UploadJournalRequest
from dealwright.v1.lease_pb2 import Lease
from dealwright.v1.lease_service_pb2 import LeaseWish, RenewLeasesRequest, RenewLeasesResponse
from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Engine, text

from server.actors import Actor, Role
from server.definitions.service import Definitions, Publication
from server.evaluation.service import Active, RulesetHolder
from server.journals.service import Journals
from server.keys.service import Pepper
from server.leases.service import Leases
from server.runtime.metrics import Metrics
from server.runtime.settings import Settings
from server.vouchers.service import Vouchers
from tests.access.calls import PEPPER
from tests.redemption.shop import COMPANY, OFF_MINOR, settings

TILL = Actor("till", COMPANY, frozenset({Role.DEVICE}), "there", "t1")


class Lender:
    """The server."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.definitions = Definitions(engine)
        self.journals = Journals(engine)
        self._holder = RulesetHolder(self.definitions, Metrics(), None)
        self.vouchers = Vouchers(engine, Pepper(Settings(pepper=PEPPER), engine))
        self.leases = Leases(engine, self._holder, self.vouchers, Metrics())

    def publish(self, *promotions: Promotion) -> None:
        self.definitions.publish(COMPANY, Publication(promotions, settings=settings()))
        self._holder.active = Active.of(self.definitions.ruleset(COMPANY))

    def renew(
        self, *wishes: LeaseWish, device: str = "till-1", journal: str = "j1", actor: Actor = TILL
    ) -> RenewLeasesResponse:
        request = RenewLeasesRequest(device_id=device, journal_id=journal, wishes=wishes)
        return self.leases.renew(actor, request)

    def lent(self, uses: int | None = None, *, store: str = "menteng", **who: Any) -> Lease:
        """The one lease of `offer` that is given for a wish."""
        (lease,) = self.renew(wish(uses, store=store), **who).leases
        return lease

    def account(self, kind: str = "total") -> dict[str, int]:
        """The accounts of one kind together."""
        buckets = ("posted", "pending", "escrowed", "overrun")
        sums = ", ".join(f"coalesce(sum({name}), 0)::int AS {name}" for name in buckets)
        query = text(f"SELECT {sums} FROM limit_account WHERE kind = :kind")
        with self.engine.connect() as connection:
            row = connection.execute(query, {"kind": kind}).one()
        return {name: amount for name, amount in row._mapping.items() if amount}

    def states(self) -> list[str]:
        """The states of leases, the oldest first."""
        with self.engine.connect() as connection:
            return list(connection.scalars(text("SELECT state FROM lease ORDER BY start_time")))

    def let_pass(self, interval: str) -> None:
        """Has leases be as much older."""
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE lease SET start_time = start_time - CAST(:by AS interval),"
                    " expire_time = expire_time - CAST(:by AS interval),"
                    " reclaim_time = reclaim_time - CAST(:by AS interval)"
                ),
                {"by": interval},
            )


@dataclass
class Book:
    """A journal that says what a test wants."""

    lender: Lender
    journal_id: str = "j1"
    device_id: str = "till-1"
    entries: list[Entry] = field(default_factory=list)

    def sold(
        self,
        sale_id: str,
        *lease_ids: str,
        off: int = OFF_MINOR,
        store: str = "menteng",
        vouchers: Iterable[Voucher] = (),
    ) -> None:
        made = sale(sale_id, lease_ids, off=off, store=store)
        made.request.cart.vouchers.extend(vouchers)
        self._write(JournalRecord(sale=made))

    def closed(self, *lease_ids: str) -> None:
        self._write(JournalRecord(closing=JournalClosing(lease_ids=lease_ids)))

    def upload(self, entries: Sequence[Entry] | None = None, actor: Actor = TILL) -> int:
        """Brings some entries, or all; how many were new."""
        brought = self.entries if entries is None else entries
        request = UploadJournalRequest(
            device_id=self.device_id,
            journal_id=self.journal_id,
            previous_hash=brought[0].previous,
            entries=[entry.message() for entry in brought],
        )
        return self.lender.journals.upload(actor, request).stored

    def alarms(self) -> list[tuple[str, int]]:
        found = self.lender.journals.alarms(COMPANY, 100)
        return [(alarm.kind, alarm.sequence) for alarm in reversed(found)]

    def _write(self, record: JournalRecord) -> None:
        place = self.entries[-1].place if self.entries else Place()
        self.entries.append(next_entry(place, record))


def wish(
    uses: int | None = None, *, promotion: str = "offer", store: str = "menteng", idr: int | None = None
) -> LeaseWish:
    message = LeaseWish(promotion_id=promotion, store_id=store, uses=uses)
    if idr is not None:
        message.budgets.add(currency_code="IDR", minor=idr)
    return message


def sale(
    sale_id: str,
    lease_ids: Iterable[str],
    *,
    promotion: str = "offer",
    off: int = OFF_MINOR,
    store: str = "menteng",
) -> JournalSale:
    """A sale that was granted a promotion."""
    made = JournalSale(sale_id=sale_id, lease_ids=lease_ids)
    made.request.cart.currency_code = "IDR"
    made.request.cart.store_id = store
    made.result.applications.add(promotion_id=promotion, discount_minor=off)
    return made
