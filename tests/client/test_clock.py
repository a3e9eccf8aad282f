"""The time that a till believes: told by a server, carried on by what nobody can set, never going back."""

import pytest
from dealwright.till.clock import AHEAD_SECONDS_MAX, ClockState, Reading, TrustedClock
from hypothesis import given
from hypothesis import strategies as st

NOON = 1_800_000_000.0
YEAR = 365 * 86_400.0


def after_contact() -> ClockState:
    """A till that a server told the time at 100 s of its first start, and that ran for 50 s more."""
    clock = TrustedClock(None, 0.0, Reading("boot-1", 90.0, NOON + 7))
    clock.heard(NOON, Reading("boot-1", 100.0, NOON + 7))
    return clock.state(Reading("boot-1", 150.0, NOON + 57))


def test_a_server_tells_the_time_and_it_goes_on() -> None:
    state = after_contact()
    assert (state.server_time, state.suspect) == (NOON, False)
    assert state.trusted >= NOON + 50


def test_before_any_contact_the_time_is_suspect() -> None:
    state = TrustedClock(None, 0.0, Reading("b", 1.0, NOON)).state(Reading("b", 2.0, NOON))
    assert (state.trusted, state.server_time, state.suspect) == (NOON + 1, 0.0, True)


@pytest.mark.fault("clock of a till set", "its time goes on as it was")
@pytest.mark.parametrize("wall", [0.0, NOON - YEAR, NOON + YEAR])
def test_nobody_changes_the_time_by_setting_the_clock(wall: float) -> None:
    clock = TrustedClock(after_contact(), 0.0, Reading("boot-1", 200.0, wall))
    state = clock.state(Reading("boot-1", 260.0, wall))
    assert state.trusted == after_contact().trusted + 110
    assert not state.suspect


@pytest.mark.parametrize("wall", [0.0, NOON - YEAR, NOON])
def test_after_a_restart_it_never_goes_back(wall: float) -> None:
    state = TrustedClock(after_contact(), 0.0, Reading("boot-2", 5.0, wall)).state(
        Reading("boot-2", 5.0, wall)
    )
    assert state.trusted == after_contact().trusted
    assert not state.suspect


def test_after_a_restart_a_clock_that_is_a_little_ahead_is_believed() -> None:
    kept = after_contact()
    wall = kept.trusted + AHEAD_SECONDS_MAX
    state = TrustedClock(kept, 0.0, Reading("boot-2", 5.0, wall)).state(Reading("boot-2", 6.0, wall))
    assert (state.trusted, state.suspect) == (wall + 1, False)


def test_after_a_restart_a_clock_that_is_far_ahead_is_suspect_until_a_server_speaks() -> None:
    kept = after_contact()
    wall = kept.trusted + AHEAD_SECONDS_MAX + 1
    clock = TrustedClock(kept, 0.0, Reading("boot-2", 5.0, wall))
    assert clock.state(Reading("boot-2", 5.0, wall)).suspect
    again = TrustedClock(clock.state(Reading("boot-2", 6.0, wall)), 0.0, Reading("boot-3", 1.0, wall + 60))
    assert again.state(Reading("boot-3", 1.0, wall)).suspect
    again.heard(wall + 100, Reading("boot-3", 2.0, wall))
    assert not again.state(Reading("boot-3", 3.0, wall)).suspect


def test_a_server_that_is_behind_does_not_turn_it_back() -> None:
    clock = TrustedClock(after_contact(), 0.0, Reading("boot-1", 150.0, 0.0))
    before = clock.state(Reading("boot-1", 150.0, 0.0)).trusted
    clock.heard(NOON - 3600, Reading("boot-1", 151.0, 0.0))
    state = clock.state(Reading("boot-1", 151.0, 0.0))
    assert (state.trusted, state.server_time) == (before + 1, NOON)


def test_what_the_journal_says_has_passed_has_passed() -> None:
    reading = Reading("boot-2", 5.0, 0.0)
    assert TrustedClock(None, NOON, reading).state(reading).trusted == NOON


def test_what_was_signed_has_passed_and_says_no_more() -> None:
    here = Reading("boot-2", 5.0, NOON - YEAR)
    clock = TrustedClock(None, 0.0, here)
    clock.passed(NOON, here)
    clock.passed(NOON - 1, here)
    state = clock.state(here)
    assert (state.trusted, state.server_time, state.suspect) == (NOON, 0.0, True)
    # Nor does it make a time suspect that a server has told.
    clock.heard(NOON + 50, here)
    clock.passed(NOON + 60, here)
    state = clock.state(here)
    assert (state.trusted, state.server_time, state.suspect) == (NOON + 60, NOON + 50, False)


def test_a_machine_without_a_boot_id_is_always_another() -> None:
    kept = ClockState("", 1000.0, NOON, NOON, suspect=False)
    reading = Reading("", 5.0, NOON + 60)
    assert TrustedClock(kept, 0.0, reading).state(reading).trusted == NOON + 60


def test_its_file_is_read_back_and_a_broken_one_is_none() -> None:
    state = after_contact()
    assert ClockState.read(state.encoded()) == state
    assert ClockState.read(b"") is None
    assert ClockState.read(state.encoded()[:20]) is None


Step = tuple[float, float, int]
steps = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 4e9), st.integers(0, 3)), min_size=1, max_size=30)


@given(steps)
def test_whatever_happens_it_never_goes_back(steps: list[Step]) -> None:
    """Restarts, set clocks, lying servers and bundles in any order."""
    boot, elapsed, shown = 0, 0.0, 0.0
    clock = TrustedClock(None, 0.0, Reading("0", 0.0, 0.0))
    for passed, wall, what in steps:
        elapsed += passed
        if what == 0:
            kept = ClockState.read(clock.state(Reading(str(boot), elapsed, wall)).encoded())
            boot, elapsed = boot + 1, 0.0
            clock = TrustedClock(kept, 0.0, Reading(str(boot), elapsed, wall))
        elif what == 1:
            clock.heard(wall, Reading(str(boot), elapsed, wall))
        elif what == 2:
            clock.passed(wall, Reading(str(boot), elapsed, wall))
        now = clock.state(Reading(str(boot), elapsed, wall)).trusted
        assert now >= shown
        shown = now
