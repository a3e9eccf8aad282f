"""WebhookService over gRPC, and over HTTP, as administrators use it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1 import webhook_service_pb2 as schema
from dealwright.v1.webhook_service_pb2_grpc import WebhookServiceStub
from google.protobuf.message import Message
from sqlalchemy import Engine, text

from server.actors import Role
from server.events.service import Event, EventType, Webhooks, connected, record
from server.keys.service import Pepper
from server.runtime.settings import Settings
from tests.access.calls import CALL_SECONDS, PEPPER, bearer, reason, serving, token_for
from tests.events.receiver import Receiver, receiving

INSIDE: dict[str, Any] = {"pepper": PEPPER, "webhook_addresses": "any"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


class Administrator:
    """Calls WebhookService with a token."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub: Any = WebhookServiceStub(channel)
        self._metadata = bearer(token)

    async def __call__(self, method: str, request: Message) -> Any:
        return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=CALL_SECONDS)


async def work(engine: Engine) -> None:
    """What a worker does: sends what is due, waits left aside."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE delivery SET next_time = clock_timestamp() WHERE state = 'pending'"))
    webhooks = Webhooks(engine, Pepper(Settings(pepper=PEPPER), engine), inside=True)
    async with connected() as client:
        while await webhooks.deliver(client, lambda _: None):
            pass


def happen(engine: Engine, subject: str, company_id: str = "kopi") -> None:
    with engine.begin() as connection:
        record(connection, company_id, [Event(EventType.BUDGET_LOW, subject)])


async def test_a_receiver_that_fails_and_comes_back_gets_everything(
    database: Engine, receiver: Receiver
) -> None:
    token = token_for(database, "root", Role.ADMIN)
    async with serving(database, **INSIDE) as (_, channel):
        administrator = Administrator(channel, token)
        created = await administrator("CreateWebhook", schema.CreateWebhookRequest(url=receiver.url))
        webhook_id = created.webhook.id
        assert (created.webhook.url, created.webhook.author) == (receiver.url, "root")
        receiver.statuses = [500]
        happen(database, "first")
        await work(database)
        pending = schema.ListDeliveriesRequest(state=schema.DELIVERY_STATE_PENDING)
        (waiting,) = (await administrator("ListDeliveries", pending)).deliveries
        assert (waiting.webhook_id, waiting.type, waiting.attempts, waiting.problem) == (
            *(webhook_id, EventType.BUDGET_LOW),
            *(1, "status 500"),
        )
        assert waiting.next_time.ToDatetime(UTC) > datetime.now(UTC) - timedelta(minutes=1)
        await work(database)
        assert not (await administrator("ListDeliveries", pending)).deliveries
        delivered = schema.ListDeliveriesRequest(state=schema.DELIVERY_STATE_DELIVERED)
        (there,) = (await administrator("ListDeliveries", delivered)).deliveries
        assert (there.event_id, there.attempts) == (waiting.event_id, 2)
        assert not there.HasField("next_time")

        rotated = await administrator(
            "RotateWebhookSecret", schema.RotateWebhookSecretRequest(webhook_id=webhook_id)
        )
        assert rotated.webhook.HasField("rotate_time")
        replay = schema.ReplayEventsRequest(webhook_id=webhook_id)
        replay.begin_time.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
        replay.end_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        assert (await administrator("ReplayEvents", replay)).events == 1
        await work(database)

        named = schema.DisableWebhookRequest(webhook_id=webhook_id)
        assert (await administrator("DisableWebhook", named)).webhook.HasField("disable_time")
        happen(database, "second")
        await work(database)
        (listed,) = (await administrator("ListWebhooks", schema.ListWebhooksRequest())).webhooks
        assert listed.HasField("disable_time")
        enabled = await administrator("EnableWebhook", schema.EnableWebhookRequest(webhook_id=webhook_id))
        assert not enabled.webhook.HasField("disable_time")
        await administrator("DeleteWebhook", schema.DeleteWebhookRequest(webhook_id=webhook_id))
        assert not (await administrator("ListWebhooks", schema.ListWebhooksRequest())).webhooks

    assert [got.event["subject"] for got in receiver.received] == ["first"] * 3
    assert len({got.event["id"] for got in receiver.received}) == 1
    secrets = (created.secret, rotated.secret)
    good = [[got.is_signed_by(secret) for secret in secrets] for got in receiver.received]
    assert good == [[True, False], [True, False], [True, True]]


async def test_where_events_go_is_for_administrators_of_the_company(
    database: Engine, receiver: Receiver
) -> None:
    ours = token_for(database, "root", Role.ADMIN)
    theirs = token_for(database, "root", Role.ADMIN, company_id="teh")
    operator = token_for(database, "otto", Role.OPERATOR, Role.PUBLISHER)
    async with serving(database, **INSIDE) as (_, channel):
        request = schema.CreateWebhookRequest(url=receiver.url)
        webhook = (await Administrator(channel, ours)("CreateWebhook", request)).webhook
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await Administrator(channel, operator)("ListWebhooks", schema.ListWebhooksRequest())
        assert reason(refused.value) == "ROLE_MISSING"
        stranger = Administrator(channel, theirs)
        assert not (await stranger("ListWebhooks", schema.ListWebhooksRequest())).webhooks
        for method, message in (
            ("DeleteWebhook", schema.DeleteWebhookRequest),
            ("RotateWebhookSecret", schema.RotateWebhookSecretRequest),
            ("DisableWebhook", schema.DisableWebhookRequest),
            ("EnableWebhook", schema.EnableWebhookRequest),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stranger(method, message(webhook_id=webhook.id))
            assert (refused.value.code(), reason(refused.value)) == (
                grpc.StatusCode.NOT_FOUND,
                "WEBHOOK_UNKNOWN",
            )
        happen(database, "theirs", company_id="teh")
        await work(database)

    assert receiver.received == []
