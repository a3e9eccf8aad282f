"""Rollouts: some stores have a revision first, and the next one is for all again, whoever makes it."""

import pytest
from dealwright.v1.rule_stream_service_pb2 import NACK_REASON_UNSUPPORTED
from dealwright.v1.ruleset_pb2 import Store
from sqlalchemy import Engine

from server.audit.service import Audit
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.references import import_references
from server.definitions.service import Definitions, Front, Plan, Publication
from server.definitions.tills import Tills
from server.definitions.transitions import Target
from server.distribution.operations import Operations
from server.rollouts.service import Rollouts
from server.runtime.errors import Refusal
from tests.access.calls import owner
from tests.definitions.people import ANN, BEN, CARA, write
from tests.definitions.samples import percent_off
from tests.rollouts.shops import COHORT, STORES, open_shops, percent_at, roll_out, say


def test_a_front_says_who_has_what() -> None:
    everywhere, rolling = Front(7), Front.of(7, ["Menteng", "bandung"])
    assert [everywhere.at(stores) for stores in ((), ("medan",))] == [7, 7]
    assert [rolling.at(stores) for stores in (("menteng",), ("BANDUNG", "menteng"))] == [7, 7]
    # A till of several stores has one ruleset; one of every store names none.
    assert [rolling.at(stores) for stores in ((), ("medan",), ("medan", "menteng"))] == [6, 6, 6]


def test_the_cohort_has_it_first_and_then_all_have_it(definitions: Definitions, database: Engine) -> None:
    open_shops(definitions)
    assert roll_out(definitions) == 2
    assert [percent_at(definitions, each) for each in STORES] == [10, 10, 20]

    done = Rollouts(database).promote(CARA, comment="did well")
    assert done.revision == 3
    # What the others see of it.
    assert [each.subject_id for each in done.differences] == ["ten"]
    assert [percent_at(definitions, each) for each in STORES] == [20, 20, 20]
    found, _ = Rollouts(database).get(CARA)
    assert (found.running, found.promoted, found.end_author) == (False, True, "cara")
    assert found.end_comment == "did well"


def test_a_stopped_rollout_leaves_no_trace_in_the_cohort(definitions: Definitions, database: Engine) -> None:
    open_shops(definitions)
    roll_out(definitions)
    done = Rollouts(database).stop(CARA, 2, comment="too dear")
    assert done.revision == 3
    assert [percent_at(definitions, each) for each in STORES] == [10, 10, 10]
    assert definitions.differences("kopi", 1, 3) == []
    found, _ = Rollouts(database).get(CARA, 2)
    assert (found.running, found.promoted) == (False, False)
    entries = Audit(database).entries("kopi")
    assert [each.action for each in entries if each.subject == "rollout"] == ["start_rollout", "stop_rollout"]


def test_reviewed_promotions_are_rolled_out_and_become_drafts_again(
    definitions: Definitions, database: Engine
) -> None:
    open_shops(definitions)
    promotions, rollouts = Promotions(database), Rollouts(database)
    write(promotions, percent_off("new", 5))
    promotions.act(ANN, Action.SUBMIT, [Target("new")])
    promotions.act(BEN, Action.APPROVE, [Target("new")])
    before = rollouts.start(CARA, [Target("new")], COHORT, dry_run=True)
    assert [each.subject_id for each in before.differences] == ["new"]
    assert definitions.front("kopi") == Front(1)
    assert rollouts.start(CARA, [Target("new")], COHORT).revision == 2
    assert definitions.front("kopi") == Front(2, frozenset({"menteng"}))
    rollouts.stop(CARA)
    assert "new" not in definitions.contents("kopi").promotions
    assert promotions.get(CARA, "new").version.definition["id"] == "new"


def test_meanwhile_nothing_else_is_published_but_the_ways_out_are_open(
    definitions: Definitions, database: Engine
) -> None:
    open_shops(definitions)
    roll_out(definitions)
    promotions = Promotions(database)

    def refused(what: object) -> str:
        with pytest.raises(Refusal) as error:
            what()  # type: ignore[operator]
        return error.value.reason

    for attempt in (
        lambda: definitions.publish("kopi", Publication([percent_off("five", 5)])),
        lambda: roll_out(definitions, percent=30),
        lambda: promotions.act(owner(), Action.PAUSE, [Target("ten")]),
        lambda: import_references(database, owner(), "store", [Store(id="solo", time_zone="Asia/Jakarta")]),
    ):
        assert refused(attempt) == "ROLLOUT_RUNNING"
    assert refused(lambda: definitions.promote(owner(), 1)) == "ROLLOUT_OVER"
    assert definitions.front("kopi") == Front(2, frozenset({"menteng"}))

    assert Operations(database, definitions).kill(owner(), ["ten"], "now").promotion_ids == ("ten",)
    assert definitions.roll_back(owner(), 1).revision == 3
    assert definitions.front("kopi") == Front(3)
    assert refused(lambda: definitions.stop_rollout(owner(), None)) == "NO_ROLLOUT"


def test_what_only_the_others_have_can_be_killed(definitions: Definitions, database: Engine) -> None:
    open_shops(definitions)
    definitions.publish("kopi", Publication(deleted_ids=["ten"], rollout=COHORT))
    assert Operations(database, definitions).kill(owner(), ["ten"], "now").promotion_ids == ("ten",)


def test_a_share_is_drawn_anew_for_each_revision(definitions: Definitions) -> None:
    open_shops(definitions)
    drawn: list[tuple[str, ...]] = []
    for share, count in ((1, 1), (333_333, 1), (333_334, 2), (1_000_000, 3)):
        roll_out(definitions, Plan(share_ppm=share), percent=20 + len(drawn))
        (found,) = definitions.rollouts("kopi", running=True)
        assert len(found.store_ids) == count
        drawn.append(found.store_ids)
        definitions.stop_rollout(owner(), None)
    assert definitions.rollouts("kopi", running=True) == []
    assert [each.store_ids for each in reversed(definitions.rollouts("kopi"))] == drawn


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({}, "REQUIRED"),
        ({"store_ids": ("menteng",), "share_ppm": 1}, "REQUIRED"),
        ({"store_ids": ("mentang",)}, "STORE_UNKNOWN"),
        ({"store_ids": ("menteng",) * 10_001}, "TOO_MANY"),
        ({"share_ppm": 1_000_001}, "OUT_OF_RANGE"),
        ({"share_ppm": -1}, "OUT_OF_RANGE"),
        ({"store_ids": ("menteng",), "bake_seconds": 30 * 86_400 + 1}, "OUT_OF_RANGE"),
        ({"store_ids": ("menteng",), "failures_max": -1}, "OUT_OF_RANGE"),
        ({"store_ids": ("menteng",), "tills_min": -1}, "OUT_OF_RANGE"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    plan: dict[str, object], reason: str, definitions: Definitions
) -> None:
    open_shops(definitions)
    with pytest.raises(Refusal) as refused:
        roll_out(definitions, Plan(**plan))  # type: ignore[arg-type]
    assert refused.value.reason == reason
    assert definitions.front("kopi") == Front(1)


def test_the_first_revision_is_for_all(definitions: Definitions) -> None:
    with pytest.raises(Refusal) as refused:
        roll_out(definitions)
    assert refused.value.reason == "NOTHING_PUBLISHED"


def test_nothing_is_not_rolled_out(definitions: Definitions, database: Engine) -> None:
    open_shops(definitions)
    with pytest.raises(Refusal) as refused:
        roll_out(definitions, percent=10)
    assert refused.value.reason == "NOTHING_CHANGES"
    with pytest.raises(Refusal) as refused:
        Rollouts(database).get(CARA)
    assert refused.value.reason == "ROLLOUT_UNKNOWN"


def test_pos_documents_follow_the_cohort(definitions: Definitions, database: Engine) -> None:
    open_shops(definitions)
    tills = Tills(database)
    first = {each: tills.changes("kopi", each) for each in ("medan", "Menteng")}
    versions = [tills.version("kopi")[0]]

    def changes(store_id: str) -> int:
        found = tills.changes("kopi", store_id, since=first[store_id].time)
        first[store_id] = found
        return len(found.promotions)

    roll_out(definitions)
    assert [changes("medan"), changes("Menteng")] == [0, 1]
    versions.append(tills.version("kopi")[0])
    definitions.promote(owner(), None)
    assert [changes("medan"), changes("Menteng")] == [1, 0]
    (known,) = tills.changes("kopi", "medan").promotions
    versions.append(tills.version("kopi")[0])
    roll_out(definitions, percent=30)
    assert [changes("medan"), changes("Menteng")] == [0, 1]
    definitions.stop_rollout(owner(), None)
    # Other stores get the document again that was written for going back: the same as they had.
    assert [changes("medan"), changes("Menteng")] == [1, 1]
    assert first["medan"].promotions[0]["rules"] == known["rules"]
    assert versions == sorted(set(versions))


def test_progress_counts_the_tills_of_the_cohort_alone(definitions: Definitions, database: Engine) -> None:
    open_shops(definitions)
    revision = roll_out(definitions)
    say(database, "there", revision)
    say(database, "behind", 1, nack_revision=revision, nack_reason=NACK_REASON_UNSUPPORTED)
    say(database, "old", revision, unsupported_ids=("ten",))
    say(database, "other-doubt", revision, unsupported_ids=("another",))
    say(database, "elsewhere", revision, store_ids=("medan",), scope_id="medan")
    say(database, "both", revision, store_ids=("medan", "menteng"), scope_id="medan+menteng")
    say(database, "every", revision, store_ids=(), scope_id="*")
    _, progress = Rollouts(database).get(CARA)
    reports = progress.reports
    assert (reports.tills, reports.at_revision, reports.refusing, reports.unsupporting) == (4, 3, 1, 1)
    assert progress.failures == 2
