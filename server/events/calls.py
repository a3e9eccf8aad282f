"""The methods of WebhookService: messages to use cases, and what they give back to messages."""

from dealwright.v1 import webhook_service_pb2 as schema
from google.protobuf.message import Message

from server.actors import Actor
from server.events.service import DELIVERIES_MAX, Webhooks
from server.events.store import Delivery, Webhook
from server.runtime import paging
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid
from server.runtime.instants import instant, timestamp

STATES = {
    "pending": schema.DELIVERY_STATE_PENDING,
    "delivered": schema.DELIVERY_STATE_DELIVERED,
    "dead": schema.DELIVERY_STATE_DEAD,
}


def use_cases(webhooks: Webhooks) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = WebhookCalls(webhooks)
    return {
        "CreateWebhook": calls.create,
        "ListWebhooks": calls.list,
        "DeleteWebhook": calls.delete,
        "RotateWebhookSecret": calls.rotate_secret,
        "DisableWebhook": calls.disable,
        "EnableWebhook": calls.enable,
        "ListDeliveries": calls.deliveries,
        "ReplayEvents": calls.replay,
    }


class WebhookCalls:
    """What each method does."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def create(self, actor: Actor, request: schema.CreateWebhookRequest) -> Message:
        webhook, secret = self._webhooks.create(actor, request.url, request.types)
        return schema.CreateWebhookResponse(webhook=_webhook(webhook), secret=secret)

    def list(self, actor: Actor, _: schema.ListWebhooksRequest) -> Message:
        return schema.ListWebhooksResponse(webhooks=map(_webhook, self._webhooks.registered(actor)))

    def delete(self, actor: Actor, request: schema.DeleteWebhookRequest) -> Message:
        self._webhooks.delete(actor, request.webhook_id)
        return schema.DeleteWebhookResponse()

    def rotate_secret(self, actor: Actor, request: schema.RotateWebhookSecretRequest) -> Message:
        webhook, secret = self._webhooks.rotate_secret(actor, request.webhook_id)
        return schema.RotateWebhookSecretResponse(webhook=_webhook(webhook), secret=secret)

    def disable(self, actor: Actor, request: schema.DisableWebhookRequest) -> Message:
        webhook = self._webhooks.disable(actor, request.webhook_id)
        return schema.DisableWebhookResponse(webhook=_webhook(webhook))

    def enable(self, actor: Actor, request: schema.EnableWebhookRequest) -> Message:
        webhook = self._webhooks.enable(actor, request.webhook_id)
        return schema.EnableWebhookResponse(webhook=_webhook(webhook))

    def deliveries(self, actor: Actor, request: schema.ListDeliveriesRequest) -> Message:
        names = {value: name for name, value in STATES.items()}
        wanted = request.state or schema.DELIVERY_STATE_DEAD
        if wanted not in names:
            raise Invalid("ENUM_UNKNOWN", f"{wanted} is no value that this version knows", field="state")
        size = paging.size(request.page_size, 50, DELIVERIES_MAX)
        found = self._webhooks.deliveries(actor, names[wanted], size)
        return schema.ListDeliveriesResponse(deliveries=map(_delivery, found))

    def replay(self, actor: Actor, request: schema.ReplayEventsRequest) -> Message:
        for field in ("begin_time", "end_time"):
            if not request.HasField(field):
                raise Invalid("REQUIRED", f"{field} is required", field=field)
        begin, end = instant(request.begin_time, "begin_time"), instant(request.end_time, "end_time")
        return schema.ReplayEventsResponse(
            events=self._webhooks.replay(actor, request.webhook_id, begin, end)
        )


def _webhook(kept: Webhook) -> schema.Webhook:
    return schema.Webhook(
        id=kept.id,
        url=kept.url,
        types=kept.types,
        author=kept.author,
        create_time=timestamp(kept.create_time),
        rotate_time=timestamp(kept.rotate_time),
        disable_time=timestamp(kept.disable_time),
    )


def _delivery(kept: Delivery) -> schema.Delivery:
    return schema.Delivery(
        webhook_id=kept.webhook_id,
        event_id=str(kept.event_id),
        type=kept.type,
        event_time=timestamp(kept.time),
        state=STATES[kept.state],
        attempts=kept.attempts,
        next_time=timestamp(kept.next_time) if kept.state == "pending" else None,
        problem=kept.problem,
    )
