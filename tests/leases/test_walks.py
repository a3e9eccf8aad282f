"""Random walks of two tills and a server: lost answers, crashes, clocks that lag, and orders in between.

The model is what was granted: the sales that tills' disks have, and the orders of the server.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Collection, Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
from dealwright.errors import CallFailed, Unavailable
from dealwright.grants import Grant
from dealwright.till.journal import Journal
from dealwright.till.leases import Leases
from dealwright.till.leasing import Demands, Leaser
from dealwright.till.limits import Limited
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.journal_pb2 import JournalClosing, JournalRecord
from dealwright.v1.journal_service_pb2 import UploadJournalRequest
from dealwright.v1.lease_service_pb2 import RenewLeasesRequest, RenewLeasesResponse
from dealwright.v1.lease_service_pb2_grpc import LeaseServiceStub
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import text

from server.db.engine import connect
from server.leases.reclaiming import reclaim_overdue
from server.redemption import invariants
from server.redemption.limits import Account
from server.redemption.placing import Outcome, Placement, place
from tests.access.calls import owner
from tests.client.disks import Crash, Disk
from tests.leases.lender import TILL, Lender, sale
from tests.redemption.shop import COMPANY, OFF_MINOR, limited

LIMIT = 12
CART = Cart(currency_code="IDR", store_id="menteng")
PATIENCE_SECONDS = 100.0
"""What passes before a till asks again."""

faults = st.sampled_from(["none", "none", "none", "cut", "lost"])
"""cut: a call doesn't arrive; lost: its answer doesn't."""

_numbers = itertools.count()


class WalkingTill:
    """A till's disk and what stands on it, with a network that fails as it is told."""

    def __init__(self, lender: Lender, device_id: str, promotion_id: str) -> None:
        self._lender = lender
        self._device_id = device_id
        self._promotion_id = promotion_id
        self._limited = {promotion_id: Limited(counts=True, currencies=frozenset())}
        self._waited = 1.0
        self._lock = threading.Lock()
        self.disk = Disk()
        self.fault = "none"
        self.granted: set[str] = set()
        """Sales of which a receipt was printed with the offer."""
        self.start()

    def start(self) -> None:
        self._journal = Journal(self.disk)
        mending = self._journal.mending()
        if mending is not None:
            self._journal.append(JournalRecord(mending=mending))
        journal = self._journal
        self._leases = Leases(self.disk, journal.journal_id, journal.begin, journal.entries)
        self._demands = Demands(["menteng"])
        self._leaser = Leaser(
            cast("LeaseServiceStub", self),
            self._leases,
            self._demands,
            journal,
            self._lock,
            self._device_id,
            current=lambda: (self._limited, self._now()),
            close_leases=self._close,
            upload=self.upload,
        )

    def crash(self, *, lucky: bool) -> None:
        self.disk = self.disk.after_power_cut(lucky=lucky)
        self.start()

    def sell(self) -> None:
        sale_id = f"sale-{next(_numbers)}"
        (state,) = self._leases.limit_state(self._limited, CART, self._now()).promotions
        made = sale(sale_id, [], promotion=self._promotion_id)
        if state.leased_uses_left == 0:
            del made.result.applications[:]
        made.lease_ids.extend(self._leases.taken_by(self._limited, made, self._now()))
        self._journal.append(JournalRecord(sale=made))
        self._leases.spend(made)
        if made.lease_ids:
            self.granted.add(sale_id)

    def renew(self) -> None:
        self._waited += PATIENCE_SECONDS
        self._leaser.renew()

    def close(self) -> None:
        held = [held.lease.lease_id for held in self._leases.held().values()]
        if held:
            self._close(held)

    def upload(self) -> None:
        """Everything that no server has, in pieces of three."""
        while True:
            before, entries = self._journal.pending(3, 1 << 20)
            if not entries:
                return
            request = UploadJournalRequest(
                device_id=self._device_id,
                journal_id=self._journal.journal_id,
                previous_hash=before.hash,
                entries=entries,
            )
            taken = self._called(lambda request=request: self._lender.journals.upload(TILL, request))
            self._journal.note_sent(taken.place.sequence)

    def certain(self) -> set[str]:
        """The sales with the offer that the disk has."""
        return {entry.record.sale.sale_id for entry in self._journal.entries if entry.record.sale.lease_ids}

    def RenewLeases(self, request: RenewLeasesRequest) -> RenewLeasesResponse:  # noqa: N802 - of the schema
        return cast("RenewLeasesResponse", self._called(lambda: self._lender.leases.renew(TILL, request)))

    def _called(self, act: Any) -> Any:
        if self.fault == "cut":
            raise Unavailable("cut")
        answer = act()
        if self.fault == "lost":
            raise Unavailable("lost")
        return answer

    def _close(self, lease_ids: Collection[str]) -> None:
        self._journal.append(JournalRecord(closing=JournalClosing(lease_ids=lease_ids)))
        self._leases.drop(lease_ids, self._journal.place)

    def _now(self) -> float:
        return time.time() + self._waited


class Walk(RuleBasedStateMachine):
    """One limit of 12 uses; the bound is that, and more only of leases that were taken back."""

    lender: Lender

    def __init__(self) -> None:
        super().__init__()
        name = f"offer-{next(_numbers)}"
        self.account = Account(name, "total", "", "use")
        self.lender.publish(limited(name, max_uses=LIMIT))
        self.tills = [WalkingTill(self.lender, f"till-{number}-{name}", name) for number in range(2)]
        self.ordered = 0
        self.reclaimed = False

    @rule(which=st.integers(0, 1), count=st.integers(1, 4))
    def sell(self, which: int, count: int) -> None:
        for _ in range(count):
            self.tills[which].sell()

    @rule(which=st.integers(0, 1), fault=faults)
    def renew(self, which: int, fault: str) -> None:
        self._try(self.tills[which], fault, self.tills[which].renew)

    @rule(which=st.integers(0, 1), fault=faults)
    def upload(self, which: int, fault: str) -> None:
        self._try(self.tills[which], fault, self.tills[which].upload)

    @rule(which=st.integers(0, 1))
    def close(self, which: int) -> None:
        self.tills[which].close()

    @rule(which=st.integers(0, 1), lucky=st.booleans())
    def crash(self, which: int, lucky: bool) -> None:
        self.tills[which].crash(lucky=lucky)

    @rule(which=st.integers(0, 1), step=st.integers(1, 8), lucky=st.booleans(), renewing=st.booleans())
    def crash_in_the_middle(self, which: int, step: int, lucky: bool, renewing: bool) -> None:
        till = self.tills[which]
        till.disk.fail_at = till.disk.steps + step
        try:
            till.renew() if renewing else till.sell()
        except Crash:
            till.crash(lucky=lucky)
        till.disk.fail_at = 0

    @rule()
    def order(self) -> None:
        number = next(_numbers)
        wanted = Placement(
            id=uuid4(),
            principal="shop",
            token_id="",
            key=f"key-{number}",
            method="Redeem",
            request_hash=bytes(32),
            store_id="",
            order_id=f"order-{number}",
            customer_id="",
            revision=1,
            currency_code="IDR",
            discount_minor=OFF_MINOR,
            payable_minor=OFF_MINOR,
            lifetime_seconds=None,
            request=b"",
            result=b"",
            response=b"answer",
            granted=[Grant(self.account.promotion_id, OFF_MINOR, OFF_MINOR)],
            needs={self.account: 1},
            limits={self.account: LIMIT},
        )
        with self.lender.engine.begin() as connection:
            (placed,) = place(connection, COMPANY, [wanted])
        self.ordered += placed.outcome is Outcome.PLACED

    @rule()
    def wait_too_long(self) -> None:
        self.lender.let_pass("97 hours")
        self.reclaimed = reclaim_overdue(self.lender.engine) > 0 or self.reclaimed

    def teardown(self) -> None:
        for till in self.tills:
            till.fault = "none"
            till.upload()
            assert till.granted <= till.certain()
        granted = self.ordered + sum(len(till.certain()) for till in self.tills)
        with self.lender.engine.connect() as connection:
            posted, overrun = connection.execute(
                text(
                    "SELECT coalesce(sum(posted), 0), coalesce(sum(overrun), 0) FROM limit_account"
                    " WHERE promotion_id = :id"
                ),
                {"id": self.account.promotion_id},
            ).one()
        assert posted <= LIMIT
        assert posted + overrun == granted
        assert overrun == 0 or self.reclaimed
        for till in self.tills:
            till.close()
            till.upload()
        with self.lender.engine.connect() as connection:
            broken = [
                each
                for each in invariants.violations(connection)
                if each.invariant.name != "revision_existed"
            ]
        assert list(map(str, broken)) == []

    @staticmethod
    def _try(till: WalkingTill, fault: str, act: Any) -> None:
        till.fault = fault
        try:
            act()
        except CallFailed:
            assert fault != "none"
        till.fault = "none"


@pytest.fixture
def walk(database_url: str) -> Iterator[type[Walk]]:
    """The walk on a fresh database, without a network."""
    engine = connect(database_url)
    lender = Lender(engine)
    lender.definitions.create_company(owner())
    yield type("WalkHere", (Walk,), {"lender": lender})
    engine.dispose()


def test_random_walks_never_grant_more_than_there_is(walk: type[Walk]) -> None:
    run_state_machine_as_test(
        walk,
        settings=settings(max_examples=20, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )
