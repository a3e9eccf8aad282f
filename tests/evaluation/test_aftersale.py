"""Replay, Compare and Refund over gRPC: any revision, as it was, whatever was published since."""

import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import (
    CompareRequest,
    CompareResponse,
    EvaluateRequest,
    EvaluateResponse,
    RefundRequest,
    RefundResponse,
    ReplayRequest,
    ReplayResponse,
    Sale,
)
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]

from server.db.embedded import EmbeddedPostgres
from server.db.engine import DatabaseUnavailable, connect
from server.db.migrate import upgrade
from server.definitions.service import Definitions, Publication
from server.evaluation.aftersale import AfterSale
from server.evaluation.revisions import PAST_MAX, Revisions
from server.evaluation.service import RulesetHolder
from server.runtime.app import Application
from server.runtime.errors import status_of
from server.runtime.metrics import Metrics
from tests.definitions.samples import jakarta_settings, percent_off
from tests.evaluation.requests import COMPARE, EVALUATE, REFUND, REPLAY, call, details, latte_request


@pytest.fixture
async def serving(application: Application, definitions: Definitions) -> Application:
    """The server with three revisions: 10 % off, 20 % off, and nothing any more."""
    definitions.publish("kopi", Publication([percent_off("offer", 10)], settings=jakarta_settings()))
    definitions.publish("kopi", Publication([percent_off("offer", 20)]))
    definitions.publish("kopi", Publication(deleted_ids=["offer"]))
    await application.holder.refresh()
    return application


def sale(revision: int, result_hash: bytes = b"") -> Sale:
    return Sale(revision=revision, request=latte_request(), result_hash=result_hash)


async def ask(channel: grpc.aio.Channel, method: str, request: Message) -> bytes:
    return await call(channel, method, request.SerializeToString())


@pytest.mark.parametrize(("revision", "payable"), [(1, 4_500_000), (2, 4_000_000), (3, 5_000_000)])
async def test_a_past_revision_prices_as_it_did(
    serving: Application, channel: grpc.aio.Channel, revision: int, payable: int
) -> None:
    answer = await ask(channel, REPLAY, ReplayRequest(revision=revision, request=latte_request()))

    response = ReplayResponse.FromString(answer)
    assert (response.result.revision, response.result.totals.payable_minor) == (revision, payable)
    assert not response.HasField("matches")


async def test_a_replay_says_whether_the_result_is_the_recorded_one(
    serving: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("offer", 30)]))
    await serving.holder.refresh()
    then = await ask(channel, EVALUATE, latte_request())
    recorded = EvaluateResponse.FromString(then).result
    definitions.publish("kopi", Publication(deleted_ids=["offer"]))
    await serving.holder.refresh()

    for given, matches in ((recorded.result_hash, True), (bytes(32), False)):
        request = ReplayRequest(revision=recorded.revision, request=latte_request(), result_hash=given)
        answer = await ask(channel, REPLAY, request)

        assert answer[: len(then)] == then
        assert ReplayResponse.FromString(answer).matches is matches


async def test_two_past_revisions_are_compared(serving: Application, channel: grpc.aio.Channel) -> None:
    request = CompareRequest(revision_before=1, revision_after=2, request=latte_request())

    response = CompareResponse.FromString(await ask(channel, COMPARE, request))

    assert (response.before.revision, response.after.revision) == (1, 2)
    assert response.comparison.payable_minor == -500_000
    (offer,) = response.comparison.promotions
    gave, gives = offer.given_before.discount_minor, offer.given_after.discount_minor
    assert (offer.promotion_id, gave, gives) == ("offer", 500_000, 1_000_000)


async def test_a_sale_of_the_past_is_refunded_at_what_was_paid(
    serving: Application, channel: grpc.aio.Channel
) -> None:
    answer = await ask(channel, REPLAY, ReplayRequest(revision=1, request=latte_request()))
    paid = ReplayResponse.FromString(answer).result
    request = RefundRequest(sale=sale(1, paid.result_hash))
    request.returned.add(line_id="line-0", quantity=1)

    response = RefundResponse.FromString(await ask(channel, REFUND, request))

    assert response.refund.refund.minor == 2_250_000


UNKNOWN: list[tuple[str, Message]] = [
    (REPLAY, ReplayRequest(revision=4, request=latte_request())),
    (REPLAY, ReplayRequest(revision=-1, request=latte_request())),
    (REFUND, RefundRequest(sale=sale(4))),
    (COMPARE, CompareRequest(revision_before=1, revision_after=4, request=latte_request())),
    (COMPARE, CompareRequest(revision_before=4, revision_after=1, request=latte_request())),
]


@pytest.mark.parametrize(
    ("method", "request_message"), UNKNOWN, ids=["replay", "negative", "refund", "after", "before"]
)
async def test_a_revision_that_never_was_is_not_found(
    serving: Application, channel: grpc.aio.Channel, method: str, request_message: Message
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(channel, method, request_message)

    info, _ = details(refused.value)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert info.reason == "REVISION_NOT_FOUND"
    assert info.metadata["revision"] in (refused.value.details() or "")


BROKEN: list[tuple[str, bytes, str, str]] = [
    (REPLAY, b"\xff\xff\xff", "NOT_A_MESSAGE", ""),
    (REFUND, b"\xff\xff\xff", "NOT_A_MESSAGE", ""),
    (COMPARE, b"\xff\xff\xff", "NOT_A_MESSAGE", ""),
    (REPLAY, b"", "REVISION_DIFFERS", "revision"),
    (REFUND, b"", "REQUIRED", "sale"),
    (COMPARE, b"", "REVISION_DIFFERS", "revision_before"),
    (REPLAY, ReplayRequest(revision=1).SerializeToString(), "REQUIRED", "request"),
    (REFUND, RefundRequest(sale=sale(1)).SerializeToString(), "RESULT_DIFFERS", "sale.result_hash"),
    (
        REPLAY,
        ReplayRequest(revision=2, request=EvaluateRequest(cart=latte_request().cart)).SerializeToString(),
        "REQUIRED",
        "request.evaluate_time",
    ),
]


@pytest.mark.parametrize(("method", "data", "reason", "field"), BROKEN, ids=range(len(BROKEN)))
async def test_what_is_wrong_is_refused_with_its_field(
    serving: Application,
    channel: grpc.aio.Channel,
    method: str,
    data: bytes,
    reason: str,
    field: str,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, method, data)

    info, violations = details(refused.value)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (info.reason, violations.field_violations[0].field) == (reason, field)


@pytest.mark.parametrize("method", [REPLAY, COMPARE, REFUND])
async def test_without_a_ruleset_callers_are_told_to_come_back(
    application: Application, channel: grpc.aio.Channel, method: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(channel, method, b"")

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details(refused.value)[0].reason == "NO_RULESET"


@pytest.mark.database
async def test_without_the_database_revisions_in_memory_still_answer(data_dir: Path) -> None:
    request = ReplayRequest(request=latte_request())
    with EmbeddedPostgres(data_dir) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        definitions = Definitions(engine)
        for percent in (10, 20, 30):
            definitions.publish("kopi", Publication([percent_off("offer", percent)]))
        holder = RulesetHolder(definitions, Metrics(), None)
        await holder.refresh()
        after_sale = AfterSale(Revisions(holder, definitions, Metrics()), Metrics())
        request.revision = 1
        first = await after_sale.replay(request.SerializeToString())

    assert await after_sale.replay(request.SerializeToString()) == first
    request.revision = 3
    assert await after_sale.replay(request.SerializeToString())
    request.revision = 2
    with pytest.raises(DatabaseUnavailable) as away:
        await after_sale.replay(request.SerializeToString())
    status = status_of(away.value)
    assert status.code is grpc.StatusCode.UNAVAILABLE
    assert [detail.reason for detail in status.details if isinstance(detail, ErrorInfo)] == [
        "DATABASE_UNAVAILABLE"
    ]
    # Where the database is, is nobody's business.
    assert "postgresql" not in status.message


async def test_a_few_past_revisions_stay_compiled_and_the_longest_unused_goes_first(
    definitions: Definitions,
) -> None:
    for percent in range(1, PAST_MAX + 3):
        definitions.publish("kopi", Publication([percent_off("offer", percent)]))
    holder = RulesetHolder(definitions, Metrics(), None)
    await holder.refresh()
    metrics = Metrics()
    revisions = Revisions(holder, definitions, metrics)
    first, second = await revisions.ruleset(1), await revisions.ruleset(2)
    for revision in range(3, PAST_MAX + 1):
        await revisions.ruleset(revision)

    assert await revisions.ruleset(1) is first
    await revisions.ruleset(PAST_MAX + 1)

    assert await revisions.ruleset(1) is first
    assert await revisions.ruleset(2) is not second
    await revisions.ruleset(PAST_MAX + 2)
    looked_up = {
        outcome: metrics.registry.get_sample_value("dealwright_revision_lookups_total", {"outcome": outcome})
        for outcome in ("active", "past", "rebuilt")
    }
    assert looked_up == {"active": 1, "past": 2, "rebuilt": PAST_MAX + 2}


async def test_callers_of_one_past_revision_share_it(definitions: Definitions) -> None:
    for percent in (10, 20):
        definitions.publish("kopi", Publication([percent_off("offer", percent)]))
    holder = RulesetHolder(definitions, Metrics(), None)
    await holder.refresh()
    revisions = Revisions(holder, definitions, Metrics())

    rulesets = await asyncio.gather(*(revisions.ruleset(1) for _ in range(10)))

    assert len({id(ruleset) for ruleset in rulesets}) == 1
    assert rulesets[0].revision == 1
