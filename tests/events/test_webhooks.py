"""Events: told when their transaction commits, at least once, signed, and never to a place inside."""

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dealwright.v1.webhook_service_pb2 import ReplayEventsRequest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Engine, text

from server.audit.service import Audit
from server.definitions.service import Definitions, Publication
from server.events import service
from server.events.addresses import Forbidden, checked_url, is_public, resolved
from server.events.calls import use_cases
from server.events.service import ATTEMPTS_MAX, Event, EventType, Webhooks, connected, record, wait_after
from server.keys.service import Pepper
from server.runtime.errors import Invalid, Refusal, Unknown
from server.runtime.settings import Settings
from server.vouchers.service import BatchSpec, Vouchers
from tests.access.calls import PEPPER, owner
from tests.definitions.samples import percent_off
from tests.events.receiver import Receiver, receiving
from tests.operations.processes import running
from tests.vouchers.conftest import SPRING, make_promotions

ANN = owner()
WAIT_SECONDS = 60.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def webhooks(database: Engine) -> Webhooks:
    Definitions(database).create_company(ANN)
    return Webhooks(database, Pepper(Settings(pepper=PEPPER), database), inside=True)


def happen(engine: Engine, *subjects: str, company_id: str = "kopi") -> None:
    with engine.begin() as connection:
        record(connection, company_id, [Event(EventType.BUDGET_LOW, each, {"left": 5}) for each in subjects])


async def deliver(webhooks: Webhooks) -> Counter[str]:
    """Delivers all that is due, and says what became of it."""
    outcomes: Counter[str] = Counter()
    async with connected() as client:
        while await webhooks.deliver(client, lambda outcome: outcomes.update([outcome])):
            pass
    return outcomes


def due_now(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE delivery SET next_time = clock_timestamp() WHERE state = 'pending'"))


def subjects(receiver: Receiver) -> list[str]:
    return sorted(json.loads(each.body)["subject"] for each in receiver.received)


async def test_an_event_arrives_as_a_signed_cloud_event(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhook, secret = webhooks.create(ANN, receiver.url)
    happen(database, "spring")

    assert await deliver(webhooks) == {"delivered": 1}
    (got,) = receiver.received
    event = got.event
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert got.is_signed_by(secret)
    assert not got.is_signed_by("whsec_" + base64.b64encode(bytes(32)).decode())
    assert headers["webhook-signature"].startswith("v1,")
    assert headers["webhook-id"] == event["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < WAIT_SECONDS
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["host"] == receiver.url.split("/")[2]
    assert {**event, "id": "", "time": ""} == {
        "specversion": "1.0",
        "id": "",
        "source": "/dealwright/kopi",
        "type": "dealwright.budget.low",
        "subject": "spring",
        "time": "",
        "datacontenttype": "application/json",
        "data": {"left": 5},
    }
    assert [each.webhook_id for each in webhooks.deliveries(ANN, "delivered")] == [webhook.id]
    assert await deliver(webhooks) == {}


async def test_what_rolls_back_is_never_told(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhooks.create(ANN, receiver.url)
    with database.connect() as connection, connection.begin() as transaction:
        record(connection, "kopi", [Event(EventType.BUDGET_LOW, "spring")])
        transaction.rollback()

    assert await deliver(webhooks) == {}


async def test_each_webhook_gets_its_types_of_its_company(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    Definitions(database).create_company(owner("teh"))
    webhooks.create(ANN, receiver.url, [EventType.BUDGET_LOW])
    webhooks.create(ANN, receiver.url, [EventType.VOUCHERS_CREATED])
    happen(database, "ours")
    happen(database, "theirs", company_id="teh")

    assert await deliver(webhooks) == {"delivered": 1}
    assert subjects(receiver) == ["ours"]


async def test_what_fails_is_tried_again_with_the_same_id(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhooks.create(ANN, receiver.url)
    receiver.statuses = [500, 302]
    receiver.location = receiver.url + "/elsewhere"
    happen(database, "spring")
    first = await deliver(webhooks)
    (waiting,) = webhooks.deliveries(ANN, "pending")
    due_now(database)
    second = await deliver(webhooks)
    due_now(database)
    third = await deliver(webhooks)

    assert (first, second, third) == ({"failed": 1}, {"failed": 1}, {"delivered": 1})
    assert (waiting.attempts, waiting.problem) == (1, "status 500")
    assert len(receiver.received) == 3
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


async def test_after_the_last_attempt_it_is_dead_until_it_is_replayed(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhook, _ = webhooks.create(ANN, receiver.url)
    happen(database, "spring")
    receiver.statuses = [503] * 2
    await deliver(webhooks)
    with database.begin() as connection:
        connection.execute(text(f"UPDATE delivery SET attempts = {ATTEMPTS_MAX - 1}"))
    due_now(database)

    assert await deliver(webhooks) == {"dead": 1}
    assert [each.attempts for each in webhooks.deliveries(ANN, "dead")] == [ATTEMPTS_MAX]
    now = datetime.now(UTC)
    assert webhooks.replay(ANN, webhook.id, now - timedelta(hours=1), now + timedelta(hours=1)) == 1
    assert webhooks.replay(ANN, webhook.id, now + timedelta(hours=1), now + timedelta(hours=2)) == 0
    assert await deliver(webhooks) == {"delivered": 1}
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


async def test_a_webhook_that_does_not_answer_holds_up_no_other(
    webhooks: Webhooks, database: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine the first retries would be due before the last event was tried.
    monkeypatch.setattr(service, "FIRST_WAIT", timedelta(hours=1))
    webhooks.create(ANN, "http://127.0.0.1:1/nobody")
    webhooks.create(ANN, receiver.url)
    happen(database, *map(str, range(30)))

    assert await deliver(webhooks) == {"delivered": 30, "failed": 30}
    assert len(set(subjects(receiver))) == 30


async def test_what_is_claimed_and_not_settled_is_tried_again_after_the_lease(
    webhooks: Webhooks, database: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.create(ANN, receiver.url)
    happen(database, "spring")
    # What a process leaves that is killed between sending and noting it.
    monkeypatch.setattr(webhooks, "_settle", lambda *_: None)
    await deliver(webhooks)
    monkeypatch.undo()
    assert await deliver(webhooks) == {}
    due_now(database)

    assert await deliver(webhooks) == {"delivered": 1}
    assert len(receiver.received) == 2
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


async def test_a_deleted_webhook_gets_nothing_more(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhook, _ = webhooks.create(ANN, receiver.url)
    happen(database, "spring")
    webhooks.delete(ANN, webhook.id)

    assert await deliver(webhooks) == {}
    assert webhooks.registered(ANN) == []
    with pytest.raises(Unknown):
        webhooks.delete(ANN, webhook.id)
    with pytest.raises(Unknown):
        webhooks.replay(ANN, webhook.id, datetime.now(UTC), datetime.now(UTC) + timedelta(1))


def test_what_is_no_instant_is_refused(webhooks: Webhooks) -> None:
    some, never = Timestamp(seconds=1), Timestamp(nanos=-1)
    for field, request in (
        ("begin_time", ReplayEventsRequest(begin_time=never, end_time=some)),
        ("end_time", ReplayEventsRequest(begin_time=some, end_time=never)),
    ):
        with pytest.raises(Invalid) as refused:
            use_cases(webhooks)["ReplayEvents"](ANN, request)
        assert (refused.value.reason, refused.value.field) == ("DATE_INVALID", field)


async def test_publishing_and_making_codes_are_events(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    make_promotions(database)
    webhooks.create(ANN, receiver.url)
    Definitions(database).publish("kopi", Publication([percent_off("a", 10)]))
    vouchers = Vouchers(database, Pepper(Settings(pepper=PEPPER), database))
    batch = vouchers.create_batch(ANN, BatchSpec(SPRING, quantity=3))
    list(vouchers.make("kopi", batch.id))
    list(vouchers.make("kopi", batch.id))

    assert await deliver(webhooks) == {"delivered": 2}
    told = {event["type"]: event["data"] for event in (json.loads(each.body) for each in receiver.received)}
    assert told == {
        "dealwright.ruleset.published": {"revision": 1, "action": "publish_directly", "promotion_ids": ["a"]},
        "dealwright.vouchers.created": {"batch_id": batch.id, "promotion_id": SPRING, "quantity": 3},
    }


@pytest.mark.process
def test_a_killed_worker_loses_nothing(
    webhooks: Webhooks, database: Engine, database_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    webhooks.create(ANN, receiver.url)
    settings = {
        "DEALWRIGHT_DATABASE_URL": database_url,
        "DEALWRIGHT_DATA_DIR": str(tmp_path),
        "DEALWRIGHT_PEPPER": PEPPER,
        "DEALWRIGHT_WEBHOOK_ADDRESSES": "any",
    }
    wanted = [str(number) for number in range(200)]
    happen(database, *wanted)
    with running("worker", **settings) as (process, _):
        until(lambda: len(receiver.received) >= 20)
        process.kill()
        process.wait(timeout=WAIT_SECONDS)
    due_now(database)
    with running("worker", **settings):
        until(lambda: set(subjects(receiver)) == set(wanted))

    ids = Counter(each.headers["webhook-id"] for each in receiver.received)
    assert len(ids) == 200
    # At least once: what was on its way when the worker died may come twice, with its id.
    assert sum(ids.values()) - 200 <= service.AT_ONCE


def until(holds: object) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_old_events_are_deleted_once_they_are_delivered(
    webhooks: Webhooks, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FORGET_COUNT", 2)
    webhooks.create(ANN, "http://127.0.0.1:1/nobody")
    happen(database, "pending", "new", *map(str, range(5)))
    with database.begin() as connection:
        connection.execute(text("UPDATE event SET time = time - interval '31 days' WHERE subject <> 'new'"))
        connection.execute(text("UPDATE event SET assigned = true"))
        connection.execute(
            text(
                "INSERT INTO delivery (webhook_id, event_id)"
                " SELECT webhook.id, event.id FROM webhook, event WHERE subject = 'pending'"
            )
        )

    assert (webhooks.clean_up(), webhooks.clean_up()) == (5, 0)
    with database.connect() as connection:
        left = connection.scalars(text("SELECT subject FROM event ORDER BY 1")).all()
    assert left == ["new", "pending"]


async def test_for_a_day_the_secret_before_signs_too(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhook, first = webhooks.create(ANN, receiver.url)
    _, second = webhooks.rotate_secret(ANN, webhook.id)
    happen(database, "a")
    await deliver(webhooks)
    _, third = webhooks.rotate_secret(ANN, webhook.id)
    happen(database, "b")
    await deliver(webhooks)
    with database.begin() as connection:
        connection.execute(text("UPDATE webhook SET rotate_time = rotate_time - interval '24 hours'"))
    happen(database, "c")
    await deliver(webhooks)

    good = [[got.is_signed_by(secret) for secret in (first, second, third)] for got in receiver.received]
    assert good == [[True, True, False], [False, True, True], [False, False, True]]
    assert [entry.action for entry in Audit(database).entries("kopi")][-2:] == ["rotate_secret"] * 2


async def test_a_disabled_webhook_rests_until_it_is_enabled(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhook, _ = webhooks.create(ANN, receiver.url)
    receiver.statuses = [503]
    begin = datetime.now(UTC) - timedelta(minutes=1)
    happen(database, "waits")
    await deliver(webhooks)
    due_now(database)
    assert webhooks.disable(ANN, webhook.id) == webhooks.disable(ANN, webhook.id)
    happen(database, "meanwhile")
    assert await deliver(webhooks) == {}
    assert webhooks.enable(ANN, webhook.id).disable_time is None
    webhooks.enable(ANN, webhook.id)

    assert await deliver(webhooks) == {"delivered": 1}
    assert subjects(receiver) == ["waits", "waits"]
    webhooks.replay(ANN, webhook.id, begin, datetime.now(UTC) + timedelta(minutes=1))
    await deliver(webhooks)
    assert "meanwhile" in subjects(receiver)
    actions = [entry.action for entry in Audit(database).entries("kopi")]
    assert actions[-3:] == ["disable", "enable", "replay"]


async def test_more_events_than_are_assigned_at_once_arrive(
    webhooks: Webhooks, database: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when none of the first is for a webhook."""
    monkeypatch.setattr(service, "ASSIGN_COUNT", 3)
    webhooks.create(ANN, receiver.url, [EventType.VOUCHERS_CREATED])
    happen(database, *map(str, range(9)))
    with database.begin() as connection:
        record(connection, "kopi", [Event(EventType.VOUCHERS_CREATED, "batch")])

    assert await deliver(webhooks) == {"delivered": 1}
    assert subjects(receiver) == ["batch"]


def test_waits_double_up_to_the_longest_and_are_never_the_same() -> None:
    for attempts in range(1, ATTEMPTS_MAX):
        longest = min(timedelta(seconds=5) * 2 ** (attempts - 1), timedelta(hours=12))
        waits = {wait_after(attempts) for _ in range(20)}
        assert len(waits) > 1
        assert all(longest / 2 <= wait <= longest for wait in waits)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "nonsense",
    ],
)
def test_no_address_inside_a_network_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1", "64:ff9b::5db8:d70e"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


def test_a_name_is_looked_at_by_its_addresses() -> None:
    with pytest.raises(Forbidden):
        resolved("localhost", 443, inside=False)
    assert is_public(resolved("93.184.215.14", 443, inside=False))
    assert resolved("127.0.0.1", 80, inside=True) == "127.0.0.1"


async def test_a_webhook_whose_name_leads_inside_gets_nothing(
    webhooks: Webhooks, database: Engine, receiver: Receiver
) -> None:
    webhooks.create(ANN, receiver.url)
    happen(database, "spring")
    strict = Webhooks(database, Pepper(Settings(pepper=PEPPER), database), inside=False)

    assert await deliver(strict) == {"failed": 1}
    assert receiver.received == []
    (waiting,) = strict.deliveries(ANN, "pending")
    assert waiting.problem == "the host has an address that isn't public"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "ftp://shop.example/",
        "http://shop.example/",
        "https:///hook",
        "https://user:pass@shop.example/",
        "https://shop.example/#a",
        "https://shop.example/" + "x" * 2_000,
    ],
)
def test_what_is_no_url_for_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_url(url, inside=False)
    assert (refused.value.field, refused.value.reason) == ("url", "URL_INVALID")


def test_a_webhook_is_made_once_too_often(webhooks: Webhooks, database: Engine) -> None:
    for number in range(20):
        webhooks.create(ANN, f"https://shop.example/{number}")

    with pytest.raises(Refusal) as refused:
        webhooks.create(ANN, "https://shop.example/20")
    assert refused.value.reason == "TOO_MANY_WEBHOOKS"
    with pytest.raises(Invalid):
        webhooks.create(ANN, "https://shop.example/", ["dealwright.nonsense"])
    assert Audit(database).entries("kopi")[-1].action == "create"
    assert len(webhooks.registered(ANN)) == 20
