"""Following: revision after revision, read in parts, is what each one is when it is read whole."""

import asyncio
import random
from pathlib import Path

import pytest
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Engine, text

from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.listening import listen
from server.db.migrate import upgrade
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.references import import_references
from server.definitions.service import Definitions, Follower, Front, Plan, Publication
from server.definitions.transitions import Target
from server.runtime.refreshing import end
from tests.access.calls import owner
from tests.definitions.samples import jakarta_settings, percent_off

WAIT_SECONDS = 30.0


def test_what_is_read_in_parts_is_what_is_read_whole(definitions: Definitions, database: Engine) -> None:
    """Random publications, pauses, rollouts, deletions and settings; some revisions are passed over."""
    chance = random.Random(5)
    follower = Follower()
    definitions.publish("kopi", Publication([], settings=jakarta_settings()))
    seen = Front(0)
    compared = 0
    for step in range(60):
        _change_something(definitions, database, chance, step)
        if chance.random() < 0.7:
            found = definitions.newer(follower, "kopi", seen)
            if found is None:
                assert definitions.front("kopi") == seen
                continue
            seen = found.front
            assert _bytes(found.general) == _bytes(definitions.ruleset("kopi", seen.general))
            if found.candidate is not None:
                compared += 1
                assert _bytes(found.candidate) == _bytes(definitions.ruleset("kopi"))
    assert seen.head > 15
    assert compared > 2


def test_nothing_newer_is_nothing_and_what_was_not_taken_is_given_again(definitions: Definitions) -> None:
    follower = Follower()
    assert definitions.newer(follower, "kopi", None) is None
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    first = definitions.newer(follower, "kopi", None)
    assert first is not None
    assert definitions.newer(follower, "kopi", None) == first
    assert definitions.newer(follower, "kopi", first.front) is None
    assert definitions.newer(follower, "roti", None) is None
    assert definitions.newer(follower, "kopi", None) == first


def test_a_database_that_was_put_back_is_followed_from_there(
    definitions: Definitions, database: Engine
) -> None:
    follower = Follower()
    for percent in (10, 20):
        definitions.publish("kopi", Publication([percent_off("ten", percent)]))
    assert definitions.newer(follower, "kopi", None) is not None
    with database.begin() as connection:
        connection.execute(text("UPDATE revision_head SET revision = 1"))
    found = definitions.newer(follower, "kopi", Front(2))
    assert found is not None
    assert _bytes(found.general) == _bytes(definitions.ruleset("kopi", 1))


async def test_a_publication_is_heard(definitions: Definitions, database: Engine) -> None:
    heard, told = asyncio.Event(), list[bool]()
    task = asyncio.create_task(definitions.listen(heard.set, told.append))
    await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
    assert told == [True]
    heard.clear()
    await asyncio.to_thread(definitions.publish, "kopi", Publication([percent_off("ten", 10)]))
    await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
    # No news are no notification.
    heard.clear()
    await asyncio.to_thread(definitions.publish, "kopi", Publication([percent_off("ten", 10)], dry_run=True))
    with database.connect() as connection:
        listening = connection.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dealwright listening'"
                " AND datname = current_database()"
            )
        )
    assert listening == 1
    assert not heard.is_set()
    await end([task])


async def test_a_connection_that_is_cut_is_made_again(
    definitions: Definitions, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.db.listening.RETRY_SECONDS", 0.05)
    heard, told = asyncio.Event(), list[bool]()
    task = asyncio.create_task(definitions.listen(heard.set, told.append))
    await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
    heard.clear()
    with database.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'dealwright listening' AND datname = current_database()"
            )
        )
    await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
    assert told == [True, False, True]
    await end([task])


@pytest.mark.database
async def test_listening_outlives_the_database(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.db.listening.RETRY_SECONDS", 0.05)
    heard, gone = asyncio.Event(), asyncio.Event()

    def told(listening: bool) -> None:
        (gone.clear if listening else gone.set)()

    with EmbeddedPostgres(data_dir) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        definitions = Definitions(engine)
        task = asyncio.create_task(listen(engine, "dealwright_revision", heard.set, told))
        await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
        engine.dispose()
    await asyncio.wait_for(gone.wait(), WAIT_SECONDS)
    heard.clear()
    with EmbeddedPostgres(data_dir):
        await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
        heard.clear()
        await asyncio.to_thread(definitions.publish, "kopi", Publication([percent_off("ten", 10)]))
        await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
        engine.dispose()
        await end([task])


def _change_something(definitions: Definitions, database: Engine, chance: random.Random, step: int) -> None:
    """Makes another revision, or finds nothing to change."""
    key = f"p{chance.randrange(8)}"
    running = definitions.front("kopi").cohort is not None
    match chance.choice([2, 6, 7]) if running else chance.randrange(6):
        case 0:
            definitions.publish("kopi", Publication([], settings=jakarta_settings()))
        case 1:
            _act(Promotions(database), chance.choice([Action.PAUSE, Action.RESUME]), key)
        case 2:
            definitions.roll_back(owner(), chance.randrange(1, definitions.head_revision("kopi") + 1))
        case 3:
            stores = jakarta_settings().stores
            stores[0].name = f"Menteng {step}"
            import_references(database, owner(), "store", stores)
        case 4:
            changed = [percent_off(key, 90 + step % 10)]
            definitions.publish("kopi", Publication(changed, rollout=Plan(store_ids=("Menteng",))))
        case 6:
            definitions.promote(owner(), None)
        case 7:
            definitions.stop_rollout(owner(), None)
        case _:
            publication = [percent_off(f"p{chance.randrange(8)}", chance.randrange(1, 90))]
            definitions.publish("kopi", Publication(publication))


def _act(promotions: Promotions, action: Action, key: str) -> None:
    """Pauses or resumes, where the state allows it."""
    heads = {record.head.promotion_id: record.head for record in promotions.all(owner())}
    wanted = {Action.PAUSE: "active", Action.RESUME: "paused"}[action]
    if key in heads and heads[key].state == wanted:
        promotions.act(owner(), action, [Target(key)])


def _bytes(ruleset: Ruleset) -> bytes:
    return ruleset.SerializeToString(deterministic=True)
