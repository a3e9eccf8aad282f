"""What the soak takes for growth, and what it doesn't."""

import random
from collections.abc import Callable

import pytest

from benchmarks.soak import HOURS, SAMPLES, Sample, growths

VISITS = 5_000
"""Of a day."""

MIB = 1024


def a_day(
    *,
    visits: int = VISITS,
    kib: Callable[[float], float] = lambda hour: 0.0,
    descriptors: Callable[[float], float] = lambda hour: 0.0,
    threads: Callable[[float], float] = lambda hour: 0.0,
) -> list[str]:
    """What is found to grow on a day on which memory and descriptors wander, and something comes on top."""
    chance = random.Random(1)
    samples = [
        Sample(
            hour,
            int(visits * hour / HOURS),
            170 * MIB + chance.uniform(0, MIB) + kib(hour),
            30 + chance.randrange(8) + descriptors(hour),
            24 + threads(hour),
        )
        for hour in (HOURS * number / SAMPLES for number in range(SAMPLES + 1))
    ]
    return [growth.bound.name for growth in growths(samples) if not growth.flat]


def visits_until(hour: float, visits: int = VISITS) -> float:
    return visits * hour / HOURS


def test_what_wanders_does_not_grow() -> None:
    assert a_day() == []


def test_what_a_process_needs_once_is_no_growth() -> None:
    assert a_day(kib=lambda hour: 40 * MIB * min(hour, 6) / 6, threads=lambda hour: min(hour, 8)) == []


def test_a_kibibyte_lost_in_one_call_of_a_visit_is_found() -> None:
    assert a_day(kib=visits_until) == ["KiB of memory"]


def test_a_kibibyte_lost_in_each_call_is_found_on_a_slow_machine() -> None:
    assert a_day(visits=500, kib=lambda hour: 10 * visits_until(hour, 500)) == ["KiB of memory"]


def test_half_of_that_is_within_the_bound() -> None:
    assert a_day(kib=lambda hour: 0.4 * visits_until(hour)) == []


@pytest.mark.parametrize("share", [0.02, 1.0])
def test_a_descriptor_lost_in_one_of_fifty_visits_is_found(share: float) -> None:
    assert a_day(descriptors=lambda hour: share * visits_until(hour)) == ["descriptors"]


def test_threads_that_stay_are_found() -> None:
    assert a_day(threads=lambda hour: 0.02 * visits_until(hour)) == ["threads"]


def test_a_day_without_visits_is_no_reason_to_fail() -> None:
    assert a_day(visits=0) == []


def test_a_machine_that_was_busy_at_first_warms_up_later() -> None:
    done = [int(max(0, number - SAMPLES / 2) * 10) for number in range(SAMPLES + 1)]
    samples = [
        Sample(HOURS * number / SAMPLES, visits, 10 * MIB * min(visits, 500) / 500, 30, 24)
        for number, visits in enumerate(done)
    ]
    assert all(growth.flat for growth in growths(samples))


def test_a_machine_that_stood_still_until_the_end_fails_nothing() -> None:
    samples = [Sample(HOURS * number / SAMPLES, 0, 0, 30, 24) for number in range(SAMPLES)]
    assert all(growth.flat for growth in growths([*samples, Sample(HOURS, 9, 1 * MIB, 30, 24)]))
