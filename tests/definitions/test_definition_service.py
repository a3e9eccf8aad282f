"""DefinitionService over gRPC: the life of a promotion as clients see it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1 import definition_service_pb2 as schema
from dealwright.v1 import lifecycle_pb2 as life
from dealwright.v1.attribute_pb2 import Attribute
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import Reason
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.calls import ACTIONS
from server.definitions.service import Definitions, Publication
from tests.access.calls import Caller, reason, serving, token_for
from tests.definitions.samples import jakarta_settings, percent_off
from tests.engine.messages import changed, messages
from tests.evaluation.requests import latte_request

UNKNOWN_STATE: Any = 99

People = dict[str, Caller]


@pytest.fixture
async def people(database: Engine, definitions: Definitions) -> AsyncIterator[People]:
    """Callers of several roles, on one server."""
    definitions.publish("kopi", Publication([percent_off("old", 5)], settings=jakarta_settings()))
    roles = {
        "ann": [Role.AUTHOR],
        "ben": [Role.APPROVER],
        "cara": [Role.PUBLISHER],
        "otto": [Role.OPERATOR],
        "vera": [Role.VIEWER],
        "adam": [Role.ADMIN],
    }
    tokens = {name: token_for(database, name, *which) for name, which in roles.items()}
    async with serving(database) as (_, channel):
        yield {name: Caller(channel, token) for name, token in tokens.items()}


def target(promotion_id: str, etag: str = "") -> list[life.PromotionTarget]:
    return [life.PromotionTarget(promotion_id=promotion_id, etag=etag)]


async def publish(people: People, promotion: Promotion) -> Any:
    """A promotion from the first draft into force."""
    await people["ann"]("CreatePromotion", schema.CreatePromotionRequest(promotion=promotion))
    one = target(promotion.id)
    await people["ann"]("SubmitPromotions", schema.SubmitPromotionsRequest(promotions=one))
    await people["ben"]("ApprovePromotions", schema.ApprovePromotionsRequest(promotions=one))
    return await people["cara"]("PublishPromotions", schema.PublishPromotionsRequest(promotions=one))


async def refused(caller: Caller, method: str, request: Message) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await caller(method, request)
    return error.value.code(), reason(error.value), error.value.details() or ""


async def test_a_promotion_goes_from_draft_into_force(people: People, definitions: Definitions) -> None:
    created = await people["ann"](
        "CreatePromotion",
        schema.CreatePromotionRequest(promotion=percent_off("ten", 10), comment="for the weekend"),
    )
    assert created.record.promotion == percent_off("ten", 10)
    assert (created.record.version, created.record.author) == (1, "ann")
    assert created.record.comment == "for the weekend"
    assert created.record.state == life.PROMOTION_STATE_DRAFT

    etag = created.record.etag
    await people["ann"]("SubmitPromotions", schema.SubmitPromotionsRequest(promotions=target("ten", etag)))
    await people["ben"]("ApprovePromotions", schema.ApprovePromotionsRequest(promotions=target("ten")))
    dry = await people["cara"](
        "PublishPromotions", schema.PublishPromotionsRequest(promotions=target("ten"), dry_run=True)
    )
    assert definitions.head_revision("kopi") == 1
    done = await people["cara"](
        "PublishPromotions", schema.PublishPromotionsRequest(promotions=target("ten"), comment="go")
    )

    assert dry == done
    assert done.revision == 2
    assert [sentence for found in done.differences for sentence in found.sentences] == [
        "promotion ten is added"
    ]
    found = await people["vera"]("GetPromotion", schema.GetPromotionRequest(promotion_id="ten"))
    assert found.record.state == life.PROMOTION_STATE_ACTIVE
    assert found.record.published_version == 1
    history = await people["vera"]("ListHistory", schema.ListHistoryRequest(promotion_id="ten"))
    assert [(entry.actor, entry.action) for entry in history.entries] == [
        ("ann", "create"),
        ("ann", "submit"),
        ("ben", "approve"),
        ("cara", "publish"),
    ]
    assert all("127.0.0.1" in entry.source for entry in history.entries)
    revisions = await people["vera"]("ListRevisions", schema.ListRevisionsRequest(page_size=1))
    assert [(found.revision, found.author, found.comment) for found in revisions.revisions] == [
        (2, "cara", "go")
    ]
    rest = schema.ListRevisionsRequest(page_token=revisions.next_page_token)
    assert [found.revision for found in (await people["vera"]("ListRevisions", rest)).revisions] == [1]


async def test_a_stale_edit_is_aborted_with_who_and_what(people: People) -> None:
    created = await people["ann"](
        "CreatePromotion", schema.CreatePromotionRequest(promotion=percent_off("ten", 10))
    )
    request = schema.UpdatePromotionRequest(promotion=percent_off("ten", 20), etag=created.record.etag)
    updated = await people["adam"]("UpdatePromotion", request)
    assert [found.sentences[-1] for found in updated.differences] == [
        "promotion ten: percent discount, percent off: 10 % becomes 20 %"
    ]

    request.promotion.CopyFrom(percent_off("ten", 30))
    code, why, details = await refused(people["ann"], "UpdatePromotion", request)

    assert (code, why) == (grpc.StatusCode.ABORTED, "STALE")
    assert "adam: update as version 2" in details
    assert "percent off: 10 % becomes 20 %" in details


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        ("GetPromotion", schema.GetPromotionRequest(promotion_id="none"), "NOT_FOUND PROMOTION_UNKNOWN"),
        (
            "GetPromotion",
            schema.GetPromotionRequest(promotion_id="old", version=7),
            "NOT_FOUND VERSION_UNKNOWN",
        ),
        (
            "GetPromotion",
            schema.GetPromotionRequest(promotion_id="\0"),
            "INVALID_ARGUMENT VALUE_UNSTORABLE",
        ),
        ("ListPromotions", schema.ListPromotionsRequest(page_size=501), "INVALID_ARGUMENT OUT_OF_RANGE"),
        (
            "ListPromotions",
            schema.ListPromotionsRequest(states=[UNKNOWN_STATE]),
            "INVALID_ARGUMENT ENUM_UNKNOWN",
        ),
        ("ListHistory", schema.ListHistoryRequest(promotion_id="none"), "NOT_FOUND PROMOTION_UNKNOWN"),
        (
            "ListHistory",
            schema.ListHistoryRequest(promotion_id="old", page_token="x"),
            "INVALID_ARGUMENT NOT_GIVEN_OUT",
        ),
        (
            "CreatePromotion",
            schema.CreatePromotionRequest(promotion=percent_off("old", 5)),
            "ALREADY_EXISTS PROMOTION_EXISTS",
        ),
        ("CreatePromotion", schema.CreatePromotionRequest(), "INVALID_ARGUMENT REQUIRED"),
        (
            "UpdatePromotion",
            schema.UpdatePromotionRequest(promotion=percent_off("old", 6)),
            "INVALID_ARGUMENT REQUIRED",
        ),
        (
            "UpdatePromotion",
            schema.UpdatePromotionRequest(promotion=percent_off("none", 6), etag="1"),
            "NOT_FOUND PROMOTION_UNKNOWN",
        ),
        (
            "PublishPromotions",
            schema.PublishPromotionsRequest(promotions=target("old")),
            "FAILED_PRECONDITION WRONG_STATE",
        ),
        ("PublishPromotions", schema.PublishPromotionsRequest(), "INVALID_ARGUMENT REQUIRED"),
        (
            "PausePromotions",
            schema.PausePromotionsRequest(promotions=target("old", "abc")),
            "INVALID_ARGUMENT NOT_GIVEN_OUT",
        ),
        ("Rollback", schema.RollbackRequest(revision=9), "NOT_FOUND REVISION_NOT_FOUND"),
        ("Diff", schema.DiffRequest(older=-1), "NOT_FOUND REVISION_NOT_FOUND"),
        ("Preview", schema.PreviewRequest(), "INVALID_ARGUMENT REQUIRED"),
    ],
)
async def test_refusals_have_a_status_and_a_stable_reason(
    people: People, method: str, request_: Message, expected: str
) -> None:
    code, why, _ = await refused(people["adam"], method, request_)
    assert f"{code.name} {why}" == expected


async def test_pausing_is_for_operators_and_approving_ones_own_work_for_nobody(people: People) -> None:
    await people["adam"]("CreatePromotion", schema.CreatePromotionRequest(promotion=percent_off("a", 10)))
    await people["adam"]("SubmitPromotions", schema.SubmitPromotionsRequest(promotions=target("a")))
    code, why, _ = await refused(
        people["adam"], "ApprovePromotions", schema.ApprovePromotionsRequest(promotions=target("a"))
    )
    assert (code, why) == (grpc.StatusCode.PERMISSION_DENIED, "OWN_WORK")
    pause = schema.PausePromotionsRequest(promotions=target("old"))
    assert (await refused(people["ann"], "PausePromotions", pause))[1] == "ROLE_MISSING"
    assert (await people["otto"]("PausePromotions", pause)).revision == 2


async def test_lists_filter_search_and_continue(people: People) -> None:
    labelled = percent_off("coffee-week", 10)
    labelled.labels.add(name="owner", text="marketing")
    labelled.description.add(language="en", text="Kopi susu in the morning")
    await publish(people, labelled)
    for number in range(5):
        await people["ann"](
            "CreatePromotion", schema.CreatePromotionRequest(promotion=percent_off(f"draft-{number}", 10))
        )

    async def ids(**wanted: Any) -> list[str]:
        found: list[str] = []
        request = schema.ListPromotionsRequest(page_size=2, **wanted)
        while True:
            page = await people["vera"]("ListPromotions", request)
            assert len(page.records) <= 2
            found += [record.promotion.id for record in page.records]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    drafts = [f"draft-{number}" for number in range(5)]
    assert await ids() == ["coffee-week", *drafts, "old"]
    assert await ids(states=[life.PROMOTION_STATE_ACTIVE]) == ["coffee-week", "old"]
    assert await ids(reviews=[life.REVIEW_STATE_DRAFT]) == drafts
    assert await ids(search="susu morn") == ["coffee-week"]
    assert await ids(search="market") == ["coffee-week"]
    assert await ids(search="susu evening") == []
    assert await ids(search="'); DROP TABLE promotion; --") == []
    assert await ids(search="& | ! ( ) : *") == []
    assert await ids(labels=[Attribute(name="owner", text="marketing")]) == ["coffee-week"]
    assert await ids(labels=[Attribute(name="owner", text="sales")]) == []
    assert await ids(types=["percent_discount"]) == ["coffee-week", *drafts, "old"]
    assert await ids(types=["combo"]) == []


async def test_a_preview_prices_with_drafts_and_changes_nothing(
    people: People, definitions: Definitions
) -> None:
    await people["ann"]("CreatePromotion", schema.CreatePromotionRequest(promotion=percent_off("ten", 10)))
    asked = latte_request()
    request = schema.PreviewRequest(cart=asked.cart, evaluate_time=asked.evaluate_time)

    before = await people["vera"]("Preview", request)
    request.promotion_ids.append("ten")
    with_draft = await people["vera"]("Preview", request)
    request.promotions.add().CopyFrom(percent_off("ten", 40))
    unsaved = await people["vera"]("Preview", request)
    request.alone = True
    alone = await people["vera"]("Preview", request)

    discounts = [found.result.totals.discount_minor for found in (before, with_draft, unsaved, alone)]
    assert discounts == [250_000, 725_000, 2_150_000, 2_000_000]
    assert [trace.promotion_id for trace in alone.traces] == ["ten"]
    assert {verdict.promotion_id: verdict.reason for verdict in alone.result.verdicts} == {
        "ten": Reason.REASON_APPLIED
    }
    assert definitions.head_revision("kopi") == 1
    assert definitions.ruleset("kopi").promotions[0].id == "old"


async def test_validating_says_everything_and_saves_nothing(people: People) -> None:
    too_much = percent_off("new", 10)
    too_much.percent_discount.percent_off_ppm = 2_000_000
    answer = await people["vera"]("ValidatePromotion", schema.ValidatePromotionRequest(promotion=too_much))
    assert [found.field for found in answer.diagnostics] == ["percent_discount.percent_off_ppm"]
    assert (await people["vera"]("ListPromotions", schema.ListPromotionsRequest(search="new"))).records == []


async def test_revisions_and_versions_are_compared_in_fields_and_words(people: People) -> None:
    await publish(people, percent_off("ten", 10))
    old = await people["vera"]("GetPromotion", schema.GetPromotionRequest(promotion_id="old"))
    await people["ann"](
        "UpdatePromotion",
        schema.UpdatePromotionRequest(promotion=percent_off("old", 7), etag=old.record.etag),
    )

    revisions = await people["vera"]("Diff", schema.DiffRequest(older=1))
    versions = await people["vera"]("Diff", schema.DiffRequest(promotion_id="old", older=1))

    assert [(found.subject_id, found.kind) for found in revisions.differences] == [
        ("ten", life.DIFFERENCE_KIND_ADDED)
    ]
    (difference,) = versions.differences
    fields = {field.path: (field.before, field.after) for field in difference.fields}
    assert fields == {
        "name[en].text": ('"5 % off"', '"7 % off"'),
        "percent_discount.percent_off_ppm": ("50000", "70000"),
    }


async def test_going_back(people: People, definitions: Definitions) -> None:
    await publish(people, percent_off("ten", 10))
    done = await people["cara"]("Rollback", schema.RollbackRequest(revision=1, comment="no"))
    assert (done.revision, [found.sentences for found in done.differences]) == (
        3,
        [["promotion ten is removed"]],
    )
    assert [promotion.id for promotion in definitions.ruleset("kopi").promotions] == ["old"]


def test_every_action_has_its_method() -> None:
    service = schema.DESCRIPTOR.services_by_name["DefinitionService"]
    assert set(ACTIONS) <= set(service.methods_by_name)


SERVICE = schema.DESCRIPTOR.services_by_name["DefinitionService"]


async def test_no_request_makes_an_internal_error(people: People) -> None:
    """Odd requests to every method; what is wrong with them is said, and nothing breaks."""
    created = schema.CreatePromotionRequest(promotion=percent_off("new", 10), comment="new")
    created.promotion.schedule.start_time.FromJsonString("2026-11-21T08:00:00Z")
    created.promotion.schedule.end_date = "2026-12-31"
    asked = latte_request()
    sensible: dict[str, Message] = {
        "CreatePromotion": created,
        "UpdatePromotion": schema.UpdatePromotionRequest(promotion=percent_off("old", 6), etag="2"),
        "GetPromotion": schema.GetPromotionRequest(promotion_id="old", version=1),
        "ListPromotions": schema.ListPromotionsRequest(search="old", labels=[Attribute(name="a", text="b")]),
        "ValidatePromotion": schema.ValidatePromotionRequest(promotion=percent_off("old", 6)),
        "Preview": schema.PreviewRequest(
            promotion_ids=["old"], cart=asked.cart, promotions=[created.promotion], language="en"
        ),
        "Rollback": schema.RollbackRequest(revision=1, comment="back", dry_run=True),
        "Diff": schema.DiffRequest(promotion_id="old", older=1, newer=1),
        "ListHistory": schema.ListHistoryRequest(promotion_id="old", page_token="9"),
        "ListRevisions": schema.ListRevisionsRequest(page_token="9"),
        **{
            name: getattr(schema, f"{name}Request")(promotions=target("old", "2"), comment="why")
            for name in ACTIONS
        },
    }
    assert set(sensible) == set(SERVICE.methods_by_name)
    odd: list[tuple[str, Message]] = []

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(sensible)))
        odd.append((name, data.draw(changed(sensible[name]) | messages(type(sensible[name])))))

    collect()
    broken = []
    for name, request in odd:
        try:
            await people["adam"](name, request)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                broken.append(f"{name} {error.details()} {request}")

    assert odd
    assert broken == []
