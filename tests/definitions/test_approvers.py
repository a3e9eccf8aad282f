"""What can give much needs two who approve it, besides who wrote it."""

import pytest
from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.money_pb2 import Money
from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Engine

from server.actors import Actor, Role
from server.audit.service import Audit
from server.definitions.checking import Checks
from server.definitions.drafts import Draft
from server.definitions.lifecycle import Action, Review
from server.definitions.promotions import Promotions
from server.definitions.publishing import Revised
from server.definitions.service import Definitions
from server.definitions.transitions import Target
from server.runtime.errors import DefinitionsRefused, Denied, Refusal
from tests.definitions.people import ANN, BEN, do, person, write
from tests.definitions.samples import percent_off

DORA = person("dora", Role.APPROVER)
ADAM = person("adam", Role.ADMIN)
LIMIT = 1_000_000


def most(minor: int) -> Promotion:
    """A promotion that can give so much at most."""
    promotion = percent_off("a", 10)
    promotion.limits.budget.add(currency_code="IDR", minor=minor)
    return promotion


def approve(promotions: Promotions, who: Actor = BEN, *, dry_run: bool = False) -> Revised:
    return promotions.act(who, Action.APPROVE, [Target("a")], dry_run=dry_run)


@pytest.fixture
def promotions(database: Engine) -> Promotions:
    """In a company where one approval is enough for a million rupiah."""
    Definitions(database).create_company(ADAM)
    Checks(database).set_guardrails(
        ADAM, Guardrails(second_approver_above=[Money(currency_code="IDR", minor=LIMIT)])
    )
    return Promotions(database)


def standing(promotions: Promotions) -> tuple[Review, tuple[str, ...]]:
    head = promotions.get(ANN, "a").head
    return head.review, head.approvers


@pytest.mark.parametrize("budget", [LIMIT + 1, None])
def test_above_the_amount_two_others_approve(
    promotions: Promotions, database: Engine, budget: int | None
) -> None:
    write(promotions, percent_off("a", 10) if budget is None else most(budget))
    do(promotions, Action.SUBMIT)

    assert approve(promotions).waiting_ids == ("a",)
    assert standing(promotions) == (Review.IN_REVIEW, ("ben",))
    with pytest.raises(Refusal) as refused:
        do(promotions, Action.PUBLISH)
    assert refused.value.reason == "WRONG_STATE"
    with pytest.raises(Refusal) as refused:
        approve(promotions)
    assert refused.value.reason == "APPROVED_ALREADY"
    with pytest.raises(Denied) as denied:
        approve(promotions, person("ann", Role.APPROVER))
    assert denied.value.reason == "OWN_WORK"

    assert approve(promotions, DORA).waiting_ids == ()
    assert standing(promotions) == (Review.APPROVED, ("ben", "dora"))
    do(promotions, Action.PUBLISH)
    assert standing(promotions) == (Review.PUBLISHED, ())
    entries = [(entry.actor, entry.action) for entry in Audit(database).entries("kopi")]
    assert entries[-3:] == [("ben", "approve"), ("dora", "approve"), ("cara", "publish")]


def test_at_the_amount_one_is_enough(promotions: Promotions) -> None:
    write(promotions, most(LIMIT))
    do(promotions, Action.SUBMIT)
    assert approve(promotions).waiting_ids == ()
    assert standing(promotions) == (Review.APPROVED, ("ben",))


@pytest.mark.parametrize("edited", [False, True])
def test_an_approval_is_of_one_version_and_of_one_review(promotions: Promotions, edited: bool) -> None:
    write(promotions, most(LIMIT + 1))
    do(promotions, Action.SUBMIT)
    approve(promotions)
    if edited:
        write(promotions, most(LIMIT + 2))
    else:
        do(promotions, Action.REQUEST_CHANGES)
    do(promotions, Action.SUBMIT)
    assert standing(promotions) == (Review.IN_REVIEW, ())
    assert approve(promotions, DORA).waiting_ids == ("a",)
    approve(promotions, BEN)
    assert standing(promotions) == (Review.APPROVED, ("dora", "ben"))


def test_an_approval_outlives_what_happens_to_the_version_in_force(promotions: Promotions) -> None:
    write(promotions, most(LIMIT))
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PUBLISH)
    write(promotions, most(LIMIT + 1))
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PAUSE)
    assert standing(promotions) == (Review.IN_REVIEW, ("ben",))
    approve(promotions, DORA)
    assert standing(promotions)[0] is Review.APPROVED


def test_a_dry_run_says_that_somebody_else_is_needed_and_approves_nothing(promotions: Promotions) -> None:
    write(promotions, most(LIMIT + 1))
    do(promotions, Action.SUBMIT)
    assert approve(promotions, dry_run=True).waiting_ids == ("a",)
    assert standing(promotions) == (Review.IN_REVIEW, ())


def test_whoever_may_approve_their_own_work_is_still_one_of_two(
    promotions: Promotions, database: Engine
) -> None:
    Definitions(database).set_self_approval(ADAM, allowed=True)
    both = person("eva", Role.AUTHOR, Role.APPROVER)
    promotions.save(both, [Draft(most(LIMIT + 1))])
    do(promotions, Action.SUBMIT)
    assert approve(promotions, both).waiting_ids == ("a",)
    assert approve(promotions, BEN).waiting_ids == ()


def test_of_several_those_that_can_give_much_wait(promotions: Promotions) -> None:
    write(promotions, most(LIMIT + 1))
    small = most(LIMIT)
    small.id = "b"
    write(promotions, small)
    targets = [Target("a"), Target("b")]
    promotions.act(ANN, Action.SUBMIT, targets)
    assert promotions.act(BEN, Action.APPROVE, targets).waiting_ids == ("a",)
    assert standing(promotions)[0] is Review.IN_REVIEW
    assert promotions.get(ANN, "b").head.review is Review.APPROVED


def test_without_the_guardrail_or_in_other_currencies_one_is_enough(
    promotions: Promotions, database: Engine
) -> None:
    rails = Guardrails(second_approver_above=[Money(currency_code="USD", minor=0)])
    for number, wanted in enumerate((rails, Guardrails())):
        Checks(database).set_guardrails(ADAM, wanted)
        write(promotions, most(LIMIT + 1 + number))
        do(promotions, Action.SUBMIT)
        assert approve(promotions).waiting_ids == ()


def test_an_amount_that_makes_no_sense_is_refused(database: Engine) -> None:
    Definitions(database).create_company(ADAM)
    for wrong in (
        [Money(currency_code="IDR", minor=-1)],
        [Money(currency_code="XXX", minor=1)],
        [Money(currency_code="IDR", minor=1), Money(currency_code="IDR", minor=2)],
    ):
        with pytest.raises(DefinitionsRefused) as refused:
            Checks(database).set_guardrails(ADAM, Guardrails(second_approver_above=wrong))
        assert "guardrails.second_approver_above" in str(refused.value)
