"""Client and AsyncClient against a real server."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from dealwright import AsyncClient, CallFailed, Client
from dealwright.errors import (
    DeadlineExceeded,
    Denied,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from dealwright.requests import sale
from dealwright.tracing import traced
from dealwright.v1.definition_service_pb2 import (
    CreatePromotionRequest,
    GetPromotionRequest,
    ListRevisionsRequest,
)
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse, RefundRequest
from dealwright.v1.refund_pb2 import ReturnedUnits
from dealwright.v1.result_pb2 import Result
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from server.runtime.errors import NotReady, Refusal, status_of
from tests.access.calls import token_for
from tests.client.sales import LATTES, lattes, served
from tests.definitions.samples import jakarta_settings, percent_off
from tests.evaluation.requests import latte_request
from tests.operations.proxy import proxy_to

AT = datetime(2026, 11, 21, 8, tzinfo=UTC)
TURNS_SECONDS = 60


@pytest.fixture
def server(database: Engine, definitions: Definitions) -> Iterator[Application]:
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    definitions.publish("kopi", Publication([percent_off("ten", 20)]))
    with served(database) as application:
        yield application


@pytest.fixture
def client(server: Application) -> Iterator[Client]:
    with Client(str(server.grpc_address), timeout=TURNS_SECONDS) as client:
        yield client


@pytest.mark.parametrize("cart", [lattes(), LATTES], ids=["message", "mapping"])
def test_a_cart_is_priced(client: Client, cart: Any) -> None:
    result = client.evaluate(cart, at=AT, language="en")

    assert (result.revision, result.totals.payable_minor) == (2, 4_000_000)
    assert result.verdicts[0].text


def test_bytes_are_priced_as_they_are(client: Client) -> None:
    answer = client.evaluate_bytes(latte_request().SerializeToString())

    assert EvaluateResponse.FromString(answer).result == client.evaluate(lattes(), at=AT)


def test_a_batch_keeps_its_order_and_its_errors(client: Client) -> None:
    carts: list[Any] = [{**LATTES, "id": f"bill-{number}"} for number in range(40)]
    carts[7] = {**LATTES, "currency_code": "XXQ"}

    answers = client.evaluate_batch(carts)

    assert isinstance(answers[7], Invalid)
    priced = [answer for answer in answers if isinstance(answer, Result)]
    assert [result.cart_id for result in priced] == [f"bill-{n}" for n in range(40) if n != 7]


def test_an_explanation_has_traces(client: Client) -> None:
    assert client.explain(lattes(), at="2026-11-21T08:00:00Z").traces[0].promotion_id == "ten"


def test_a_sale_is_refunded_replayed_and_compared(client: Client) -> None:
    result = client.evaluate(lattes(), at=AT)
    sold = sale(lattes(), result)

    refund = client.refund(
        RefundRequest(sale=sold, returned=[ReturnedUnits(line_id="line-0", quantity=1)])
    ).refund
    replayed = client.replay(result.revision, sold.request, result_hash=result.result_hash)
    compared = client.compare(1, 2, lattes(), at=AT)

    assert refund.refund.minor == 2_000_000
    assert replayed.matches
    assert compared.before.totals.payable_minor - compared.after.totals.payable_minor == 500_000


def test_what_is_wrong_is_named(client: Client) -> None:
    with pytest.raises(Invalid) as refused:
        client.evaluate({**LATTES, "currency_code": "XXQ"})

    assert refused.value.violations[0].field == "cart.currency_code"
    assert refused.value.reason == refused.value.violations[0].reason
    with pytest.raises(NotFound) as unknown:
        client.replay(99, latte_request())
    assert (unknown.value.reason, unknown.value.parameters) == ("REVISION_NOT_FOUND", {"revision": "99"})


@pytest.mark.parametrize("cart", [{"linez": []}, {"lines": 5}, EvaluateRequest()])
def test_a_mapping_that_is_no_cart_is_told_before_any_call(cart: Any) -> None:
    with Client("localhost:1") as client, pytest.raises(Invalid, match="cart"):
        client.evaluate(cart)


def test_an_instant_needs_a_zone() -> None:
    with Client("localhost:1") as client, pytest.raises(Invalid, match="time zone"):
        client.evaluate(LATTES, at=datetime(2026, 11, 21))  # noqa: DTZ001 - it is what is refused


def test_definitions_need_a_token(server: Application, client: Client, database: Engine) -> None:
    with pytest.raises(Unauthenticated) as nobody:
        client.definitions.GetPromotion(GetPromotionRequest(promotion_id="ten"))
    assert nobody.value.reason == "TOKEN_REQUIRED"

    token = token_for(database, "vi", Role.VIEWER)
    with Client(str(server.grpc_address), token=token, timeout=TURNS_SECONDS) as viewer:
        _until_known(viewer)
        got = viewer.definitions.GetPromotion(GetPromotionRequest(promotion_id="ten"))
        assert got.record.promotion.percent_discount.percent_off_ppm == 200_000
        with pytest.raises(Denied) as denied:
            viewer.definitions.CreatePromotion(CreatePromotionRequest(promotion=percent_off("x", 1)))
        assert denied.value.reason == "ROLE_MISSING"


async def test_the_client_of_asyncio_does_the_same(server: Application) -> None:
    async with AsyncClient(str(server.grpc_address), timeout=TURNS_SECONDS) as client:
        result = await client.evaluate(LATTES, at=AT)
        raw = await client.evaluate_bytes(latte_request().SerializeToString())
        batch = await client.evaluate_batch([LATTES, {**LATTES, "currency_code": "XXQ"}, LATTES])
        sold = sale(lattes(), result)

        assert EvaluateResponse.FromString(raw).result == result
        assert [type(answer) for answer in batch] == [Result, Invalid, Result]
        assert (await client.explain(LATTES, at=AT)).traces
        assert (await client.replay(2, sold.request, result_hash=result.result_hash)).matches
        assert (await client.compare(1, 2, LATTES, at=AT)).after == result
        refund = await client.refund(RefundRequest(sale=sold))
        assert refund.refund.refund.minor == 0
        with pytest.raises(Unauthenticated):
            await client.definitions.ListRevisions(ListRevisionsRequest())


def test_nobody_there_is_unavailable_and_quick() -> None:
    with Client("127.0.0.1:1", timeout=TURNS_SECONDS) as client, pytest.raises(Unavailable):
        client.evaluate(LATTES)


class Moody(grpc.GenericRpcHandler):
    """A service that fails as it is told, one failure a call, and then answers with its request."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.calls = 0
        self.told: list[dict[str, Any]] = []
        """What came beside each request."""
        self.address = ""
        self.asked, self.released = threading.Event(), threading.Event()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def answer(request: bytes, context: Any) -> bytes:
            self.calls += 1
            self.asked.set()
            self.told.append(dict(context.invocation_metadata()))
            failure = self.failures.pop(0) if self.failures else None
            if isinstance(failure, TimeoutError):
                self.released.wait(TURNS_SECONDS)
            elif failure is not None:
                status = status_of(failure)
                context.set_trailing_metadata(status.trailing_metadata())
                context.abort(status.code, status.message)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def mood() -> Iterator[Moody]:
    mood = Moody()
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[mood])
    mood.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield mood
    mood.released.set()
    server.stop(None).wait()


@pytest.fixture
def moody(mood: Moody) -> Iterator[tuple[Moody, Client]]:
    with Client(mood.address, timeout=TURNS_SECONDS) as client:
        yield mood, client


def test_a_call_is_repeated_until_it_is_answered(moody: tuple[Moody, Client]) -> None:
    mood, client = moody
    mood.failures += [NotReady(), NotReady()]

    assert client.evaluate(LATTES) == Result()
    assert mood.calls == 3


def test_a_call_has_an_id_that_stays_when_it_is_repeated(moody: tuple[Moody, Client]) -> None:
    mood, client = moody
    mood.failures += [NotReady(), NotReady()]
    client.evaluate(LATTES)
    client.evaluate(LATTES)

    ids = [told["x-request-id"] for told in mood.told]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert all("traceparent" not in told for told in mood.told)


def test_a_call_is_part_of_the_trace_that_is_named_or_of_the_current_span(
    moody: tuple[Moody, Client],
) -> None:
    mood, client = moody
    named = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    span = SpanContext(0xAF, 0xB7, is_remote=False, trace_flags=TraceFlags(1))
    with use_span(NonRecordingSpan(span)):
        client.evaluate(LATTES)
        with traced(named):
            client.evaluate(LATTES)
    client.evaluate(LATTES)

    current = f"00-{0xAF:032x}-{0xB7:016x}-01"
    assert [told.get("traceparent") for told in mood.told] == [current, named, None]


def test_a_failure_says_under_which_id_the_service_has_it(database: Engine) -> None:
    with (
        served(database) as application,
        Client(str(application.grpc_address), timeout=TURNS_SECONDS) as client,
        pytest.raises(Unauthenticated) as failed,
    ):
        client.definitions.ListRevisions(ListRevisionsRequest())

    assert len(failed.value.request_id) == 16


def test_a_refusal_is_not_repeated(moody: tuple[Moody, Client]) -> None:
    mood, client = moody
    mood.failures += [Refusal("CLOSED", "the shop is closed", shop="kopi")]

    with pytest.raises(CallFailed, match="closed") as failed:
        client.evaluate(LATTES)
    assert (failed.value.reason, failed.value.parameters, mood.calls) == ("CLOSED", {"shop": "kopi"}, 1)


def test_a_client_that_is_closed_ends_its_calls(moody: tuple[Moody, Client]) -> None:
    mood, client = moody
    mood.failures += [TimeoutError()]
    with futures.ThreadPoolExecutor(1) as threads:
        pending = threads.submit(client.evaluate, LATTES)
        assert mood.asked.wait(TURNS_SECONDS)
        client.close()
        with pytest.raises(Unavailable) as ended:
            pending.result(TURNS_SECONDS)

    assert ended.value.code is grpc.StatusCode.CANCELLED
    assert mood.calls == 1


def test_a_deadline_holds(moody: tuple[Moody, Client]) -> None:
    mood, client = moody
    mood.failures += [TimeoutError()]
    begin = time.monotonic()

    with pytest.raises(DeadlineExceeded):
        client.evaluate(LATTES, timeout=0.2)
    assert time.monotonic() - begin < TURNS_SECONDS / 2
    assert mood.calls == 1


async def test_the_client_of_asyncio_repeats_too(mood: Moody) -> None:
    mood.failures += [NotReady()]

    async with AsyncClient(mood.address, timeout=TURNS_SECONDS) as client:
        assert await client.evaluate(LATTES) == Result()
    assert mood.calls == 2


@pytest.mark.parametrize("refusals", [0, 1, 2])
async def test_a_worker_that_dies_fails_no_call_that_may_be_repeated(
    server: Application, refusals: int
) -> None:
    async def reach() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", server.grpc_address.port)

    async with (
        proxy_to(reach) as network,
        AsyncClient(f"127.0.0.1:{network.port}", timeout=TURNS_SECONDS) as client,
    ):
        for _ in range(3):
            assert (await client.evaluate(lattes(), at=AT)).totals.payable_minor == 4_000_000
            network.reset(refusals)


def _until_known(client: Client) -> None:
    """A new token is known within one refresh."""
    end = time.monotonic() + TURNS_SECONDS
    while True:
        try:
            client.definitions.ListRevisions(ListRevisionsRequest())
        except Unauthenticated:
            assert time.monotonic() < end
            time.sleep(0.02)
        else:
            return
