"""The life of a promotion: every way that the table has, and no other."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from server.access.rules import DEFINITION_SERVICE, RULES
from server.actors import Role
from server.audit.service import Audit
from server.definitions.drafts import Draft
from server.definitions.lifecycle import (
    TRANSITIONS,
    Action,
    Review,
    Standing,
    State,
    Transition,
    words,
)
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions, DefinitionsRefused, Publication
from server.definitions.store.revisions import database_time
from server.definitions.transitions import Target
from server.runtime.errors import AlreadyThere, Denied, Invalid, Refusal, Stale, Unknown
from tests.definitions.people import ANN, BEN, CARA, WHO, bring_to, do, person, write
from tests.definitions.samples import jakarta_settings, percent_off

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"

MOVES = [
    (transition.action, State(source.value))
    for transition in TRANSITIONS.values()
    for source in transition.sources
    if transition.action is not Action.UPDATE and source != Review.PUBLISHED
]
"""What the table allows, from the states of a promotion of one version."""


@pytest.fixture
def promotions(database: Engine) -> Promotions:
    return Promotions(database)


def state(promotions: Promotions, promotion_id: str = "a") -> State:
    return promotions.get(ANN, promotion_id).head.state


def in_force(definitions: Definitions) -> list[str]:
    return [promotion.id for promotion in definitions.ruleset("kopi").promotions]


@pytest.mark.parametrize("reached", State)
def test_every_state_can_be_reached_and_stands_in_the_ruleset_when_it_should(
    promotions: Promotions, definitions: Definitions, reached: State
) -> None:
    bring_to(promotions, reached)

    assert state(promotions) is reached
    published = reached in (State.SCHEDULED, State.ACTIVE, State.ENDED)
    assert in_force(definitions) == (["a"] if published else [])


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.UPDATE])
def test_each_action_works_from_its_states_and_is_refused_from_all_others(
    promotions: Promotions, action: Action
) -> None:
    for source in State:
        bring_to(promotions, source, source.value)
        before = promotions.get(ANN, source.value)
        if (action, source) in MOVES:
            do(promotions, action, promotion_id=source.value)
            continue
        with pytest.raises(Refusal) as refused:
            do(promotions, action, promotion_id=source.value)
        assert refused.value.reason == "WRONG_STATE"
        assert refused.value.parameters["action"] == action.value
        assert promotions.get(ANN, source.value) == before


def test_an_edit_makes_any_review_void_but_not_what_is_published(
    promotions: Promotions, definitions: Definitions
) -> None:
    for source in State:
        if source is State.ARCHIVED:
            continue
        bring_to(promotions, source, source.value)
        was = promotions.get(ANN, source.value).head
        promotions.save(ANN, [Draft(percent_off(source.value, 33), new=False)])
        head = promotions.get(ANN, source.value).head
        assert (head.version, head.review) == (2, Review.DRAFT)
        assert (head.standing, head.published_version) == (was.standing, was.published_version)
    assert in_force(definitions) == ["active", "ended", "scheduled"]
    assert all(
        found.percent_discount.percent_off_ppm == 100_000 for found in definitions.ruleset("kopi").promotions
    )


def test_an_archived_promotion_is_restored_before_it_is_edited(promotions: Promotions) -> None:
    bring_to(promotions, State.ARCHIVED)

    with pytest.raises(Refusal, match="a is archived; to update it"):
        promotions.save(ANN, [Draft(percent_off("a", 20), new=False)])
    with pytest.raises(AlreadyThere, match="restore it first"):
        promotions.save(ANN, [Draft(percent_off("a", 20), new=True)])
    promotions.save(ANN, [Draft(percent_off("a", 10))])

    assert state(promotions) is State.DRAFT


def test_start_and_end_come_by_themselves(promotions: Promotions, database: Engine) -> None:
    """Nothing is switched, so nothing can be missed while the service or the database is away."""
    # A busy machine may take longer to publish than a promotion waits, or to look than it holds.
    seen: list[State] = []
    in_time = False
    for seconds in (2, 10, 60):
        seen, in_time = states_seen(promotions, database, f"a{seconds}", seconds)
        if in_time:
            break

    assert in_time
    assert seen == [State.SCHEDULED, State.ACTIVE, State.ENDED]


def states_seen(
    promotions: Promotions, database: Engine, promotion_id: str, seconds: int
) -> tuple[list[State], bool]:
    """A promotion's state before it starts, while it holds and when it is over; whether all was in time."""
    promotion = percent_off(promotion_id, 10)
    with database.connect() as connection:
        now = database_time(connection)
    soon, later = now + timedelta(seconds=seconds), now + timedelta(seconds=2 * seconds)
    promotion.schedule.start_time.FromDatetime(soon)
    promotion.schedule.end_time.FromDatetime(later)
    write(promotions, promotion)
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PUBLISH, promotion_id=promotion_id)
    seen, in_time = [], True
    for begin, end in ((now, soon), (soon, later), (later, datetime.max.replace(tzinfo=UTC))):
        with database.connect() as connection:
            connection.execute(
                text("SELECT pg_sleep(greatest(0, extract(epoch FROM :instant - clock_timestamp())) + 0.05)"),
                {"instant": begin},
            )
        seen.append(state(promotions, promotion_id))
        with database.connect() as connection:
            in_time = in_time and database_time(connection) < end
    return seen, in_time


@pytest.mark.parametrize(
    ("schedule", "zone", "expected"),
    [
        ({"start_date": 0}, "", State.ACTIVE),
        ({"start_date": 1}, "", State.SCHEDULED),
        ({"end_date": 0}, "", State.ACTIVE),
        ({"end_date": -1}, "", State.ENDED),
        # Kiritimati is 14 hours ahead of UTC and Niue 11 behind, so that one of them is in another day.
        ({"start_date": 1}, "Pacific/Kiritimati", None),
        ({"end_date": -1}, "Pacific/Niue", None),
    ],
)
def test_days_are_local_days(
    promotions: Promotions,
    definitions: Definitions,
    database: Engine,
    schedule: dict[str, int],
    zone: str,
    expected: State,
) -> None:
    definitions.publish("kopi", Publication(settings=jakarta_settings()))
    with database.connect() as connection:
        days = {
            name: connection.execute(
                text("SELECT (now() AT TIME ZONE 'Asia/Jakarta')::date + :days"), {"days": days}
            ).scalar_one()
            for name, days in schedule.items()
        }
        there = connection.execute(
            text("SELECT (now() AT TIME ZONE :zone)::date"), {"zone": zone or "Asia/Jakarta"}
        ).scalar_one()
    promotion = percent_off("a", 10)
    promotion.schedule.time_zone = zone
    for name, day in days.items():
        setattr(promotion.schedule, name, day.isoformat())
    write(promotions, promotion)
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PUBLISH)

    if expected is None:
        begun = there >= days.get("start_date", there)
        over = there > days.get("end_date", there)
        expected = State.ENDED if over else State.ACTIVE if begun else State.SCHEDULED
    assert state(promotions) is expected


def test_nobody_approves_what_they_wrote(promotions: Promotions, definitions: Definitions) -> None:
    both = person("dora", Role.AUTHOR, Role.APPROVER)
    write(promotions, percent_off("a", 10))
    promotions.save(both, [Draft(percent_off("a", 20))])
    do(promotions, Action.SUBMIT)

    for author in (both, ANN):
        with pytest.raises(Denied) as refused:
            promotions.act(author, Action.APPROVE, [Target("a")])
        assert refused.value.reason == "OWN_WORK"
    promotions.act(BEN, Action.APPROVE, [Target("a")])

    assert state(promotions) is State.APPROVED


def test_who_wrote_what_was_published_before_may_approve_what_came_after(promotions: Promotions) -> None:
    both = person("dora", Role.AUTHOR, Role.APPROVER)
    promotions.save(both, [Draft(percent_off("a", 10))])
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PUBLISH)
    write(promotions, percent_off("a", 20))
    do(promotions, Action.SUBMIT)

    promotions.act(both, Action.APPROVE, [Target("a")])

    assert promotions.get(ANN, "a").head.review is Review.APPROVED


def test_a_shop_of_one_person_may_allow_its_own_work(
    promotions: Promotions, definitions: Definitions, database: Engine
) -> None:
    alone = person("dora", Role.ADMIN)
    definitions.publish("kopi", Publication(settings=jakarta_settings(), actor=alone))
    definitions.set_self_approval(alone, allowed=True)
    promotions.save(alone, [Draft(percent_off("a", 10))])
    for action in (Action.SUBMIT, Action.APPROVE, Action.PUBLISH):
        promotions.act(alone, action, [Target("a")])

    assert in_force(definitions) == ["a"]
    change = next(entry for entry in Audit(database).entries("kopi") if entry.subject == "company")
    assert (change.before, change.after) == ({"self_approval": False}, {"self_approval": True})


def test_a_stale_edit_says_who_changed_what(promotions: Promotions) -> None:
    write(promotions, percent_off("a", 10))
    read = promotions.get(ANN, "a").head.audit_number
    dora = person("dora", Role.AUTHOR)
    promotions.save(dora, [Draft(percent_off("a", 25), etag=read)])
    do(promotions, Action.SUBMIT)

    for attempt in (
        lambda: promotions.save(ANN, [Draft(percent_off("a", 30), etag=read)]),
        lambda: promotions.act(BEN, Action.APPROVE, [Target("a", read)]),
    ):
        with pytest.raises(Stale) as stale:
            attempt()
        assert stale.value.reason == "STALE"
        assert "dora: update as version 2" in str(stale.value)
        assert "percent off: 10 % becomes 25 %" in str(stale.value)
        assert "ann: submit" in str(stale.value)
        assert (stale.value.parameters["actor"], stale.value.parameters["version"]) == ("ann", "2")
        fresh = promotions.get(ANN, "a")
        assert stale.value.parameters["etag"] == str(fresh.head.audit_number)
        assert fresh.version.definition["percent_discount"]["percent_off_ppm"] == 250_000


def test_many_are_published_together_or_not_at_all(promotions: Promotions, definitions: Definitions) -> None:
    for promotion_id in ("a", "b"):
        bring_to(promotions, State.APPROVED, promotion_id)
    bring_to(promotions, State.DRAFT, "c")

    with pytest.raises(Refusal, match="c is draft; to publish it, it has to be approved"):
        promotions.act(CARA, Action.PUBLISH, [Target("a"), Target("b"), Target("c")])
    assert (in_force(definitions), definitions.head_revision("kopi")) == ([], 0)
    dry = promotions.act(CARA, Action.PUBLISH, [Target("a"), Target("b")], dry_run=True)
    assert [difference.subject_id for difference in dry.differences] == ["a", "b"]
    assert (dry.revision, definitions.head_revision("kopi")) == (1, 0)

    done = promotions.act(CARA, Action.PUBLISH, [Target("a"), Target("b")], comment="Monday")

    assert (done.revision, in_force(definitions)) == (1, ["a", "b"])
    (revision,) = definitions.revisions("kopi")
    assert (revision.action, revision.author, revision.comment) == ("publish", "cara", "Monday")


@pytest.mark.parametrize(
    ("targets", "reason"), [(["a", "a"], "DUPLICATE"), ([], "REQUIRED"), (["nobody"], "PROMOTION_UNKNOWN")]
)
def test_what_is_named_has_to_make_sense(promotions: Promotions, targets: list[str], reason: str) -> None:
    bring_to(promotions, State.DRAFT)
    with pytest.raises((Invalid, Unknown)) as refused:
        promotions.act(ANN, Action.SUBMIT, [Target(key) for key in targets])
    assert refused.value.reason == reason


def test_pausing_and_resuming_are_publications(promotions: Promotions, definitions: Definitions) -> None:
    bring_to(promotions, State.ACTIVE)
    do(promotions, Action.PAUSE)
    assert in_force(definitions) == []
    do(promotions, Action.RESUME)

    assert in_force(definitions) == ["a"]
    assert [revision.action for revision in definitions.revisions("kopi")] == ["resume", "pause", "publish"]
    assert [len(definitions.ruleset("kopi", revision).promotions) for revision in (1, 2, 3)] == [1, 0, 1]


def test_a_pause_outlives_publications_of_the_promotion(
    promotions: Promotions, definitions: Definitions
) -> None:
    bring_to(promotions, State.PAUSED)
    published = definitions.publish("kopi", Publication([percent_off("a", 20)], complete=True))
    assert (published.written, published.paused, in_force(definitions)) == (("a",), ("a",), [])
    write(promotions, percent_off("a", 30))
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PUBLISH)
    assert (state(promotions), in_force(definitions)) == (State.PAUSED, [])
    again = definitions.publish("kopi", Publication([percent_off("a", 30)], complete=True))
    assert not again.changed

    do(promotions, Action.RESUME)

    (promotion,) = definitions.ruleset("kopi").promotions
    assert promotion.percent_discount.percent_off_ppm == 300_000


def test_deleting_a_mere_draft_makes_no_revision(
    promotions: Promotions, definitions: Definitions, database: Engine
) -> None:
    bring_to(promotions, State.DRAFT)
    bring_to(promotions, State.PAUSED, "b")

    gone = definitions.publish("kopi", Publication(deleted_ids=["a"]))
    both = definitions.publish("kopi", Publication([percent_off("b", 20)]))

    assert (gone.deleted, gone.revision, both.revision) == (("a",), 2, 3)
    assert state(promotions) is State.ARCHIVED
    archive, change = Audit(database).entries("kopi", 2)
    assert (archive.action, archive.revision, archive.before) == ("archive", None, None)
    assert change.before == promotions.get(ANN, "b", 1).version.definition


def test_a_direct_publication_leaves_a_draft_behind_it(
    promotions: Promotions, definitions: Definitions
) -> None:
    bring_to(promotions, State.ACTIVE)
    write(promotions, percent_off("a", 50))
    definitions.publish("kopi", Publication([percent_off("a", 60)]))

    head = promotions.get(ANN, "a").head
    assert (head.version, head.published_version, head.review) == (3, 3, Review.PUBLISHED)
    assert promotions.get(ANN, "a", 2).version.definition["percent_discount"]["percent_off_ppm"] == 500_000


def test_going_back_restores_a_revision_exactly_and_keeps_drafts(
    promotions: Promotions, definitions: Definitions
) -> None:
    definitions.publish(
        "kopi", Publication([percent_off("a", 10), percent_off("b", 10)], settings=jakarta_settings())
    )
    definitions.publish("kopi", Publication([percent_off("a", 99)], deleted_ids=["b"]))
    bring_to(promotions, State.ACTIVE, "c")
    settings = jakarta_settings()
    settings.stores[0].name = "Elsewhere"
    settings.policy.time_zone = "Asia/Makassar"
    definitions.publish("kopi", Publication(settings=settings))
    bring_to(promotions, State.DRAFT, "d")

    dry = definitions.roll_back(CARA, 1, dry_run=True)
    done = definitions.roll_back(CARA, 1, comment="too generous")

    assert (done.revision, dry.revision, dry.differences) == (5, 5, done.differences)
    back, first = definitions.ruleset("kopi"), definitions.ruleset("kopi", 1)
    first.revision = 5
    assert back == first
    assert {key: state(promotions, key) for key in "abcd"} == {
        "a": State.ACTIVE,
        "b": State.ACTIVE,
        "c": State.ARCHIVED,
        "d": State.DRAFT,
    }
    head = promotions.get(ANN, "a").head
    assert (head.version, head.published_version, head.review) == (2, 1, Review.DRAFT)
    again = definitions.roll_back(CARA, 4)
    fourth, now = definitions.ruleset("kopi", 4), definitions.ruleset("kopi")
    fourth.revision = again.revision
    assert now == fourth
    assert promotions.get(ANN, "a").head.review is Review.PUBLISHED


def test_going_back_to_what_is_there_makes_no_revision(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 10)]))
    assert definitions.roll_back(CARA, 1).revision == 1
    with pytest.raises(Unknown, match="up to 1"):
        definitions.roll_back(CARA, 2)


def test_going_back_to_a_pause_pauses(promotions: Promotions, definitions: Definitions) -> None:
    bring_to(promotions, State.PAUSED)
    do(promotions, Action.RESUME)
    definitions.roll_back(CARA, 2)
    assert (state(promotions), in_force(definitions)) == (State.PAUSED, [])


def test_invalid_drafts_are_refused_as_a_whole(promotions: Promotions, definitions: Definitions) -> None:
    too_much = percent_off("b", 10)
    too_much.percent_discount.percent_off_ppm = 1_000_001
    with pytest.raises(DefinitionsRefused):
        promotions.save(ANN, [Draft(percent_off("a", 10)), Draft(too_much)])
    assert definitions.companies() == []


def test_the_history_tells_the_whole_life(promotions: Promotions) -> None:
    bring_to(promotions, State.PAUSED)
    write(promotions, percent_off("a", 20), comment="more")

    entries = promotions.history(ANN, "a")

    assert [(entry.actor, entry.action) for entry in entries] == [
        ("ann", "create"),
        ("ann", "submit"),
        ("ben", "approve"),
        ("cara", "publish"),
        ("otto", "pause"),
        ("ann", "update"),
    ]
    assert entries[3].after == {"review": "published", "standing": "published", "published_version": 1}
    assert (entries[3].revision, entries[4].revision, entries[5].comment) == (1, 2, "more")
    assert promotions.history(ANN, "a", below=entries[2].number) == entries[:2]
    with pytest.raises(Unknown):
        promotions.history(ANN, "nobody")


def test_companies_do_not_see_each_others_promotions(promotions: Promotions) -> None:
    bring_to(promotions, State.ACTIVE)
    stranger = person("ann", *Role, company_id="roti")

    assert promotions.page(stranger).records == ()
    with pytest.raises(Unknown):
        promotions.get(stranger, "a")
    for action in WHO:
        with pytest.raises(Unknown):
            promotions.act(stranger, action, [Target("a")])
    promotions.save(stranger, [Draft(percent_off("a", 50))])
    assert promotions.get(ANN, "a").version.definition["percent_discount"]["percent_off_ppm"] == 100_000


def test_the_page_about_the_life_of_a_promotion_is_the_table() -> None:
    rows = [f"| {' | '.join(_cells(transition))} |" for transition in TRANSITIONS.values()]
    begin, end = "<!-- transitions -->\n", "<!-- end -->"
    page = PAGE.read_text()
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    table = "\n".join(["| what | who | from | to | meaning |", "|---|---|---|---|---|", *rows, ""])
    wanted = f"{head}{begin}{table}{end}{tail}"
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted)
    assert page == wanted


def _cells(transition: Transition) -> list[str]:
    sources = ", ".join(words(source) for source in transition.sources)
    target = _target(transition.review, transition.standing)
    return [words(transition.action), _who(transition.method), sources, target, transition.meaning]


def _who(method: str) -> str:
    roles = RULES[f"/{DEFINITION_SERVICE}/{method}"].roles - {Role.ADMIN}
    return ", ".join(sorted(roles))


def _target(review: Review | None, standing: Standing | None) -> str:
    return " and ".join(words(part) for part in dict.fromkeys([review, standing]) if part is not None)
