"""VoucherService over gRPC, as tills and back offices call it, and the way of a voucher to a price."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from dealwright.v1 import voucher_service_pb2 as schema
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from dealwright.v1.result_pb2 import CODE_OUTCOME_APPLIED, CODE_OUTCOME_UNKNOWN
from dealwright.v1.voucher_service_pb2_grpc import VoucherServiceStub
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Engine

from server.access.service import Access
from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from tests.access.calls import CALL_SECONDS, PEPPER, bearer, owner, reason, serving, token_for
from tests.definitions.samples import percent_off
from tests.vouchers.conftest import SPRING

YEAR_10000 = 253_402_300_800
"""Its first second, which is the first after all that a timestamp may say."""


class Caller:
    """Calls VoucherService as somebody."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub: Any = VoucherServiceStub(channel)
        self.metadata = bearer(token)

    async def __call__(self, method: str, **fields: Any) -> Any:
        request = getattr(schema, f"{method}Request")(**fields)
        return await getattr(self._stub, method)(request, metadata=self.metadata, timeout=CALL_SECONDS)


class Shop:
    """A server with a published promotion, and who calls it."""

    def __init__(self, engine: Engine, application: Application, channel: grpc.aio.Channel) -> None:
        self.application = application
        self.channel = channel
        self._engine = engine

    def caller(self, role: Role, name: str = "") -> Caller:
        token = Access(self._engine).create(owner(), name or role, [role])
        return Caller(self.channel, token)


@pytest_asyncio.fixture
async def shop(database: Engine) -> AsyncIterator[Shop]:
    token_for(database, "first", Role.ADMIN)
    promotion = percent_off(SPRING, 20)
    promotion.trigger.voucher.SetInParent()
    Definitions(database).publish("kopi", Publication([promotion]))
    async with serving(database, pepper=PEPPER, access="tokens") as (application, channel):
        yield Shop(database, application, channel)


async def ready(shop: Shop, *roles: Role) -> list[Caller]:
    """Callers whose tokens the server has read."""
    callers = [shop.caller(role) for role in roles]
    await shop.application.grants.refresh()
    return callers


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), reason(error.value)


async def codes_of(publisher: Caller, **fields: Any) -> list[str]:
    terms = schema.VoucherTerms(promotion_id=SPRING)
    made = await publisher("GenerateVouchers", terms=terms, **fields)
    exported = await publisher("ExportVouchers", batch_id=made.batch.id)
    return [each.code for each in exported.codes]


async def test_a_voucher_goes_from_the_batch_to_the_price(shop: Shop) -> None:
    publisher, till = await ready(shop, Role.PUBLISHER, Role.DEVICE)
    (code,) = await codes_of(publisher, quantity=1)
    request = EvaluateRequest()
    request.cart.currency_code = "IDR"
    request.cart.codes.append(code.lower())
    request.cart.lines.add(id="1", product_id="latte", quantity=1, unit_price_minor=10_000)
    evaluate: Any = EvaluationServiceStub(shop.channel)
    token = till.metadata

    before = (await evaluate.Evaluate(request, metadata=token, timeout=CALL_SECONDS)).result
    checked = await till("CheckVouchers", codes=[code.lower()])
    request.cart.vouchers.extend(checked.vouchers)
    after = (await evaluate.Evaluate(request, metadata=token, timeout=CALL_SECONDS)).result

    assert before.totals.payable_minor == 10_000
    assert before.codes[0].outcome == CODE_OUTCOME_UNKNOWN
    assert after.codes[0].outcome == CODE_OUTCOME_APPLIED
    assert after.totals.payable_minor == 8_000
    assert [(each.code, each.promotion_id) for each in checked.vouchers] == [(code.lower(), SPRING)]


async def test_a_batch_is_made_exported_in_pages_listed_and_sealed(shop: Shop) -> None:
    (publisher,) = await ready(shop, Role.PUBLISHER)
    terms = schema.VoucherTerms(promotion_id=SPRING, max_uses=2, comment="for May")
    made = (await publisher("GenerateVouchers", terms=terms, quantity=5, prefix="may")).batch
    first = await publisher("ExportVouchers", batch_id=made.id, page_size=3)
    rest = await publisher("ExportVouchers", batch_id=made.id, page_size=3, page_token=first.next_page_token)
    listed = await publisher("ListBatches", page_size=1)
    older = await publisher("ListBatches", page_size=1, page_token=listed.next_page_token)
    got = (await publisher("GetBatch", batch_id=made.id)).batch
    await publisher("SealBatch", batch_id=made.id)

    assert (made.made, made.quantity, made.terms.max_uses, made.terms.comment) == (5, 5, 2, "for May")
    assert [len(first.codes), len(rest.codes), rest.next_page_token] == [3, 2, ""]
    assert len({each.code for each in (*first.codes, *rest.codes)}) == 5
    assert [batch.id for batch in listed.batches] == [made.id]
    assert list(older.batches) == []
    assert (got.used_vouchers, got.HasField("complete_time"), got.sealed) == (0, True, False)
    assert await refused(publisher("ExportVouchers", batch_id=made.id)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "BATCH_SEALED",
    )


async def test_a_large_batch_is_finished_later(shop: Shop) -> None:
    (publisher,) = await ready(shop, Role.PUBLISHER)
    made = await publisher(
        "GenerateVouchers", terms=schema.VoucherTerms(promotion_id=SPRING), quantity=20_001
    )

    assert made.batch.made == 20_000
    assert not made.batch.HasField("complete_time")


async def test_rows_are_imported_and_what_is_wrong_is_told(shop: Shop) -> None:
    publisher, viewer = await ready(shop, Role.PUBLISHER, Role.VIEWER)
    rows = [
        schema.ImportedVoucher(code="HARVEST-1", customer_id="ann"),
        schema.ImportedVoucher(code="X"),
        schema.ImportedVoucher(code="HARVEST-2", max_uses=0),
    ]
    terms = schema.VoucherTerms(promotion_id=SPRING)
    answer = await publisher("ImportVouchers", terms=terms, rows=rows, partial=True)
    found = await viewer("LookUpVouchers", customer_id="ann")

    assert (answer.imported, answer.refused) == (1, 2)
    assert [(error.row, error.field) for error in answer.errors] == [(2, "code"), (3, "max_uses")]
    assert [(each.last_four, each.used, each.max_uses) for each in found.vouchers] == [("ESTL", 0, 1)]
    assert await refused(publisher("ImportVouchers", terms=terms, rows=[])) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "OUT_OF_RANGE",
    )


@pytest.mark.parametrize("sent", [Timestamp(nanos=-1), Timestamp(seconds=YEAR_10000)], ids=["nanos", "late"])
async def test_what_is_no_instant_is_refused(shop: Shop, sent: Timestamp) -> None:
    (publisher,) = await ready(shop, Role.PUBLISHER)
    terms = schema.VoucherTerms(promotion_id=SPRING, start_time=sent)

    assert await refused(publisher("GenerateVouchers", terms=terms, quantity=1)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "DATE_INVALID",
    )


async def test_who_guesses_is_told_to_wait_and_is_counted(shop: Shop) -> None:
    (till,) = await ready(shop, Role.DEVICE)
    for _ in range(6):
        answer = await till("CheckVouchers", codes=["NONSENSE"], customer_id="ann")
        assert list(answer.vouchers) == []

    assert await refused(till("CheckVouchers", codes=["NONSENSE"], customer_id="ann")) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "VOUCHER_CHECKS_PAUSED",
    )
    counted = shop.application.metrics.registry.get_sample_value(
        "dealwright_voucher_checks_total", {"outcome": "malformed"}
    )
    assert counted == 6


async def test_codes_and_batches_are_disabled(shop: Shop) -> None:
    publisher, operator, till = await ready(shop, Role.PUBLISHER, Role.OPERATOR, Role.DEVICE)
    one, other = await codes_of(publisher, quantity=2)
    disabled = await operator("DisableVoucher", code=one)
    checked = await till("CheckVouchers", codes=[one, other])
    (found,) = (await operator("LookUpVouchers", code=other)).vouchers
    batch = (await operator("DisableBatch", batch_id=found.batch_id)).batch
    later = await till("CheckVouchers", codes=[one, other])

    assert disabled.voucher.disabled
    assert [each.code for each in checked.vouchers] == [other]
    assert batch.HasField("disable_time")
    assert list(later.vouchers) == []
    assert (await refused(operator("DisableVoucher", code="NONSENSE")))[1] == "VOUCHER_UNKNOWN"


async def test_who_may_not_make_codes_is_refused(shop: Shop) -> None:
    till, viewer = await ready(shop, Role.DEVICE, Role.VIEWER)
    denied = (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")

    assert await refused(till("LookUpVouchers", code="X")) == denied
    assert await refused(viewer("ExportVouchers", batch_id=1)) == denied
    assert await refused(viewer("GenerateVouchers")) == denied
    assert (await refused(viewer("GetBatch", batch_id=1)))[1] == "BATCH_UNKNOWN"
