"""Random walks of reserve, commit, release, redeem, return and expire beside a small model of two limits."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from dealwright.grants import Grant
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine, text

from server.actors import Actor, Role
from server.db.engine import connect
from server.keys.service import Pepper
from server.redemption import invariants, settling, store
from server.redemption.limits import USE, Account
from server.redemption.placing import Outcome, Placement, place
from server.redemption.store import Posting
from server.runtime.settings import Settings
from server.vouchers.service import Vouchers
from tests.access.calls import PEPPER
from tests.vouchers.conftest import make_promotions
from tests.vouchers.test_batches import BEN, one_code

COMPANY = "kopi"
ACTOR = Actor("till", COMPANY, frozenset({Role.DEVICE}), "here")
LIMIT = 10
USES = 3

_numbers = itertools.count()


@dataclass(frozen=True)
class Taken:
    """What a redemption of the walk has."""

    id: UUID
    cost: int
    uses: int
    """Of the voucher: 1, or 0 where it was granted without."""


class Walk(RuleBasedStateMachine):
    """One budget of 10, and a code that is good for 3; the model is what each open redemption has of them."""

    engine: Engine
    vouchers: Vouchers
    reserved: Bundle[Taken | None] = Bundle("reserved")
    committed: Bundle[Taken | None] = Bundle("committed")

    def __init__(self) -> None:
        super().__init__()
        promotion_id = f"offer-{next(_numbers)}"
        self.code = one_code(self.vouchers, max_uses=USES)
        (voucher,) = self.vouchers.look_up(BEN, code=self.code)
        self.account = Account(promotion_id, "budget", "IDR", "IDR")
        self.voucher = Account(promotion_id, "voucher", voucher.id.hex(), USE)
        self.enabled = True
        self.pending = 0
        self.posted = 0
        self.used = 0

    @rule(target=reserved, cost=st.integers(1, LIMIT), uses=st.integers(0, 1))
    def reserve(self, cost: int, uses: int) -> Taken | None:
        made = self._place(cost, uses, lifetime=900)
        self.pending += made.cost if made else 0
        return made

    @rule(target=committed, cost=st.integers(1, LIMIT), uses=st.integers(0, 1))
    def redeem(self, cost: int, uses: int) -> Taken | None:
        made = self._place(cost, uses, lifetime=None)
        self.posted += made.cost if made else 0
        return made

    @rule(target=committed, taken=consumes(reserved))
    def commit(self, taken: Taken | None) -> Taken | None:
        if taken is None:
            return None
        with self.engine.begin() as connection:
            settling.commit(connection, ACTOR, self._locked(connection, taken.id), None, honor=False)
        self.pending -= taken.cost
        self.posted += taken.cost
        return taken

    @rule(taken=consumes(reserved))
    def release(self, taken: Taken | None) -> None:
        if taken is not None:
            with self.engine.begin() as connection:
                settling.release(connection, ACTOR, self._locked(connection, taken.id))
            self.pending -= taken.cost
            self.used -= taken.uses

    @rule(taken=consumes(reserved))
    def expire(self, taken: Taken | None) -> None:
        if taken is not None:
            with self.engine.begin() as connection:
                locked = self._locked(connection, taken.id)
                settling.expire(connection, COMPANY, [taken.id], locked.now)
            self.pending -= taken.cost
            self.used -= taken.uses

    @rule(target=committed, taken=consumes(committed), part=st.integers(1, LIMIT))
    def give_back(self, taken: Taken | None, part: int) -> Taken | None:
        """A return of some of it, never of more than there is; the code comes back with the last of it."""
        if taken is None:
            return None
        back = {"budget": min(part, taken.cost), "voucher": taken.uses if part >= taken.cost else 0}
        with self.engine.begin() as connection:
            locked = self._locked(connection, taken.id)
            changes = {
                hold.account_id: {"returned": hold.returned + back[hold.account.kind]}
                for hold in locked.holds
            }
            store.change_holds(connection, taken.id, changes)
            store.change(connection, [taken.id], state="partly_returned")
            postings = [
                Posting(taken.id, hold.account_id, "posted", "free", back[hold.account.kind])
                for hold in locked.holds
            ]
            store.post(connection, COMPANY, {taken.id: "return"}, "till", "", locked.now, postings)
        self.posted -= back["budget"]
        self.used -= back["voucher"]
        left = taken.cost - back["budget"]
        return Taken(taken.id, left, taken.uses) if left else None

    @precondition(lambda self: self.enabled)
    @rule()
    def disable(self) -> None:
        """What has the code keeps it; nobody else gets it, though it may have been looked up before."""
        self.vouchers.disable_code(BEN, self.code)
        self.enabled = False

    def teardown(self) -> None:
        with self.engine.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT pending, posted FROM limit_account WHERE promotion_id = :id AND kind = 'budget'"
                ),
                {"id": self.account.promotion_id},
            ).first()
            broken = [
                violation
                for violation in invariants.violations(connection)
                # No ruleset was published for it.
                if violation.invariant.name != "revision_existed"
            ]
        assert (tuple(row) if row else (0, 0)) == (self.pending, self.posted)
        (voucher,) = self.vouchers.look_up(BEN, code=self.code)
        assert voucher.used == self.used
        assert list(map(str, broken)) == []

    def _place(self, cost: int, uses: int, lifetime: int | None) -> Taken | None:
        number = next(_numbers)
        needs = {self.account: cost} | ({self.voucher: uses} if uses else {})
        voucher_id = self.voucher.key if uses else ""
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
            granted=[Grant(self.account.promotion_id, cost, cost, voucher_id)],
            needs=needs,
            limits={account: LIMIT if account == self.account else USES for account in needs},
        )
        with self.engine.begin() as connection:
            (placed,) = place(connection, COMPANY, [wanted])
        fits = self.pending + self.posted + cost <= LIMIT
        fits = fits and (not uses or (self.enabled and self.used < USES))
        assert placed.outcome is (Outcome.PLACED if fits else Outcome.SHORT)
        self.used += uses if fits else 0
        return Taken(wanted.id, cost, uses) if fits else None

    @staticmethod
    def _locked(connection: Connection, redemption_id: UUID) -> settling.Reservation:
        locked = settling.lock(connection, COMPANY, redemption_id)
        assert locked is not None
        return locked


@pytest.fixture
def walk(database_url: str) -> Iterator[type[Walk]]:
    """The walk on a fresh database, without a server."""
    engine = connect(database_url)
    make_promotions(engine)
    vouchers = Vouchers(engine, Pepper(Settings(pepper=PEPPER), engine))
    yield type("WalkHere", (Walk,), {"engine": engine, "vouchers": vouchers})
    engine.dispose()


def test_random_walks_stay_beside_the_model(walk: type[Walk]) -> None:
    run_state_machine_as_test(
        walk,
        settings=settings(max_examples=15, stateful_step_count=20, suppress_health_check=list(HealthCheck)),
    )
