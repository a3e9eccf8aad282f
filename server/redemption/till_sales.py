"""Sales that tills granted on their own: the first return makes a redemption of one, which is like any other.

What it took of limits was booked with its lease, when the journal came. Its holds say the same amounts again,
and bound what comes back; only that is booked of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid5

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.redemption_pb2 import TillSale
from dealwright.v1.result_pb2 import Result
from sqlalchemy import Connection

from server.actors import Actor
from server.redemption import settling, store
from server.redemption.answering import ID_CHARS_MAX, require_text
from server.redemption.limits import Use, grants
from server.runtime.errors import Unknown

_IDS = UUID("5d2f1d0c-4c1b-4d8e-9a39-7a1c2f0b6e55")
"""The namespace of ids that follow from a sale's names."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a sale took of one limit, inside of its lease and beyond."""

    account_id: int
    inside: int
    overrun: int


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A till's sale as its journal has brought it."""

    device_id: str
    journal_id: str
    sequence: int
    sale_id: str
    request: EvaluateRequest
    result: Result
    left_out_ids: Sequence[str]
    """Promotions that the till didn't apply."""
    spent: Sequence[Spent]
    upload_time: datetime


class Uploads(Protocol):
    """Where the sales of tills are found."""

    def find(self, company_id: str, device_id: str, sale_id: str) -> Uploaded | None:
        """A sale that a journal has brought; None where none has."""


def require_uploaded(uploads: Uploads, actor: Actor, named: TillSale) -> Uploaded:
    """The sale that a caller names and may return."""
    for field in ("device_id", "sale_id"):
        require_text(getattr(named, field), f"till_sale.{field}", ID_CHARS_MAX)
    found = uploads.find(actor.company_id, named.device_id, named.sale_id)
    if found is None or (actor.store_ids and found.request.cart.store_id not in actor.store_ids):
        raise Unknown(
            "TILL_SALE_NOT_FOUND",
            "no journal has brought such a sale; a till's sale is known once it was uploaded",
            field="till_sale",
        )
    return found


def id_of(company_id: str, sale: Uploaded) -> UUID:
    """The id of the redemption that a sale is or will be: the same, whoever makes it."""
    return uuid5(_IDS, f"{company_id}/{sale.device_id}/{sale.sale_id}")


def make(connection: Connection, company_id: str, sale: Uploaded) -> None:
    """Makes a redemption of a sale, unless there is one."""
    cart, totals = sale.request.cart, sale.result.totals
    redemption_id = id_of(company_id, sale)
    order_id = f"{sale.device_id}/{sale.sale_id}"
    made = store.insert_redemption(
        connection,
        id=redemption_id,
        company_id=company_id,
        store_id=cart.store_id,
        order_id=order_id,
        customer_id=cart.customer.id,
        state="committed",
        revision=sale.result.revision,
        currency_code=cart.currency_code,
        discount_minor=totals.discount_minor,
        payable_minor=totals.payable_minor,
        create_time=sale.upload_time,
        resolve_time=sale.upload_time,
        device_id=sale.device_id,
        journal_id=sale.journal_id,
        sequence=sale.sequence,
    )
    if not made:
        if store.find(connection, company_id, redemption_id) is None:
            raise settling.order_taken(order_id)
        return
    accounts = store.by_account_id(connection, [spent.account_id for spent in sale.spent])
    uses = {
        account.promotion_id: Use(account.key, 1)
        for account in accounts.values()
        if account.kind == "voucher"
    }
    store.insert_sale(
        connection,
        redemption_id,
        _pinned(sale).SerializeToString(deterministic=True),
        sale.result.SerializeToString(deterministic=True),
        grants(sale.result, uses),
    )
    store.insert_holds(
        connection,
        [
            {
                "redemption_id": redemption_id,
                "account_id": spent.account_id,
                "unit": accounts[spent.account_id].unit,
                "reserved": spent.inside + spent.overrun,
                "posted": spent.inside,
                "overrun": spent.overrun,
            }
            for spent in sale.spent
        ],
    )


def _pinned(sale: Uploaded) -> EvaluateRequest:
    """The request, so that what the till left out isn't granted when the rest is priced again."""
    request = EvaluateRequest()
    request.CopyFrom(sale.request)
    for promotion_id in sale.left_out_ids:
        request.limit_state.promotions.add(promotion_id=promotion_id, uses_left=0)
    return request
