"""A till that granted sales on its own, out of leases, and has uploaded them."""

from collections.abc import Iterable, Sequence
from typing import Any

from dealwright.grants import grants
from dealwright.till.chain import Entry, Place, next_entry
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.journal_pb2 import JournalClosing, JournalRecord, JournalSale
from dealwright.v1.journal_service_pb2 import UploadJournalRequest
from dealwright.v1.lease_service_pb2 import LeaseWish, RenewLeasesRequest
from dealwright.v1.money_pb2 import Money
from dealwright.v1.redemption_service_pb2 import ReturnRequest
from dealwright.v1.refund_pb2 import RETURN_POLICY_KEEP, ReturnPolicy
from dealwright_engine import Ruleset
from sqlalchemy import Engine

from server.actors import Actor, Role
from server.definitions.service import Definitions
from server.journals.service import Journals
from server.runtime.app import Application
from tests.redemption.shop import COMPANY, redeem_request

DEVICE = Actor("till", COMPANY, frozenset({Role.DEVICE}), "there", "t1")


class OfflineTill:
    """What one till has granted, as its journal tells it."""

    def __init__(self, engine: Engine, application: Application, device_id: str = "till-1") -> None:
        self.device_id = device_id
        self._application = application
        self._definitions = Definitions(engine)
        self._journals = Journals(engine)
        self._place = Place()

    def lease(self, uses: int | None = None, *, idr: int | None = None, promotion: str = "offer") -> str:
        """A lease of a promotion, or more of the one there is."""
        budgets = [] if idr is None else [Money(currency_code="IDR", minor=idr)]
        wish = LeaseWish(promotion_id=promotion, store_id="menteng", uses=uses, budgets=budgets)
        asked = RenewLeasesRequest(device_id=self.device_id, journal_id="j1", wishes=[wish])
        (lease,) = self._application.leases.renew(DEVICE, asked).leases
        return lease.lease_id

    def sell(
        self,
        sale_id: str,
        *lease_ids: str,
        without: Sequence[str] = (),
        vouchers: Iterable[Any] = (),
        **order: Any,
    ) -> JournalSale:
        """Grants a sale what its cart earns, and uploads it."""
        ruleset = self._definitions.ruleset(COMPANY)
        kept = [promotion for promotion in ruleset.promotions if promotion.id not in without]
        del ruleset.promotions[:]
        ruleset.promotions.extend(kept)
        request = EvaluateRequest(cart=redeem_request(**order).cart)
        request.cart.vouchers.extend(vouchers)
        request.cart.codes.extend(voucher.code for voucher in request.cart.vouchers)
        request.evaluate_time.GetCurrentTime()
        answer = Ruleset.compile(ruleset.SerializeToString()).evaluate(request.SerializeToString(), 0)
        sale = JournalSale(
            sale_id=sale_id,
            request=request,
            result=EvaluateResponse.FromString(answer).result,
            lease_ids=lease_ids,
            left_out_ids=without,
        )
        assert grants(sale.result)
        self.upload(JournalRecord(sale=sale))
        return sale

    def close(self, lease_id: str) -> None:
        self.upload(JournalRecord(closing=JournalClosing(lease_ids=[lease_id])))

    def upload(self, record: JournalRecord) -> None:
        entry: Entry = next_entry(self._place, record)
        self._journals.upload(
            DEVICE,
            UploadJournalRequest(
                device_id=self.device_id,
                journal_id="j1",
                previous_hash=self._place.hash,
                entries=[entry.message()],
            ),
        )
        self._place = entry.place


def back(
    sale_id: str,
    quantity: int = 1,
    *,
    key: str = "",
    device_id: str = "till-1",
    policy: ReturnPolicy.ValueType = RETURN_POLICY_KEEP,
) -> ReturnRequest:
    """A return of lattes of a till's sale."""
    request = ReturnRequest(idempotency_key=key or f"{sale_id}-{quantity}", policy=policy)
    request.till_sale.device_id = device_id
    request.till_sale.sale_id = sale_id
    request.returned.add(line_id="latte", quantity=quantity)
    return request
