"""What the worker does by itself: it stops what fails and promotes what has baked, once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from dealwright.v1.rule_stream_service_pb2 import (
    NACK_REASON_DISK,
    NACK_REASON_MALFORMED,
    NACK_REASON_ROOT,
    NACK_REASON_UNSUPPORTED,
)
from sqlalchemy import Engine

from server.definitions.service import Definitions, Plan
from server.journals.replays import Replays
from server.journals.service import Journals
from server.rollouts.service import Advanced, Rollouts
from server.runtime.metrics import Metrics
from tests.access.calls import owner
from tests.definitions.people import CARA
from tests.journals.uploads import DEVICE, chained, sold, upload
from tests.rollouts.shops import STORES, open_shops, percent_at, roll_out, say

HOUR = 3600


def planned(**more: int) -> Plan:
    return Plan(store_ids=("menteng",), bake_seconds=more.pop("bake_seconds", HOUR), **more)


@pytest.fixture
def rollouts(definitions: Definitions, database: Engine) -> Rollouts:
    open_shops(definitions)
    return Rollouts(database)


def test_what_has_baked_is_promoted(definitions: Definitions, rollouts: Rollouts) -> None:
    roll_out(definitions, planned(bake_seconds=0))
    assert rollouts.advance() == Advanced(promoted=1)
    assert rollouts.advance() == Advanced()
    assert [percent_at(definitions, each) for each in STORES] == [20, 20, 20]
    found, _ = rollouts.get(CARA)
    assert (found.end_author, found.promoted) == ("rollout", True)
    assert found.end_comment is not None
    assert found.end_comment.startswith("baked for 0 s")


def test_what_has_not_baked_or_is_promoted_by_hand_stays(
    definitions: Definitions, rollouts: Rollouts
) -> None:
    roll_out(definitions, planned())
    assert rollouts.advance() == Advanced(running=1)
    definitions.stop_rollout(owner(), None)
    roll_out(definitions, percent=30)
    assert rollouts.advance() == Advanced(running=1)


def test_what_has_baked_waits_for_its_tills(
    definitions: Definitions, database: Engine, rollouts: Rollouts
) -> None:
    revision = roll_out(definitions, planned(bake_seconds=0, tills_min=1))
    say(database, "till-1", revision - 1)
    assert rollouts.advance() == Advanced(running=1, waiting=1)
    say(database, "till-1", revision)
    assert rollouts.advance() == Advanced(promoted=1)


@pytest.mark.parametrize("reason", [NACK_REASON_UNSUPPORTED, NACK_REASON_MALFORMED])
def test_a_till_that_refuses_it_stops_it(
    reason: int, definitions: Definitions, database: Engine, rollouts: Rollouts
) -> None:
    # Whatever else would promote it: failures come first.
    revision = roll_out(definitions, planned(bake_seconds=0))
    say(database, "till-1", revision - 1, nack_revision=revision, nack_reason=reason)
    assert rollouts.advance() == Advanced(stopped=1)
    assert [percent_at(definitions, each) for each in STORES] == [10, 10, 10]
    found, _ = rollouts.get(CARA)
    assert found.end_comment is not None
    assert found.end_comment.startswith("1 tills refuse it")


@pytest.mark.parametrize("reason", [NACK_REASON_DISK, NACK_REASON_ROOT])
def test_what_is_the_tills_own_trouble_stops_nothing(
    reason: int, definitions: Definitions, database: Engine, rollouts: Rollouts
) -> None:
    revision = roll_out(definitions, planned())
    say(database, "till-1", revision - 1, nack_revision=revision, nack_reason=reason)
    # What was refused before it began says nothing of it either.
    say(database, "till-2", revision - 1, nack_revision=revision - 1, nack_reason=NACK_REASON_UNSUPPORTED)
    assert rollouts.advance() == Advanced(running=1)


def test_failures_are_allowed_up_to_a_number(
    definitions: Definitions, database: Engine, rollouts: Rollouts
) -> None:
    revision = roll_out(definitions, planned(failures_max=1))
    say(database, "till-1", revision, unsupported_ids=("ten",))
    assert rollouts.advance() == Advanced(running=1)
    say(database, "till-2", revision, unsupported_ids=("ten",))
    assert rollouts.advance() == Advanced(stopped=1)


def test_a_sale_that_drifts_stops_it(definitions: Definitions, database: Engine, rollouts: Rollouts) -> None:
    revision = roll_out(definitions, planned())
    honest, cheap = sold(definitions, "honest", revision=revision), sold(definitions, "a", revision=revision)
    cheap.sale.result.totals.payable_minor -= 1
    cheap.sale.result.result_hash = b"\0" * 32
    replays = Replays(database, definitions, Metrics())
    Journals(database).upload(DEVICE, upload(chained(honest)))
    replays.run()
    assert rollouts.advance() == Advanced(running=1)
    Journals(database).upload(DEVICE, upload(chained(honest, cheap)))
    replays.run()
    assert rollouts.advance() == Advanced(stopped=1)


@pytest.mark.parametrize("failing", [False, True])
def test_many_workers_end_it_once(
    failing: bool, definitions: Definitions, database: Engine, rollouts: Rollouts
) -> None:
    revision = roll_out(definitions, planned(bake_seconds=0))
    if failing:
        say(database, "till-1", 1, nack_revision=revision, nack_reason=NACK_REASON_UNSUPPORTED)

    def look(_: int) -> Advanced:
        return Rollouts(database).advance()

    with ThreadPoolExecutor(4) as workers:
        seen = list(workers.map(look, range(4)))
    assert sum(each.promoted + each.stopped for each in seen) == 1
    assert definitions.head_revision("kopi") == revision + 1
