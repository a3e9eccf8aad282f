"""CheckService over gRPC: what is checked before something comes into force, as clients see it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1 import check_service_pb2 as schema
from dealwright.v1 import definition_service_pb2 as definition_schema
from dealwright.v1.guardrails_pb2 import Guardrails, OnDeviation
from dealwright.v1.lifecycle_pb2 import PromotionTarget
from dealwright.v1.promotion_pb2 import Promotion
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from tests.access.calls import Caller, reason, serving, token_for
from tests.definitions.lunch import lunch
from tests.definitions.samples import jakarta_settings, percent_off
from tests.engine.messages import changed, messages

UNKNOWN: Any = 99

People = dict[str, Caller]


@pytest.fixture
async def people(database: Engine, definitions: Definitions) -> AsyncIterator[People]:
    """Callers of several roles, on one server."""
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))
    roles = {"ann": Role.AUTHOR, "ben": Role.APPROVER, "cara": Role.PUBLISHER, "adam": Role.ADMIN}
    tokens = {name: token_for(database, name, role) for name, role in roles.items()}
    async with serving(database) as (_, channel):
        yield {name: Caller(channel, token) for name, token in tokens.items()}


async def refused(caller: Caller, method: str, request: Message) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await caller(method, request)
    return error.value.code(), reason(error.value)


async def create(people: People, expected: str, test_cart_id: str = "lunch") -> Any:
    request = schema.CreateTestCartRequest(test_cart=lunch(expected, test_cart_id), comment="new")
    return (await people["ann"]("CreateTestCart", request)).record


async def approve(people: People, promotion: Promotion) -> list[PromotionTarget]:
    """A new version of a promotion that may be published."""
    read = await people["ann"](
        "GetPromotion", definition_schema.GetPromotionRequest(promotion_id=promotion.id)
    )
    await people["ann"](
        "UpdatePromotion",
        definition_schema.UpdatePromotionRequest(promotion=promotion, etag=read.record.etag),
    )
    targets = [PromotionTarget(promotion_id=promotion.id)]
    await people["ann"]("SubmitPromotions", definition_schema.SubmitPromotionsRequest(promotions=targets))
    await people["ben"]("ApprovePromotions", definition_schema.ApprovePromotionsRequest(promotions=targets))
    return targets


async def test_a_test_cart_is_written_read_listed_and_deleted(people: People) -> None:
    created = await create(people, "{payable_minor: 4500000}")
    assert (created.version, created.author, created.comment) == (1, "ann", "new")
    assert created.test_cart == lunch("{payable_minor: 4500000}")
    await create(people, "{}", "dinner")
    await create(people, "{}", "supper")

    updated = await people["ann"](
        "UpdateTestCart", schema.UpdateTestCartRequest(test_cart=lunch("{}"), etag=created.etag)
    )
    read = await people["ben"]("GetTestCart", schema.GetTestCartRequest(test_cart_id="lunch"))
    assert updated.record == read.record
    assert read.record.version == 2

    seen, token = [], ""
    while True:
        page = await people["cara"](
            "ListTestCarts", schema.ListTestCartsRequest(page_size=2, page_token=token)
        )
        seen += [record.test_cart.id for record in page.records]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["dinner", "lunch", "supper"]

    await people["ann"](
        "DeleteTestCart", schema.DeleteTestCartRequest(test_cart_id="dinner", comment="no more")
    )
    listed = await people["cara"]("ListTestCarts", schema.ListTestCartsRequest())
    assert [record.test_cart.id for record in listed.records] == ["lunch", "supper"]


async def test_refusals_have_a_status_and_a_stable_reason(people: People) -> None:
    created = await create(people, "{}")
    expected: list[tuple[str, dict[str, Any], grpc.StatusCode, str]] = [
        ("CreateTestCart", {"test_cart": lunch()}, grpc.StatusCode.ALREADY_EXISTS, "TEST_CART_EXISTS"),
        ("UpdateTestCart", {"test_cart": lunch()}, grpc.StatusCode.INVALID_ARGUMENT, "REQUIRED"),
        ("UpdateTestCart", {"test_cart": lunch(), "etag": "1"}, grpc.StatusCode.ABORTED, "STALE"),
        (
            "UpdateTestCart",
            {"test_cart": lunch(test_cart_id="x"), "etag": created.etag},
            grpc.StatusCode.NOT_FOUND,
            "TEST_CART_UNKNOWN",
        ),
        ("GetTestCart", {"test_cart_id": "x"}, grpc.StatusCode.NOT_FOUND, "TEST_CART_UNKNOWN"),
        ("DeleteTestCart", {"test_cart_id": "x"}, grpc.StatusCode.NOT_FOUND, "TEST_CART_UNKNOWN"),
        ("ListTestCarts", {"page_size": 501}, grpc.StatusCode.INVALID_ARGUMENT, "OUT_OF_RANGE"),
        ("RunTestCarts", {"test_cart_ids": ["x"]}, grpc.StatusCode.NOT_FOUND, "TEST_CART_UNKNOWN"),
        ("RunTestCarts", {"promotion_ids": ["x"]}, grpc.StatusCode.NOT_FOUND, "PROMOTION_UNKNOWN"),
        ("AcceptTestCarts", {}, grpc.StatusCode.INVALID_ARGUMENT, "REQUIRED"),
        (
            "SetGuardrails",
            {"guardrails": {"on_deviation": UNKNOWN}},
            grpc.StatusCode.INVALID_ARGUMENT,
            "ENUM_UNKNOWN",
        ),
        ("CreateTestCart", {}, grpc.StatusCode.INVALID_ARGUMENT, "ID_INVALID"),
    ]
    for method, fields, code, why in expected:
        request = getattr(schema, f"{method}Request")(**fields)
        assert await refused(people["adam"], method, request) == (code, why), method
    wanted = Guardrails(on_deviation=OnDeviation.ON_DEVIATION_WARN)
    denied = await refused(people["cara"], "SetGuardrails", schema.SetGuardrailsRequest(guardrails=wanted))
    assert denied == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")


async def test_a_publication_is_refused_shown_and_accepted(people: People) -> None:
    await create(people, "{payable_minor: 4500000}")
    targets = await approve(people, percent_off("a", 20))
    publish: dict[str, Any] = {"promotions": targets}

    request = definition_schema.PublishPromotionsRequest(**publish)
    assert await refused(people["cara"], "PublishPromotions", request) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "TEST_CARTS_DEVIATE",
    )
    dry = await people["cara"](
        "PublishPromotions", definition_schema.PublishPromotionsRequest(**publish, dry_run=True)
    )
    done = await people["cara"](
        "PublishPromotions",
        definition_schema.PublishPromotionsRequest(**publish, accept_deviations="the new prices"),
    )

    assert dry == done
    (outcome,) = done.test_carts
    assert (outcome.test_cart_id, outcome.currency_code) == ("lunch", "IDR")
    assert (outcome.payable_before_minor, outcome.payable_minor) == (4_500_000, 4_000_000)
    (deviation,) = outcome.deviations
    assert (deviation.subject, deviation.expected_minor, deviation.given_minor) == (
        "payable",
        4_500_000,
        4_000_000,
    )
    assert outcome.changes[0] == "IDR 5,000.00 less to pay."


async def test_what_comes_out_is_run_and_accepted(people: People) -> None:
    await create(people, "{payable_minor: 1}")
    ran = await people["ben"]("RunTestCarts", schema.RunTestCartsRequest(promotions=[percent_off("b", 50)]))
    assert (ran.outcomes[0].payable_minor, ran.outcomes[0].HasField("payable_before_minor")) == (
        2_250_000,
        False,
    )
    assert len(ran.outcomes[0].deviations) == 1

    accepted = await people["ann"]("AcceptTestCarts", schema.AcceptTestCartsRequest(test_cart_ids=["lunch"]))
    assert [record.test_cart.expected.payable_minor for record in accepted.records] == [4_500_000]


async def test_findings_come_with_their_cart_and_result(people: People) -> None:
    request = schema.AnalyseRequest(promotions=[percent_off("b", 70)])
    found = await people["ben"]("Analyse", request)

    never_alone, finding = found.findings
    assert never_alone.diagnostic.code == "never_alone"
    assert (finding.diagnostic.code, finding.promotion_ids, found.promotion_count) == (
        "discount_high",
        ["a", "b"],
        1,
    )
    assert finding.result.totals.list_minor == sum(
        line.quantity * line.unit_price_minor for line in finding.request.cart.lines
    )
    assert not (await people["ben"]("Analyse", schema.AnalyseRequest())).findings


async def test_a_submission_says_what_the_drafts_would_do(people: People) -> None:
    read = await people["ann"]("GetPromotion", definition_schema.GetPromotionRequest(promotion_id="a"))
    edit = definition_schema.UpdatePromotionRequest(promotion=percent_off("a", 70), etag=read.record.etag)
    await people["ann"]("UpdatePromotion", edit)

    targets = [PromotionTarget(promotion_id="a")]
    done = await people["ann"](
        "SubmitPromotions", definition_schema.SubmitPromotionsRequest(promotions=targets)
    )

    assert [found.code for found in done.warnings] == ["discount_high"]


async def test_what_goes_beyond_the_guardrails_is_refused_and_a_dry_run_says_why(people: People) -> None:
    wanted = Guardrails(order_discount_max_ppm=150_000)
    await people["adam"]("SetGuardrails", schema.SetGuardrailsRequest(guardrails=wanted))
    publish: dict[str, Any] = {"promotions": await approve(people, percent_off("a", 20))}

    refusal = await refused(
        people["cara"], "PublishPromotions", definition_schema.PublishPromotionsRequest(**publish)
    )
    dry = await people["cara"](
        "PublishPromotions", definition_schema.PublishPromotionsRequest(**publish, dry_run=True)
    )

    assert refusal == (grpc.StatusCode.INVALID_ARGUMENT, "ORDER_DISCOUNT_ABOVE")
    assert [found.code for found in dry.warnings] == ["order_discount_above"]
    pause = definition_schema.PausePromotionsRequest(**publish)
    assert (await people["adam"]("PausePromotions", pause)).revision == 2


@pytest.mark.parametrize(
    ("guardrails", "code", "field"),
    [
        ({"order_discount_max_ppm": 1_000_001}, "OUT_OF_RANGE", "guardrails.order_discount_max_ppm"),
        ({"margin_min_ppm": -1}, "OUT_OF_RANGE", "guardrails.margin_min_ppm"),
        (
            {"line_discount_max": [{"currency_code": "XXX", "minor": 1}]},
            "CURRENCY_UNKNOWN",
            "guardrails.line_discount_max[0].currency_code",
        ),
        (
            {"order_discount_max": [{"currency_code": "IDR"}, {"currency_code": "IDR"}]},
            "DUPLICATE",
            "guardrails.order_discount_max[1].currency_code",
        ),
    ],
)
async def test_guardrails_that_mean_nothing_are_refused(
    people: People, guardrails: dict[str, Any], code: str, field: str
) -> None:
    request = schema.SetGuardrailsRequest(guardrails=Guardrails(**guardrails))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await people["adam"]("SetGuardrails", request)
    assert reason(error.value) == code
    assert field in (error.value.details() or "")


async def test_guardrails_are_set_and_read(people: People) -> None:
    wanted = Guardrails(on_deviation=OnDeviation.ON_DEVIATION_WARN)
    answered = await people["adam"]("SetGuardrails", schema.SetGuardrailsRequest(guardrails=wanted))
    read = await people["ann"]("GetGuardrails", schema.GetGuardrailsRequest())
    assert read.guardrails == answered.guardrails == wanted


async def test_no_request_makes_an_internal_error(people: People) -> None:
    sensible: dict[str, Message] = {
        "CreateTestCart": schema.CreateTestCartRequest(test_cart=lunch()),
        "UpdateTestCart": schema.UpdateTestCartRequest(test_cart=lunch(), etag="1"),
        "GetTestCart": schema.GetTestCartRequest(test_cart_id="lunch"),
        "ListTestCarts": schema.ListTestCartsRequest(page_size=3, page_token="a"),
        "DeleteTestCart": schema.DeleteTestCartRequest(test_cart_id="lunch", etag="2"),
        "RunTestCarts": schema.RunTestCartsRequest(test_cart_ids=["lunch"], promotions=[percent_off("b", 5)]),
        "AcceptTestCarts": schema.AcceptTestCartsRequest(test_cart_ids=["lunch"], promotion_ids=["a"]),
        "Analyse": schema.AnalyseRequest(promotion_ids=["a"], promotions=[percent_off("b", 70)]),
        "SetGuardrails": schema.SetGuardrailsRequest(guardrails=Guardrails()),
    }
    service = schema.DESCRIPTOR.services_by_name["CheckService"]
    # One has nothing that could be odd.
    assert set(sensible) == set(service.methods_by_name) - {"GetGuardrails"}
    odd: list[tuple[str, Message]] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(sensible)))
        odd.append((name, data.draw(changed(sensible[name]) | messages(type(sensible[name])))))

    collect()
    await create(people, "{}")
    broken = []
    for name, request in odd:
        try:
            await people["adam"](name, request)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                broken.append(f"{name} {error.details()} {request}")

    assert odd
    assert broken == []
