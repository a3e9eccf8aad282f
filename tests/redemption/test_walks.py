"""Random walks of reserve, commit, release, redeem, return and expire beside a small model of one limit."""

import itertools
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test
from sqlalchemy import Connection, Engine, text

from server.actors import Actor, Role
from server.db.engine import connect
from server.redemption import invariants, settling, store
from server.redemption.limits import Account, Grant
from server.redemption.placing import Outcome, Placement, place
from server.redemption.store import Posting

COMPANY = "kopi"
ACTOR = Actor("till", COMPANY, frozenset({Role.DEVICE}), "here")
LIMIT = 10

_numbers = itertools.count()


class Walk(RuleBasedStateMachine):
    """One budget of 10; the model is what each open redemption has of it."""

    engine: Engine
    reserved: Bundle[tuple[UUID, int]] = Bundle("reserved")
    committed: Bundle[tuple[UUID, int]] = Bundle("committed")

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(f"offer-{next(_numbers)}", "budget", "IDR", "IDR")
        self.pending = 0
        self.posted = 0

    @rule(target=reserved, cost=st.integers(1, LIMIT))
    def reserve(self, cost: int) -> Any:
        made = self._place(cost, lifetime=900)
        self.pending += made[1] if made else 0
        return made

    @rule(target=committed, cost=st.integers(1, LIMIT))
    def redeem(self, cost: int) -> Any:
        made = self._place(cost, lifetime=None)
        self.posted += made[1] if made else 0
        return made

    @rule(target=committed, taken=consumes(reserved))
    def commit(self, taken: Any) -> Any:
        if taken is None:
            return None
        with self.engine.begin() as connection:
            settling.commit(connection, ACTOR, self._locked(connection, taken[0]), None, honor=False)
        self.pending -= taken[1]
        self.posted += taken[1]
        return taken

    @rule(taken=consumes(reserved))
    def release(self, taken: Any) -> None:
        if taken is not None:
            with self.engine.begin() as connection:
                settling.release(connection, ACTOR, self._locked(connection, taken[0]))
            self.pending -= taken[1]

    @rule(taken=consumes(reserved))
    def expire(self, taken: Any) -> None:
        if taken is not None:
            with self.engine.begin() as connection:
                locked = self._locked(connection, taken[0])
                settling.expire(connection, COMPANY, [taken[0]], locked.now)
            self.pending -= taken[1]

    @rule(target=committed, taken=consumes(committed), part=st.integers(1, LIMIT))
    def give_back(self, taken: Any, part: int) -> Any:
        """A return of some of it, never of more than there is."""
        if taken is None:
            return None
        back = min(part, taken[1])
        with self.engine.begin() as connection:
            locked = self._locked(connection, taken[0])
            (hold,) = locked.holds
            store.change_holds(connection, taken[0], {hold.account_id: {"returned": hold.returned + back}})
            posting = Posting(taken[0], hold.account_id, "posted", "free", back)
            store.change(connection, [taken[0]], state="partly_returned")
            store.post(connection, COMPANY, {taken[0]: "return"}, "till", "", locked.now, [posting])
        self.posted -= back
        return (taken[0], taken[1] - back) if taken[1] > back else None

    def teardown(self) -> None:
        with self.engine.connect() as connection:
            row = connection.execute(
                text("SELECT pending, posted FROM limit_account WHERE promotion_id = :id"),
                {"id": self.account.promotion_id},
            ).first()
            broken = [
                violation
                for violation in invariants.violations(connection)
                # No ruleset was published for it.
                if violation.invariant.name != "revision_existed"
            ]
        assert (tuple(row) if row else (0, 0)) == (self.pending, self.posted)
        assert list(map(str, broken)) == []

    def _place(self, cost: int, lifetime: int | None) -> tuple[UUID, int] | None:
        number = next(_numbers)
        wanted = Placement(
            id=uuid4(),
            principal=ACTOR.name,
            token_id="",
            key=f"key-{number}",
            method="Redeem",
            request_hash=bytes(32),
            store_id="",
            order_id=f"order-{number}",
            customer_id="",
            revision=1,
            currency_code="IDR",
            discount_minor=cost,
            payable_minor=100,
            lifetime_seconds=lifetime,
            request=b"",
            result=b"",
            response=b"answer",
            granted=[Grant(self.account.promotion_id, cost, cost)],
            needs={self.account: cost},
            limits={self.account: LIMIT},
        )
        with self.engine.begin() as connection:
            (placed,) = place(connection, COMPANY, [wanted])
        fits = self.pending + self.posted + cost <= LIMIT
        assert placed.outcome is (Outcome.PLACED if fits else Outcome.SHORT)
        return (wanted.id, cost) if fits else None

    @staticmethod
    def _locked(connection: Connection, redemption_id: UUID) -> settling.Reservation:
        locked = settling.lock(connection, COMPANY, redemption_id)
        assert locked is not None
        return locked


@pytest.fixture
def walk(database_url: str) -> Iterator[type[Walk]]:
    """The walk on a fresh database, without a server."""
    engine = connect(database_url)
    yield type("WalkHere", (Walk,), {"engine": engine})
    engine.dispose()


def test_random_walks_stay_beside_the_model(walk: type[Walk]) -> None:
    run_state_machine_as_test(
        walk,
        settings=settings(max_examples=15, stateful_step_count=20, suppress_health_check=list(HealthCheck)),
    )
