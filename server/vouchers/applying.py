"""Which vouchers apply, and why the others don't."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from server.vouchers.code import Codes, skeleton
from server.vouchers.store import vouchers as store
from server.vouchers.store.vouchers import Voucher


class Refusal(StrEnum):
    """Why a voucher doesn't apply. For metrics and support; others are told that it doesn't."""

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


def applying(
    connection: Connection,
    codes: Codes,
    company_id: str,
    given: Sequence[Given],
    customer_id: str,
    now: datetime,
    *,
    lock: bool = False,
) -> list[Voucher | Refusal]:
    """For each code the voucher that applies at `now`, or why there is none."""
    wanted = [codes.voucher_id(skeleton(each.code)) for each in given]
    found = store.find(connection, company_id, wanted, lock=lock)
    answers: list[Voucher | Refusal] = []
    for each, voucher_id in zip(given, wanted, strict=True):
        voucher = found.get(voucher_id)
        reason = refusal(voucher, customer_id, now, each.promotion_id)
        answers.append(voucher if voucher is not None and reason is None else reason or Refusal.UNKNOWN)
    return answers


def refusal(
    voucher: Voucher | None, customer_id: str, now: datetime, promotion_id: str | None = None
) -> Refusal | None:
    """Why a voucher doesn't apply; None when it does."""
    if voucher is None:
        return Refusal.UNKNOWN
    faults = {
        Refusal.OTHER_PROMOTION: promotion_id not in (None, voucher.promotion_id),
        Refusal.OTHER_CUSTOMER: voucher.customer_id not in (None, customer_id),
        Refusal.DISABLED: voucher.disabled,
        Refusal.NOT_STARTED: voucher.start_time is not None and now < voucher.start_time,
        Refusal.EXPIRED: voucher.end_time is not None and now >= voucher.end_time,
        Refusal.USED: voucher.used >= voucher.max_uses,
    }
    return next((reason for reason, holds in faults.items() if holds), None)
