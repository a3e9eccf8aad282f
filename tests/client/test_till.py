"""The till without a network: starts from its disk, prices, writes down, and refuses what isn't good."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from dealwright.errors import Invalid
from dealwright.rule_stream import Refused
from dealwright.till.clock import Reading
from dealwright.till.freshness import FRESH_SECONDS, Freshness, Terms, judge
from dealwright.till.journal import FILE, SENT_FILE, write_sent
from dealwright.till.machine import Clocks
from dealwright.till.salvage import DAMAGED_FILE, Salvage
from dealwright.till.storage import DiskFailed, InUse, Storage
from dealwright.till.till import NothingInForce, Till
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright_engine import Ruleset as Compiled
from google.protobuf.duration_pb2 import Duration

from tests.client.bundles import Signatory
from tests.client.disks import Crash, Disk, full
from tests.client.sales import LATTES
from tests.definitions.samples import jakarta_settings, percent_off
from tests.evaluation.requests import latte_request

NOON = 1_795_000_000.0
DAY = 86_400.0


@dataclass
class Machine(Clocks):
    """The clocks of a machine that a test sets."""

    now: float = NOON
    boot: str = "boot-1"

    def read(self) -> Reading:
        return Reading(self.boot, self.elapsed(), self.now)

    def elapsed(self) -> float:
        return self.now - NOON + 100


@pytest.fixture
def signatory() -> Signatory:
    return Signatory()


@pytest.fixture
def clocks() -> Machine:
    return Machine()


def ruleset(revision: int = 1, *promotions: Promotion) -> Ruleset:
    found = jakarta_settings()
    found.company_id, found.revision = "kopi", revision
    found.promotions.extend(promotions or [percent_off("ten", 10)])
    return found


@pytest.fixture
def disk(signatory: Signatory, clocks: Machine) -> Disk:
    """The disk of a till that has a bundle with 10 % off."""
    disk = Disk()
    with opened(disk, signatory, clocks) as till:
        till.offer(signatory.bundle(ruleset(), issued=NOON))
    return disk


def opened(disk: Storage, signatory: Signatory, clocks: Machine) -> Till:
    return Till("", "till-1", signatory.root_key, storage=disk, clocks=clocks)


def test_without_a_bundle_nothing_is_priced(signatory: Signatory, clocks: Machine) -> None:
    with opened(Disk(), signatory, clocks) as till:
        assert till.state.freshness is Freshness.EMPTY
        for price in (lambda: till.evaluate(LATTES), lambda: till.sell("s1", LATTES)):
            with pytest.raises(NothingInForce, match="connect the till once"):
                price()
        assert till.state.unsent == 0


def test_it_starts_from_its_disk(disk: Disk, signatory: Signatory, clocks: Machine) -> None:
    clocks.now += DAY
    with opened(disk.after_power_cut(lucky=False), signatory, clocks) as till:
        result = till.evaluate(LATTES, language="en")
        state = till.state

    assert (result.totals.payable_minor, result.evaluate_time.seconds) == (4_500_000, int(NOON + DAY))
    assert (state.freshness, state.revision, state.connected) == (Freshness.STALE, 1, False)


def test_it_gives_the_bytes_of_the_engine(disk: Disk, signatory: Signatory, clocks: Machine) -> None:
    request = latte_request().SerializeToString()
    with opened(disk, signatory, clocks) as till:
        answer = till.evaluate_bytes(request)
    assert answer == Compiled.compile(ruleset().SerializeToString()).evaluate(request, 0)


def test_a_sale_is_on_the_disk_before_its_receipt(disk: Disk, signatory: Signatory, clocks: Machine) -> None:
    with opened(disk, signatory, clocks) as till:
        receipt = till.sell("bill-1", LATTES)
        again = till.sell("bill-1", {**LATTES, "id": "another"})
        assert (receipt.sequence, till.state.unsent) == (1, 1)
        assert again == receipt
        survivor = disk.after_power_cut(lucky=False)

    with opened(survivor, signatory, clocks) as till:
        assert till.state.unsent == 1
        assert till.sell("bill-1", LATTES) == receipt
        assert till.sell("bill-2", LATTES).sequence == 2


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("lucky", [False, True])
def test_a_crash_in_a_sale_grants_once(
    disk: Disk, signatory: Signatory, clocks: Machine, step: int, lucky: bool
) -> None:
    till = opened(disk, signatory, clocks)
    till.sell("bill-1", LATTES)
    disk.fail_at = disk.steps + step
    with pytest.raises(Crash):
        till.sell("bill-2", LATTES)

    with opened(disk.after_power_cut(lucky=lucky), signatory, clocks) as again:
        receipt = again.sell("bill-2", LATTES)
        mended = again._journal.mending() is not None  # noqa: SLF001 - a record of its own
        assert receipt.sequence == (3 if mended else 2)
        assert again.sell("bill-2", LATTES) == receipt


def test_a_full_disk_grants_nothing(disk: Disk, signatory: Signatory, clocks: Machine) -> None:
    with opened(disk, signatory, clocks) as till:
        disk.fail_at, disk.failure = disk.steps + 1, full()
        with pytest.raises(DiskFailed, match="No space left"):
            till.sell("bill-1", LATTES)
        assert till.state.unsent == 0
        assert till.sell("bill-1", LATTES).sequence == 1


@pytest.mark.parametrize("lucky", [False, True])
@pytest.mark.parametrize("step", range(1, 13))
def test_a_crash_while_a_bundle_is_taken_leaves_the_old_or_the_new_one(
    disk: Disk, signatory: Signatory, clocks: Machine, step: int, lucky: bool
) -> None:
    till = opened(disk, signatory, clocks)
    disk.fail_at = disk.steps + step
    newer = signatory.bundle(ruleset(2, percent_off("ten", 20)), issued=NOON)
    try:
        till.offer(newer)
    except Crash:
        pass
    else:
        # Keys, a bundle and a high water were written in fewer steps.
        assert step > 8

    with opened(disk.after_power_cut(lucky=lucky), signatory, clocks) as again:
        paid = again.evaluate(LATTES).totals.payable_minor
        assert (again.state.revision, paid) in ((1, 4_500_000), (2, 4_000_000))
        again.offer(newer)
        assert again.evaluate(LATTES).totals.payable_minor == 4_000_000


def test_a_full_disk_keeps_the_bundle_that_is_there(
    disk: Disk, signatory: Signatory, clocks: Machine
) -> None:
    with opened(disk, signatory, clocks) as till:
        disk.fail_at, disk.failure = disk.steps + 1, full()
        till.offer(signatory.bundle(ruleset(2, percent_off("ten", 20)), issued=NOON))
        assert "disk" in till.state.refused
        assert till.evaluate(LATTES).totals.payable_minor == 4_500_000


def bad_bundles(signatory: Signatory) -> dict[str, bytes]:
    good = signatory.bundle(ruleset(2, percent_off("ten", 20)), issued=NOON)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    return {
        "empty": b"",
        "garbage": b"\xff" * 99,
        "truncated": good[:-7],
        "tampered": bytes(flipped),
        "foreign key": Signatory().bundle(ruleset(2), issued=NOON),
        "foreign scope": signatory.bundle(ruleset(2), issued=NOON, store_ids=("other",)),
        "expired": signatory.bundle(ruleset(2), issued=NOON - 10, lasts=5),
        "replayed": signatory.bundle(ruleset(0), issued=NOON),
        "future format": signatory.bundle(ruleset(2), issued=NOON, message_format=2),
    }


@pytest.mark.parametrize("bad", bad_bundles(Signatory()))
def test_a_bad_bundle_is_refused_keeping_the_good_one(
    disk: Disk, signatory: Signatory, clocks: Machine, bad: str
) -> None:
    with opened(disk, signatory, clocks) as till:
        with pytest.raises(Refused):
            till.offer(bad_bundles(signatory)[bad])
        assert till.evaluate(LATTES).totals.payable_minor == 4_500_000
    with opened(disk.after_power_cut(lucky=True), signatory, clocks) as till:
        assert till.state.revision == 1


def test_a_bundle_that_rots_on_the_disk_is_not_used(
    disk: Disk, signatory: Signatory, clocks: Machine
) -> None:
    data = bytearray(disk.read("bundle"))
    data[len(data) // 2] ^= 1
    rotten = Disk({**{name: each.seen for name, each in disk.names.items()}, "bundle": bytes(data)})
    with opened(rotten, signatory, clocks) as till:
        assert till.state.freshness is Freshness.EMPTY
        assert till.state.refused


def test_an_edited_journal_is_set_aside_and_told(disk: Disk, signatory: Signatory, clocks: Machine) -> None:
    with opened(disk, signatory, clocks) as till:
        for number in range(3):
            till.sell(f"bill-{number}", LATTES)
    data = bytearray(disk.read(FILE))
    data[200] ^= 1
    disk.names[FILE].seen = disk.names[FILE].certain = bytes(data)

    with opened(disk, signatory, clocks) as till:
        assert "damaged at entry 1" in till.state.journal_problem
        assert till.sell("bill-9", LATTES).sequence == 1
    assert disk.read(DAMAGED_FILE) == bytes(data)


def test_what_is_good_of_a_damaged_journal_waits_for_a_server(
    disk: Disk, signatory: Signatory, clocks: Machine
) -> None:
    with opened(disk, signatory, clocks) as till:
        for number in range(5):
            till.sell(f"bill-{number}", LATTES)
    write_sent(disk, SENT_FILE, 1)
    data = bytearray(disk.read(FILE))
    # In the last entry but one, of which an entry has about a fifth of the file.
    data[len(data) * 7 // 10] ^= 1
    disk.names[FILE].seen = disk.names[FILE].certain = bytes(data)

    with opened(disk, signatory, clocks) as till:
        assert "damaged at entry 4" in till.state.journal_problem
        salvage = Salvage(disk)
        place, entries = salvage.pending(100, 1_000_000)
        assert (place.sequence, len(entries), till.state.unsent) == (1, 2, 2)
        till.sell("bill-9", LATTES)
    # That the first journal was uploaded up to its first entry says nothing of the second one.
    with opened(disk, signatory, clocks) as till:
        assert till.state.unsent == 3
        salvage.note_sent(3)
    with opened(disk, signatory, clocks) as till:
        assert till.state.unsent == 1


def test_a_damaged_journal_without_a_head_holds_nothing(
    disk: Disk, signatory: Signatory, clocks: Machine
) -> None:
    with opened(disk, signatory, clocks) as till:
        till.sell("bill-1", LATTES)
    disk.names[FILE].seen = disk.names[FILE].certain = b"?" + disk.read(FILE)[1:]
    with opened(disk, signatory, clocks) as till:
        assert till.state.journal_problem
        assert till.state.unsent == 0


def test_a_request_is_refused_as_a_server_would(disk: Disk, signatory: Signatory, clocks: Machine) -> None:
    with opened(disk, signatory, clocks) as till:
        for price in (till.evaluate, lambda cart: till.sell("s", cart)):
            with pytest.raises(Invalid) as refused:
                price({**LATTES, "currency_code": "XXQ"})
            assert refused.value.violations[0].field == "cart.currency_code"
        assert till.state.unsent == 0


def test_a_folder_belongs_to_one_till(tmp_path: object, signatory: Signatory) -> None:
    with (
        Till(str(tmp_path), "till-1", signatory.root_key),
        pytest.raises(InUse),
    ):
        Till(str(tmp_path), "till-2", signatory.root_key)
    Till(str(tmp_path), "till-1", signatory.root_key).close()


def staying(promotion_id: str, *, staleness: int | None = None, beyond: bool = False) -> Promotion:
    promotion = percent_off(promotion_id, 10)
    promotion.offline.beyond_expiry = beyond
    if staleness is not None:
        promotion.offline.max_staleness.CopyFrom(Duration(seconds=staleness))
    return promotion


def test_promotions_end_one_by_one_without_news(signatory: Signatory, clocks: Machine) -> None:
    three = ruleset(1, staying("hour", staleness=3600), staying("bundle"), staying("ever", beyond=True))
    disk = Disk()
    seen = []
    with opened(disk, signatory, clocks) as till:
        till.offer(signatory.bundle(three, issued=NOON, lasts=DAY))
        for passed in (0, 46, 3600, 3601, DAY - 1, DAY, 30 * DAY):
            clocks.now = NOON + passed
            result = till.evaluate(LATTES)
            seen.append((till.state.freshness.value, sorted(a.promotion_id for a in result.applications)))
        sold = till.sell("late", LATTES)

    everything, rest = ["bundle", "ever", "hour"], ["bundle", "ever"]
    assert seen == [
        ("fresh", everything),
        ("stale", everything),
        ("stale", everything),
        ("degraded", rest),
        ("degraded", rest),
        ("expired", ["ever"]),
        ("expired", ["ever"]),
    ]
    assert [application.promotion_id for application in sold.result.applications] == ["ever"]

    with opened(disk.after_power_cut(lucky=True), signatory, clocks) as again:
        result = again.evaluate(LATTES)
        assert again.state.freshness is Freshness.EXPIRED
        assert [application.promotion_id for application in result.applications] == ["ever"]
        entry = again._journal.sale("late")  # noqa: SLF001 - what an upload would bring
        assert entry is not None
        assert list(entry.record.sale.left_out_ids) == ["bundle", "hour"]


def test_turning_the_clock_back_brings_nothing_back(signatory: Signatory, clocks: Machine) -> None:
    disk = Disk()
    with opened(disk, signatory, clocks) as till:
        till.offer(signatory.bundle(ruleset(), issued=NOON, lasts=DAY))
        clocks.now = NOON + 2 * DAY
        assert till.state.freshness is Freshness.EXPIRED
    clocks.now, clocks.boot = NOON, "boot-2"
    with opened(disk, signatory, clocks) as till:
        assert till.state.freshness is Freshness.EXPIRED
        assert till.evaluate(LATTES).totals.discount_minor == 0


@pytest.mark.fault(
    "a till whose clock has no battery, and that gets bundles as files alone", "it takes the time of these"
)
def test_a_bundle_from_a_file_tells_how_late_it_is_at_least(signatory: Signatory, clocks: Machine) -> None:
    def told(till: Till) -> float:
        return till.evaluate(LATTES).evaluate_time.seconds

    clocks.now = NOON - 365 * DAY
    disk = Disk()
    with opened(disk, signatory, clocks) as till:
        till.offer(signatory.bundle(ruleset(1), issued=NOON))
        assert told(till) == NOON
        # A newer revision whose server had a clock that was behind, and one that is older.
        till.offer(signatory.bundle(ruleset(2), issued=NOON - DAY))
        with pytest.raises(Refused):
            till.offer(signatory.bundle(ruleset(1), issued=NOON + DAY))
        assert (told(till), till.state.revision, till.state.clock_suspect) == (NOON, 2, True)
    # Of all files only the bundle is left.
    bundle = disk.read("bundle")
    clocks.now, clocks.boot = NOON - 365 * DAY, "boot-2"
    with opened(Disk({"bundle": bundle}), signatory, clocks) as till:
        assert told(till) == NOON - DAY


def test_what_holds_at_certain_times_needs_a_sure_clock_where_that_is_wanted() -> None:
    terms = Terms(timed=frozenset({"lunch"}), every=frozenset({"lunch", "ten"}))
    judged = judge(terms, news_time=NOON, expire_time=NOON + DAY, now=NOON, distrusted=True)
    assert (judged.freshness, judged.left_out) == (Freshness.DEGRADED, frozenset({"lunch"}))


def test_a_judgement_lasts_until_something_changes() -> None:
    terms = Terms(max_staleness={"a": 100.0})
    moments = [NOON, NOON + FRESH_SECONDS, NOON + 101]
    untils = [judge(terms, news_time=NOON, expire_time=NOON + DAY, now=now).until for now in moments]
    assert untils[0] == NOON + FRESH_SECONDS
    assert NOON + 100 < untils[1] < NOON + 100.001
    assert untils[2] == NOON + DAY


def test_zero_staleness_needs_a_connection() -> None:
    terms = Terms(max_staleness={"a": 0.0})
    assert judge(terms, news_time=NOON, expire_time=NOON + DAY, now=NOON + 0.1).left_out == {"a"}
