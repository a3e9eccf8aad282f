"""Vouchers that tills granted at risk: what they still have is taken when the journal comes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from dealwright.codes import voucher_of
from dealwright.v1.journal_pb2 import JournalSale
from sqlalchemy import Connection

from server.leases.store import Holder, Lease, Part
from server.redemption.escrow import USE, Account, Locked, lock, note_limits
from server.vouchers import offline


@dataclass(frozen=True, slots=True)
class _Voucher:
    """A voucher of a batch with a cap, whose account nobody else changes."""

    batch_id: int
    account: Account
    locked: Locked


@dataclass(slots=True)
class AtRisk:
    """The vouchers with a cap that sales name, and what is left of the caps of their leases."""

    vouchers: Mapping[str, _Voucher]
    caps: Mapping[UUID, dict[int, int]]
    told: dict[UUID, Counter[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, connection: Connection, holder: Holder, leases: Sequence[Lease], sales: Iterable[JournalSale]
    ) -> "AtRisk":
        caps = offline.caps_left(connection, [lease.id for lease in leases])
        if not caps:
            return cls({}, {})
        named = {voucher_of(each.code) for sale in sales for each in sale.request.cart.vouchers} - {""}
        batch_ids = {batch_id for of_lease in caps.values() for batch_id in of_lease}
        found = offline.named(connection, holder.company_id, batch_ids, [bytes.fromhex(n) for n in named])
        accounts = {Account(each.promotion_id, "voucher", each.id.hex(), USE): each for each in found}
        limits = {account: voucher.max_uses for account, voucher in accounts.items()}
        locked = lock(connection, holder.company_id, limits)
        note_limits(connection, {each.id: each.limit for each in locked.values() if each.free})
        return cls(
            {
                voucher.id.hex(): _Voucher(voucher.batch_id, account, locked[account])
                for account, voucher in accounts.items()
            },
            caps,
        )

    def take(self, lease: Lease, voucher_id: str) -> tuple[Part, int] | None:
        """Takes a use of a voucher for a lease: the part of the lease, and 1, or 0 where no use was left.

        None where the lease lets its till grant no such voucher.
        """
        voucher = self.vouchers.get(voucher_id)
        if voucher is None or voucher.batch_id not in self.caps.get(lease.id, {}):
            return None
        account_id = voucher.locked.id
        part = lease.parts.setdefault(account_id, Part(account_id, voucher.account, leased=0))
        inside = min(1, voucher.locked.free)
        voucher.locked.free -= inside
        part.leased += inside
        part.spent += inside
        part.overrun += 1 - inside
        self.caps[lease.id][voucher.batch_id] -= 1
        self.told.setdefault(lease.id, Counter())[voucher.batch_id] += 1
        return part, inside

    def left(self, lease: Lease, voucher_id: str) -> int:
        """What is left of the cap of a lease for a voucher that was taken; below 0 is more than it had."""
        return self.caps[lease.id][self.vouchers[voucher_id].batch_id]

    def tell(self, connection: Connection) -> None:
        """Writes down that the server knows now of what was at risk."""
        for lease_id, uses in sorted(self.told.items()):
            offline.tell(connection, lease_id, uses)
