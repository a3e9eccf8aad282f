"""dealwright webhook: where events are sent to."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

from admin.cli.acting import acting
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json, say, visible
from server.access.rules import WEBHOOK_SERVICE
from server.actors import Actor
from server.events.service import EventType, Webhooks
from server.keys.service import Pepper
from server.runtime.settings import Settings

group = command_group("webhook", "Say where events are sent to, and send them again.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `dealwright webhook list` shows it.")]
TIMES = ["%Y-%m-%dT%H:%M:%S%z"]


@group.command("create", epilog=EXIT_CODES)
def create(
    url: Annotated[str, typer.Argument(help="Where events are posted to: https, at a public address.")],
    wanted: Annotated[
        list[EventType] | None, typer.Option("--type", help="Only this type. May be repeated.")
    ] = None,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a webhook and print its secret, once: receivers check signatures with it."""
    with _using("CreateWebhook", company) as (webhooks, actor):
        webhook, secret = webhooks.create(actor, url, wanted or ())
    if as_json:
        emit_json({"id": webhook.id, "secret": secret})
        return
    emit(secret)
    say(f"{webhook.id} gets events from now on. The secret isn't shown again.")


@group.command("list", epilog=EXIT_CODES)
def list_webhooks(company: CompanyOption = None) -> None:
    """List webhooks, the oldest first."""
    with _using("ListWebhooks", company) as (webhooks, actor):
        for webhook in webhooks.registered(actor):
            parts = [webhook.id, webhook.url, ", ".join(webhook.types) or "every type"]
            if webhook.disable_time is not None:
                parts.append(f"disabled since {webhook.disable_time.isoformat(timespec='seconds')}")
            emit(visible("  ".join(parts)))


@group.command("rotate-secret", epilog=EXIT_CODES)
def rotate_secret(webhook_id: IdArgument, company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Print a new secret, once. For 24 hours the one before signs too: the receiver can change over."""
    with _using("RotateWebhookSecret", company) as (webhooks, actor):
        _, secret = webhooks.rotate_secret(actor, webhook_id)
    if as_json:
        emit_json({"id": webhook_id, "secret": secret})
        return
    emit(secret)
    say("The secret before is good for 24 hours more. The new one isn't shown again.")


@group.command("disable", epilog=EXIT_CODES)
def disable(webhook_id: IdArgument, company: CompanyOption = None) -> None:
    """Send nothing for a while. What is on its way waits; what happens meanwhile can be replayed."""
    with _using("DisableWebhook", company) as (webhooks, actor):
        webhooks.disable(actor, webhook_id)
    emit(f"{webhook_id} is disabled")


@group.command("enable", epilog=EXIT_CODES)
def enable(webhook_id: IdArgument, company: CompanyOption = None) -> None:
    """Send events again, those first that waited."""
    with _using("EnableWebhook", company) as (webhooks, actor):
        webhooks.enable(actor, webhook_id)
    emit(f"{webhook_id} is enabled")


@group.command("delete", epilog=EXIT_CODES)
def delete(webhook_id: IdArgument, company: CompanyOption = None) -> None:
    """End a webhook. What it hasn't got yet it doesn't get any more."""
    with _using("DeleteWebhook", company) as (webhooks, actor):
        webhooks.delete(actor, webhook_id)
    emit(f"{webhook_id} is deleted")


@group.command("deliveries", epilog=EXIT_CODES)
def deliveries(
    state: Annotated[str, typer.Option(help="pending, delivered or dead.")] = "dead",
    count: Annotated[int, typer.Option(min=1, max=500, help="How many of the newest.")] = 50,
    company: CompanyOption = None,
) -> None:
    """List the newest deliveries in a state."""
    if state not in ("pending", "delivered", "dead"):
        raise typer.BadParameter("--state is pending, delivered or dead")
    with _using("ListDeliveries", company) as (webhooks, actor):
        for each in webhooks.deliveries(actor, state, count):
            when = each.time.isoformat(timespec="seconds")
            parts = [when, each.webhook_id, str(each.event_id), each.type, f"{each.attempts} attempts"]
            emit(visible("  ".join([*parts, each.problem]).rstrip()))


@group.command("replay", epilog=EXIT_CODES)
def replay(
    webhook_id: IdArgument,
    begin: Annotated[
        datetime, typer.Option("--from", formats=TIMES, help="From when, such as 2027-05-01T00:00:00+0700.")
    ],
    end: Annotated[datetime, typer.Option("--to", formats=TIMES, help="Until when, exclusive.")],
    company: CompanyOption = None,
) -> None:
    """Send the events of a time range again, with the same ids."""
    with _using("ReplayEvents", company) as (webhooks, actor):
        emit(f"{webhooks.replay(actor, webhook_id, begin, end)} events")


@contextmanager
def _using(method: str, company: str | None) -> Iterator[tuple[Webhooks, Actor]]:
    """The use cases, and who acts, if they may call a method of WebhookService."""
    with acting(method, company=company, service=WEBHOOK_SERVICE) as (engine, actor):
        settings = Settings.from_environment()
        inside = settings.webhook_addresses == "any"
        yield Webhooks(engine, Pepper(settings, engine), inside=inside), actor
