"""What is sent ahead comes into force at its instant, on all tills at once, without a word from a server."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from dealwright.rule_stream.effects import Trust
from dealwright.till.clock import Reading
from dealwright.till.till import Till
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.promotion_pb2 import Promotion
from dealwright_engine import Ruleset as Compiled

from tests.client.bundles import Signatory
from tests.client.disks import Disk
from tests.client.sales import LATTES, lattes
from tests.client.test_till import NOON, Machine, opened, ruleset
from tests.definitions.samples import percent_off

SWITCH = NOON + 36_000.5
SHORT = 0.25
"""Seconds; like the instant it is exact in binary."""


@dataclass
class SetBack(Machine):
    """Somebody has set its clock back by an hour."""

    def read(self) -> Reading:
        return Reading(self.boot, self.elapsed(), self.now - 3600)


def scheduled() -> tuple[Promotion, Promotion]:
    """10 % until the instant, and 20 % from it on."""
    old, new = percent_off("old", 10), percent_off("new", 20)
    for instant in (old.schedule.end_time, new.schedule.start_time):
        instant.FromMilliseconds(int(SWITCH * 1000))
    return old, new


def applied(till: Till) -> list[str]:
    return [each.promotion_id for each in till.evaluate(LATTES).applications]


def connected_once(disk: Disk, clocks: Machine, signatory: Signatory, bundle: bytes) -> Till:
    """A till that a server told the rules and the time, and nothing since."""
    till = opened(disk, signatory, clocks)
    till._rules._do([Trust(NOON)])  # noqa: SLF001 - what the first frame of a stream does
    till.offer(bundle)
    assert applied(till) == ["old"]
    return till


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-3600.0, "old"), (-SHORT, "old"), (0.0, "new"), (SHORT, "new"), (3600.0, "new")],
)
@pytest.mark.parametrize("machine", [Machine, SetBack])
def test_tills_switch_at_the_instant_with_the_server(
    machine: type[Machine], seconds: float, expected: str
) -> None:
    signatory = Signatory()
    company = ruleset(2, *scheduled())
    bundle = signatory.bundle(company, issued=NOON)
    now = SWITCH + seconds

    clocks = machine()
    with connected_once(Disk(), clocks, signatory, bundle) as till:
        clocks.now = now
        going_on = till.evaluate(LATTES)
    clocks, disk = machine(), Disk()
    connected_once(disk, clocks, signatory, bundle).close()
    clocks.now = now
    with opened(disk, signatory, clocks) as till:
        started_again = till.evaluate(LATTES)

    request = EvaluateRequest(cart=lattes())
    request.evaluate_time.FromMilliseconds(int(now * 1000))
    server = Compiled.compile(company.SerializeToString()).evaluate(request.SerializeToString(), 0)
    answer = EvaluateResponse.FromString(server).result
    assert [each.promotion_id for each in answer.applications] == [expected]
    for result in (going_on, started_again):
        assert (result.totals, result.applications) == (answer.totals, answer.applications)
