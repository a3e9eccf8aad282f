"""What journals tell of leases: what was granted of them, and that nothing more will be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dealwright.codes import voucher_of
from dealwright.grants import grants
from dealwright.till.chain import Entry
from dealwright.v1.journal_pb2 import JournalSale
from sqlalchemy import Connection

from server.actors import Actor
from server.leases import store
from server.leases.risk import AtRisk
from server.leases.store import Holder, Lease, Part, Spend
from server.redemption.escrow import USE, Posting, post
from server.vouchers import offline

__all__ = ["Booking", "Holder", "Trouble", "book", "give_back", "spends"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A journal entry that granted what its till didn't hold."""

    kind: str
    """lease: it names one that this journal never had; overrun: more was granted than the lease still had."""
    sequence: int
    detail: str


@dataclass(slots=True)
class Booking:
    """What entries do to leases, one after another."""

    leases: Mapping[str, Lease]
    """Those that the journal has or had, by id as it names them."""
    at_risk: AtRisk
    spends: list[Spend] = field(default_factory=list)
    closed: list[Lease] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    def sell(self, sequence: int, sale: JournalSale) -> None:
        """Takes what a sale granted from the leases that it names."""
        costs = {grant.promotion_id: grant.cost_minor for grant in grants(sale.result)}
        for lease_id in dict.fromkeys(sale.lease_ids):
            lease = self.leases.get(lease_id)
            if lease is None:
                detail = f"it names the lease {lease_id!r}, which this journal never had"
                self.troubles.append(Trouble("lease", sequence, detail))
                continue
            if lease.promotion_id not in costs:
                continue
            currency = sale.request.cart.currency_code
            amounts = {USE: 1, currency: costs[lease.promotion_id]}
            for part in lease.bounds.values():
                self._spend(sequence, lease, part, amounts.get(part.unit, 0))
            voucher_id = _voucher(sale, lease.promotion_id)
            if voucher_id:
                self._use(sequence, lease, voucher_id)

    def close(self, lease_ids: Iterable[str]) -> None:
        """Nothing more will be granted of leases."""
        for lease_id in lease_ids:
            lease = self.leases.get(lease_id)
            if lease is not None and lease.state == "open" and lease not in self.closed:
                self.closed.append(lease)

    def _use(self, sequence: int, lease: Lease, voucher_id: str) -> None:
        """Takes a use of a voucher, that the lease has or that its till took a risk with."""
        taken = self.at_risk.take(lease, voucher_id)
        if taken is None:
            part = next((each for each in lease.parts.values() if each.voucher_id == voucher_id), None)
            if part is not None:
                self._spend(sequence, lease, part, 1)
                return
            detail = f"it uses the voucher {voucher_id}, which the lease {lease.id} doesn't have"
            self.troubles.append(Trouble("lease", sequence, detail))
            return
        part, inside = taken
        self.spends.append(Spend(sequence, lease.id, part.account_id, "free", inside, 1 - inside))
        if not inside:
            detail = f"a use of the voucher {voucher_id} of {lease.promotion_id}, which was used up elsewhere"
            self.troubles.append(Trouble("overrun", sequence, detail))
        if self.at_risk.left(lease, voucher_id) < 0:
            detail = f"a use of the voucher {voucher_id} beyond the cap of the lease {lease.id}"
            self.troubles.append(Trouble("overrun", sequence, detail))

    def _spend(self, sequence: int, lease: Lease, part: Part, amount: int) -> None:
        held = 0 if lease in self.closed else part.held
        inside = min(amount, held)
        over = amount - inside
        part.spent += inside
        part.overrun += over
        if amount:
            self.spends.append(Spend(sequence, lease.id, part.account_id, "escrowed", inside, over))
        if over:
            what = "a use" if part.unit == USE else f"{over} {part.unit} minor"
            detail = f"{what} of {lease.promotion_id} more than the lease {lease.id} still had"
            self.troubles.append(Trouble("overrun", sequence, detail))


def book(connection: Connection, actor: Actor, holder: Holder, entries: Sequence[Entry]) -> list[Trouble]:
    """Books what entries say that were just stored and count, in their order."""
    named = {
        lease_id
        for entry in entries
        for lease_id in (*entry.record.sale.lease_ids, *entry.record.closing.lease_ids)
    }
    if not named:
        return []
    now = store.lock_device(connection, holder.company_id, holder.device_id)
    found = store.lock_named(connection, holder, [UUID(each) for each in named if _is_id(each)])
    sales = [entry.record.sale for entry in entries]
    booking = Booking({str(each.id): each for each in found}, AtRisk.of(connection, holder, found, sales))
    for entry in entries:
        if entry.record.HasField("sale"):
            booking.sell(entry.record.sequence, entry.record.sale)
        elif entry.record.HasField("closing"):
            booking.close(entry.record.closing.lease_ids)
    _write(connection, actor, holder, booking, now)
    return booking.troubles


def spends(connection: Connection, holder: Holder, sequence: int) -> list[tuple[int, int, int]]:
    """What was booked of one entry: the account, the amount inside of the lease, and that beyond."""
    return store.spends(connection, holder, sequence)


def give_back(
    connection: Connection, actor: Actor, leases: Sequence[Lease], state: str, kind: str, now: datetime
) -> None:
    """Ends leases of one company: what they hold is free again."""
    postings, changed = [], []
    for lease in leases:
        for part in lease.parts.values():
            if part.held:
                postings.append(Posting(lease.id, part.account_id, "escrowed", "free", part.held))
                part.returned += part.held
                changed.append((lease, part))
    store.change_parts(connection, changed)
    store.resolve(connection, [lease.id for lease in leases], state, now)
    offline.end_caps(connection, [lease.id for lease in leases])
    post(connection, actor, kind, now, postings)


def _write(connection: Connection, actor: Actor, holder: Holder, booking: Booking, now: datetime) -> None:
    leases = {lease.id: lease for lease in booking.leases.values()}
    spent = dict.fromkeys((spend.lease_id, spend.account_id) for spend in booking.spends)
    parts = [(leases[lease_id], leases[lease_id].parts[account_id]) for lease_id, account_id in spent]
    store.change_parts(connection, parts)
    store.insert_spends(connection, holder, booking.spends)
    booking.at_risk.tell(connection)
    postings = []
    for spend in booking.spends:
        postings.append(Posting(spend.lease_id, spend.account_id, spend.source, "posted", spend.spent))
        postings.append(Posting(spend.lease_id, spend.account_id, "excess", "overrun", spend.overrun))
    post(connection, actor, "spend", now, [posting for posting in postings if posting.amount])
    if booking.closed:
        give_back(connection, actor, booking.closed, "closed", "close", now)


def _voucher(sale: JournalSale, promotion_id: str) -> str:
    """The voucher by which a sale was granted a promotion, in hexadecimal; empty where it is none."""
    found = (each.code for each in sale.request.cart.vouchers if each.promotion_id == promotion_id)
    return next(filter(None, map(voucher_of, found)), "")


def _is_id(lease_id: str) -> bool:
    try:
        return str(UUID(lease_id)) == lease_id
    except ValueError:
        return False
