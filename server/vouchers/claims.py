"""Claiming uses of vouchers inside the transaction of a redemption, and giving them back."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from server.vouchers.code import Codes, skeleton
from server.vouchers.store import vouchers as store
from server.vouchers.store.vouchers import Voucher


class Refusal(StrEnum):
    """Why a voucher doesn't apply. For logs and support; others are told that it doesn't."""

    UNKNOWN = "unknown"
    OTHER_PROMOTION = "other_promotion"
    OTHER_CUSTOMER = "other_customer"
    DISABLED = "disabled"
    NOT_STARTED = "not_started"
    EXPIRED = "expired"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Given:
    """A code as a customer gave it, and the promotion that the cart names for it."""

    code: str
    promotion_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A use of a voucher that was taken. What is kept of it is its id: nobody needs the code any more."""

    voucher_id: bytes
    batch_id: int
    promotion_id: str
    uses_left: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A voucher of which nothing was taken."""

    reason: Refusal


def claim(
    connection: Connection,
    codes: Codes,
    company_id: str,
    given: Sequence[Given],
    customer_id: str,
    now: datetime,
) -> list[Claim | Refused]:
    """Takes a use of each voucher that applies at `now`, and says for each what became of it."""
    wanted = [codes.voucher_id(skeleton(each.code)) for each in given]
    found = store.find(connection, company_id, wanted, lock=True)
    taken: Counter[bytes] = Counter()
    answers: list[Claim | Refused] = []
    for each, voucher_id in zip(given, wanted, strict=True):
        voucher = found.get(voucher_id)
        reason = refusal(voucher, customer_id, now, each.promotion_id, taken[voucher_id])
        if voucher is None or reason is not None:
            answers.append(Refused(reason or Refusal.UNKNOWN))
            continue
        taken[voucher_id] += 1
        left = voucher.max_uses - voucher.used - taken[voucher_id]
        answers.append(Claim(voucher_id, voucher.batch_id, voucher.promotion_id, left))
    _add(connection, company_id, taken)
    return answers


def unclaim(connection: Connection, company_id: str, voucher_ids: Collection[bytes]) -> None:
    """Gives uses back, whatever became of the vouchers since."""
    store.find(connection, company_id, list(voucher_ids), lock=True)
    _add(
        connection,
        company_id,
        Counter({voucher_id: -uses for voucher_id, uses in Counter(voucher_ids).items()}),
    )


def refusal(
    voucher: Voucher | None, customer_id: str, now: datetime, promotion_id: str | None = None, taken: int = 0
) -> Refusal | None:
    """Why a voucher doesn't apply; None when it does. `taken` are the uses that the same order takes
    already."""
    if voucher is None:
        return Refusal.UNKNOWN
    faults = {
        Refusal.OTHER_PROMOTION: promotion_id not in (None, voucher.promotion_id),
        Refusal.OTHER_CUSTOMER: voucher.customer_id not in (None, customer_id),
        Refusal.DISABLED: voucher.disabled,
        Refusal.NOT_STARTED: voucher.start_time is not None and now < voucher.start_time,
        Refusal.EXPIRED: voucher.end_time is not None and now >= voucher.end_time,
        Refusal.USED: voucher.used + taken >= voucher.max_uses,
    }
    return next((reason for reason, holds in faults.items() if holds), None)


def _add(connection: Connection, company_id: str, uses: Counter[bytes]) -> None:
    if uses and store.add_uses(connection, company_id, uses) != len(uses):
        raise RuntimeError("a voucher was claimed beyond its uses, or given back without having been claimed")
