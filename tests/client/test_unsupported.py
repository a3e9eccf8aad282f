"""A till that is older than what it is given."""

from __future__ import annotations

import pytest
from dealwright.till.freshness import Freshness
from dealwright.till.storage import replace
from dealwright.till.till import NothingInForce
from dealwright.v1.promotion_pb2 import ON_UNSUPPORTED_REFUSE_REVISION, ON_UNSUPPORTED_SKIP, Promotion
from dealwright.v1.result_pb2 import Reason, Result

from tests.client.bundles import Signatory
from tests.client.disks import Disk
from tests.client.sales import LATTES
from tests.client.test_till import NOON, Machine, opened, ruleset
from tests.definitions.samples import percent_off

SIGNATORY = Signatory()


def newer(percent: int, **parts: object) -> Promotion:
    """A promotion of a later rule language."""
    promotion = percent_off("newer", percent)
    promotion.MergeFrom(Promotion(rule_language=2, **parts))  # type: ignore[arg-type]
    return promotion


def in_group(promotion: Promotion, name: str) -> Promotion:
    promotion.stacking.groups.add(name=name)
    return promotion


def reasons(result: Result) -> dict[str, Reason.ValueType]:
    return {verdict.promotion_id: verdict.reason for verdict in result.verdicts}


def test_it_says_what_it_cannot_apply_and_what_that_blocks_after_a_restart_too() -> None:
    disk, clocks = Disk(), Machine()
    lunch = [
        in_group(newer(10), "lunch"),
        in_group(percent_off("richer", 50), "lunch"),
        percent_off("ten", 10),
    ]
    with opened(disk, SIGNATORY, clocks) as till:
        till.offer(SIGNATORY.bundle(ruleset(1, *lunch), issued=NOON))
        online = till.evaluate(LATTES)
    with opened(disk.after_power_cut(lucky=False), SIGNATORY, clocks) as till:
        offline, state = till.evaluate(LATTES), till.state

    assert offline == online
    assert reasons(offline) == {
        "newer": Reason.REASON_UNSUPPORTED,
        "richer": Reason.REASON_BLOCKED,
        "ten": Reason.REASON_APPLIED,
    }
    assert list(state.unsupported) == ["newer"]
    assert "rule language" in state.unsupported["newer"]
    assert (state.revision, state.refused) == (1, "")


def test_what_is_skipped_changes_no_price() -> None:
    with opened(Disk(), SIGNATORY, Machine()) as till:
        skipped = in_group(newer(10, on_unsupported=ON_UNSUPPORTED_SKIP), "lunch")
        richer = in_group(percent_off("richer", 50), "lunch")
        till.offer(SIGNATORY.bundle(ruleset(1, skipped, richer), issued=NOON))
        found = till.evaluate(LATTES)

    assert reasons(found) == {"newer": Reason.REASON_UNSUPPORTED, "richer": Reason.REASON_APPLIED}


def test_a_revision_that_it_has_to_refuse_leaves_the_last_good_one() -> None:
    disk, clocks = Disk(), Machine()
    refusing = newer(10, on_unsupported=ON_UNSUPPORTED_REFUSE_REVISION)
    with opened(disk, SIGNATORY, clocks) as till:
        till.offer(SIGNATORY.bundle(ruleset(1), issued=NOON))
        till.offer(SIGNATORY.bundle(ruleset(2, refusing, percent_off("ten", 90)), issued=NOON + 1))
        assert till.state.revision == 1
        assert till.state.refused.startswith("newer: promotions[0].rule_language: language_version: ")
        assert till.evaluate(LATTES).revision == 1
    with opened(disk.after_power_cut(lucky=False), SIGNATORY, clocks) as till:
        assert (till.state.revision, till.state.freshness) == (1, Freshness.FRESH)
        till.offer(SIGNATORY.bundle(ruleset(3), issued=NOON + 2))
        assert (till.state.revision, till.state.refused) == (3, "")


@pytest.mark.parametrize("expired", [False, True])
def test_an_older_engine_than_its_disk_has_nothing_in_force_until_there_is_another(expired: bool) -> None:
    """Whoever goes back to an older version of the till finds what the newer one has kept."""
    disk, clocks = Disk(), Machine()
    with opened(disk, SIGNATORY, clocks) as till:
        till.offer(SIGNATORY.bundle(ruleset(1), issued=NOON))
    refusing = newer(10, on_unsupported=ON_UNSUPPORTED_REFUSE_REVISION)
    kept = SIGNATORY.bundle(ruleset(2, refusing), issued=NOON + 1, lasts=0.5 if expired else 1000.0)
    replace(disk, "bundle", kept)
    clocks.now += 10
    with opened(disk, SIGNATORY, clocks) as till:
        assert (till.state.freshness, till.state.revision) == (Freshness.EMPTY, 0)
        assert till.state.refused
        with pytest.raises(NothingInForce):
            till.evaluate(LATTES)
        till.offer(SIGNATORY.bundle(ruleset(3), issued=NOON + 2))
        assert till.state.revision == 3
