"""The active ruleset: follows what is published, changes as a whole, and survives without its database."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.result_pb2 import Result
from sqlalchemy import Engine, text

from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.service import Definitions, Publication
from server.evaluation.service import RulesetHolder
from server.kills import Killed
from server.runtime.app import Application
from server.runtime.metrics import Metrics
from server.runtime.refreshing import end, keep_fresh
from tests.access.calls import serving
from tests.definitions.newer import publish_as_newer
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, call, latte_request

WAIT_SECONDS = 10.0


async def until(holds: Callable[[], bool]) -> None:
    """Waits for something that the server does by itself."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def active_revision(application: Application) -> int:
    return application.holder.active.revision if application.holder.active else 0


async def price(channel: grpc.aio.Channel) -> Result:
    answer = await call(channel, EVALUATE, latte_request(quantity=1).SerializeToString())
    return EvaluateResponse.FromString(answer).result


async def test_a_publication_is_followed(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    for revision, percent in enumerate((10, 20, 30), start=1):
        definitions.publish("kopi", Publication([percent_off("offer", percent)]))
        await until(lambda: active_revision(application) == revision)  # noqa: B023 - awaited before it changes

        result = await price(channel)
        assert (result.revision, result.totals.discount_minor) == (revision, 2_500_000 * percent // 100)


async def test_a_publication_is_heard_of_long_before_the_next_poll(
    database: Engine, definitions: Definitions
) -> None:
    async with serving(database, refresh_seconds=3600) as (application, _):
        for revision, percent in enumerate((10, 20, 30), start=1):
            definitions.publish("kopi", Publication([percent_off("offer", percent)]))
            await until(lambda: active_revision(application) == revision)  # noqa: B023 - awaited before it changes
        value = application.metrics.registry.get_sample_value
        assert value("dealwright_ruleset_listening") == 1
        assert (value("dealwright_ruleset_compile_seconds") or 0) > 0
        assert (value("dealwright_ruleset_activation_timestamp_seconds") or 0) > 0


@pytest.mark.parametrize("attempt", range(4))
async def test_what_waits_ends_though_it_is_called_at_the_same_moment(attempt: int) -> None:
    """A cancellation and an event that meet: neither may be lost, or a server never stops."""
    hint, refreshed = asyncio.Event(), 0

    async def refresh() -> None:
        nonlocal refreshed
        refreshed += 1

    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(WAIT_SECONDS * 10)
        await asyncio.sleep(WAIT_SECONDS * 10)

    tasks = [asyncio.create_task(keep_fresh(refresh, 3600, hint)), asyncio.create_task(deaf())]
    for _ in range(attempt):
        await asyncio.sleep(0)
    hint.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await end(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_calls_in_flight_see_one_revision_or_the_other(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    """Revision n takes n percent off, so an answer that mixed two revisions would show it."""
    definitions.publish("kopi", Publication([percent_off("offer", 1)]))
    await until(lambda: application.ready)
    batches: list[list[Result]] = []
    publishing = asyncio.create_task(asyncio.to_thread(publish_up_to, definitions, 15))
    while not publishing.done():
        batches.append(await asyncio.gather(*(price(channel) for _ in range(20))))
    await publishing
    await until(lambda: active_revision(application) == 15)
    batches.append([await price(channel)])

    results = [result for batch in batches for result in batch]
    assert {result.totals.discount_minor for result in results} == {
        25_000 * result.revision for result in results
    }
    # Calls at the same time are answered in any order; one that is made after an answer never sees less.
    for earlier, later in itertools.pairwise(batches):
        assert max(each.revision for each in earlier) <= min(each.revision for each in later)
    assert len({result.revision for result in results}) > 1


def publish_up_to(definitions: Definitions, last: int) -> None:
    for percent in range(2, last + 1):
        assert definitions.publish("kopi", Publication([percent_off("offer", percent)])).revision == percent


@pytest.mark.database
async def test_pricing_goes_on_without_postgres_and_recovers(data_dir: Path) -> None:
    metrics = Metrics()
    with EmbeddedPostgres(data_dir) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        definitions = Definitions(engine)
        definitions.publish("kopi", Publication([percent_off("offer", 10)]))
        holder = RulesetHolder(definitions, metrics, None)
        await holder.refresh()
    assert holder.active is not None

    await holder.refresh()

    request = latte_request().SerializeToString()
    assert (
        EvaluateResponse.FromString(holder.active.ruleset.evaluate(request, 0)).result.totals.discount_minor
        == 500_000
    )
    assert holder.last_error is not None
    assert metrics.registry.get_sample_value("dealwright_ruleset_refresh_failures_total") == 1
    assert metrics.registry.get_sample_value("dealwright_ruleset_revision") == 1

    with EmbeddedPostgres(data_dir):
        definitions.publish("kopi", Publication([percent_off("offer", 20)]))
        await holder.refresh()
        engine.dispose()
    assert holder.last_error is None
    assert holder.active.revision == 2


async def test_a_ruleset_that_does_not_compile_leaves_the_old_one(
    definitions: Definitions, database: Engine
) -> None:
    metrics = Metrics()
    holder = RulesetHolder(definitions, metrics, "kopi")
    definitions.publish("kopi", Publication([percent_off("offer", 10)]))
    await holder.refresh()
    with database.begin() as connection:
        connection.execute(text("UPDATE revision_head SET revision = 2"))
        connection.execute(
            text(
                "INSERT INTO revision (company_id, revision, action, author, comment)"
                " VALUES ('kopi', 2, 'publish', 'somebody', '')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO settings_version (company_id, revision, policy)"
                """ VALUES ('kopi', 2, '{"time_zone": "Mars/Base"}')"""
            )
        )

    await holder.refresh()

    assert holder.active is not None
    assert holder.active.revision == 1
    assert holder.last_error is not None
    assert metrics.registry.get_sample_value("dealwright_ruleset_refresh_failures_total") == 1


REFUSE = {"rule_language": 2, "on_unsupported": "ON_UNSUPPORTED_REFUSE_REVISION"}


async def test_what_says_so_is_refused_as_a_whole_and_kills_are_not(
    definitions: Definitions, database: Engine
) -> None:
    killed = Killed()
    holder = RulesetHolder(definitions, Metrics(), "kopi", killed=lambda company_id: killed)
    definitions.publish("kopi", Publication([percent_off("offer", 10), percent_off("other", 20)]))
    await holder.refresh()
    publish_as_newer(database, "offer", REFUSE)

    await holder.refresh()

    assert (active(holder), holder.last_error) == ((1, 2), REFUSED)
    assert holder.newest is not None
    assert holder.newest.general.revision == 1

    killed = Killed(1, ("other",))
    await holder.refresh()
    assert active(holder) == (1, 1)
    await holder.refresh()
    assert (active(holder), holder.last_error) == ((1, 1), REFUSED)

    # Without what has it refused, there is nothing against it.
    killed = Killed(2, ("offer",))
    await holder.refresh()
    assert (active(holder), holder.last_error) == ((2, 1), None)


REFUSED = (
    "InvalidRuleset: offer: promotions[0].rule_language: language_version: "
    "This version speaks the rule language up to 1."
)


def active(holder: RulesetHolder) -> tuple[int, int]:
    """The revision in force, and how many promotions it has."""
    assert holder.active is not None
    return holder.active.revision, holder.active.ruleset.promotion_count


async def test_of_several_companies_one_must_be_named(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    definitions.publish("roti", Publication([percent_off("b", 20)]))
    undecided = RulesetHolder(definitions, Metrics(), None)
    named = RulesetHolder(definitions, Metrics(), "roti")

    await undecided.refresh()
    await named.refresh()

    assert undecided.active is None
    assert undecided.last_error == "the database has kopi, roti: set DEALWRIGHT_COMPANY to one of them"
    assert named.active is not None
    assert named.active.company_id == "roti"


async def test_a_company_without_promotions_is_told_who_has_some(
    definitions: Definitions,
) -> None:
    early = RulesetHolder(definitions, Metrics(), "sinar-rasa")
    await early.refresh()
    for number in range(12):
        definitions.publish(f"kopi-{number:02}", Publication([percent_off("a", 10)]))
    late = RulesetHolder(definitions, Metrics(), "sinar-rasa")
    await late.refresh()

    named = ", ".join(f"kopi-{number:02}" for number in range(10))
    assert early.last_error is None
    assert late.last_error == (
        f"DEALWRIGHT_COMPANY=sinar-rasa: nothing is published for it, only for {named} and 2 more"
    )

    definitions.publish("sinar-rasa", Publication([percent_off("a", 10)]))
    await late.refresh()
    assert late.active is not None
    assert late.last_error is None


async def test_a_company_once_chosen_stays_when_others_come(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    holder = RulesetHolder(definitions, Metrics(), None)
    await holder.refresh()
    definitions.publish("roti", Publication([percent_off("b", 20)]))
    definitions.publish("kopi", Publication([percent_off("a", 15)]))

    await holder.refresh()

    assert holder.active is not None
    assert (holder.active.company_id, holder.active.revision) == ("kopi", 2)
