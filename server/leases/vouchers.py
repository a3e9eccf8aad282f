"""The vouchers that a lease lets a till grant, with what the till needs to recognise their codes.

Those of a home store are limits as others are: their uses are escrowed, so that nobody else has them. Of
those with a risk cap nothing is held; what a till grants of them is taken when its journal comes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dealwright.v1.lease_pb2 import LeasedVoucher, LeasedVouchers
from sqlalchemy import Connection

from server.evaluation.limits import RulesetLimits
from server.leases.store import Lease
from server.redemption.escrow import USE, Account
from server.vouchers import offline
from server.vouchers.offline import OfflineBatch, OfflineVoucher

TillKey = Callable[[int], bytes]
"""By which tills recognise the codes of a batch."""


class Wished(Protocol):
    """Of which promotion somebody wishes something in which store."""

    @property
    def promotion_id(self) -> str: ...

    @property
    def store_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Lendable:
    """The vouchers that tills grant of the promotions that are wished."""

    batches: Sequence[OfflineBatch]
    by_batch: Mapping[int, Sequence[OfflineVoucher]]
    limits: RulesetLimits

    @classmethod
    def of(
        cls, connection: Connection, company_id: str, limits: RulesetLimits, wishes: Iterable[Wished]
    ) -> "Lendable":
        wished = [
            (wish.promotion_id, wish.store_id) for wish in wishes if wish.promotion_id in limits.vouched
        ]
        if not wished:
            return cls((), {}, limits)
        found = offline.batches(connection, company_id, {promotion_id for promotion_id, _ in wished})
        ours = [batch for pair in wished for batch in offline.for_store(found, *pair)]
        by_batch: defaultdict[int, list[OfflineVoucher]] = defaultdict(list)
        for voucher in offline.vouchers(connection, {batch.id for batch in ours}):
            by_batch[voucher.batch_id].append(voucher)
        return cls(ours, by_batch, limits)

    def for_wish(self, wish: Wished) -> list[OfflineBatch]:
        return offline.for_store(self.batches, wish.promotion_id, wish.store_id)

    def homed(self, wish: Wished) -> dict[Account, int]:
        """The limits of vouchers that lie at one till of the wish's store."""
        return {
            Account(wish.promotion_id, "voucher", voucher.id.hex(), USE): self._uses(voucher)
            for batch in self.for_wish(wish)
            if batch.home_store_id is not None
            for voucher in self.by_batch[batch.id]
        }

    def of_lease(
        self, connection: Connection, lease: Lease, wish: Wished, till_key: TillKey
    ) -> list[LeasedVouchers]:
        """What a lease lets its till grant, whose caps are full again."""
        batches = self.for_wish(wish)
        caps = {batch.id: batch.risk_cap for batch in batches if batch.risk_cap is not None}
        totals = offline.fill_caps(connection, lease.id, caps)
        held = {part.voucher_id: part.leased for part in lease.parts.values() if part.voucher_id}
        given = []
        for batch in batches:
            lent = LeasedVouchers(batch_id=batch.id, key=till_key(batch.id), risk_uses=totals.get(batch.id))
            for voucher in self.by_batch[batch.id]:
                if batch.home_store_id is None:
                    uses = self._uses(voucher) if voucher.used < self._uses(voucher) else 0
                else:
                    uses = held.get(voucher.id.hex(), 0)
                if uses:
                    lent.vouchers.append(_message(voucher, uses))
            if lent.vouchers:
                given.append(lent)
        return given

    def _uses(self, voucher: OfflineVoucher) -> int:
        """How often a voucher may be used in all."""
        limited = self.limits.promotions.get(voucher.promotion_id)
        if limited is None or not limited.limits.HasField("max_uses_per_code"):
            return voucher.max_uses
        return min(voucher.max_uses, limited.limits.max_uses_per_code)


def _message(voucher: OfflineVoucher, uses: int) -> LeasedVoucher:
    message = LeasedVoucher(voucher_id=voucher.id, tag=voucher.tag, uses=uses)
    if voucher.start_time is not None:
        message.start_time.FromDatetime(voucher.start_time)
    if voucher.end_time is not None:
        message.end_time.FromDatetime(voucher.end_time)
    return message
