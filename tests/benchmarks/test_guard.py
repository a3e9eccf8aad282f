"""The regression guard: what the committed baseline and the benchmarks promise each other."""

import json
from collections import Counter

import pytest

from benchmarks.guard import BASELINE, comparison, read_baseline, regressions, strangers
from benchmarks.page import PAGE, subjects_of, with_missed, with_tables
from benchmarks.ratios import Measured, Ratio, ratio_table
from benchmarks.subjects import MODULES, subject

NAMES = [ratio.name for name in MODULES for ratio in subject(name).ratios]


def test_the_baseline_names_every_ratio_and_no_other() -> None:
    assert Counter(NAMES) == Counter(list(read_baseline()))


def test_the_baseline_holds_ratios_and_tolerances_alone() -> None:
    kept = json.loads(BASELINE.read_text())
    assert {tuple(each) for each in kept.values()} == {("ratio", "tolerance")}


def test_what_is_as_it_was_passes() -> None:
    baseline = read_baseline()
    assert regressions(baseline, {name: kept.ratio for name, kept in baseline.items()}) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_ratio_that_doubles_is_a_regression(name: str) -> None:
    baseline = read_baseline()
    measured = {each: kept.ratio for each, kept in baseline.items()}
    measured[name] *= 2
    assert regressions(baseline, measured) == [name]
    assert [line for line in comparison(baseline, measured).splitlines() if "REGRESSION" in line] == [
        line for line in comparison(baseline, measured).splitlines() if line.startswith(f"| {name} ")
    ]


def test_a_ratio_that_only_one_side_knows_is_named() -> None:
    baseline = read_baseline()
    gone = NAMES[0]
    assert strangers(baseline, NAMES) == []
    assert strangers(baseline, {*NAMES, "new"} - {gone}) == sorted(["new", gone])


def test_every_subject_has_its_place_on_the_page() -> None:
    assert subjects_of(PAGE.read_text()) == list(MODULES)


def test_new_tables_replace_those_of_their_subject_alone() -> None:
    text = "".join(f"<!-- make bench B={name} -->\n\n| {name} |\n\n<!-- end -->\n" for name in ("one", "two"))
    assert with_tables(text, "two", "| new |\n") == text.replace("| two |", "| new |")


def test_the_page_lists_what_its_tables_say_is_not_reached() -> None:
    ratios = [
        Ratio("slow", lambda: Measured(3.0, 1.0), wanted=2),
        Ratio("fast", lambda: Measured(1.0, 1.0), wanted=2),
        Ratio("watched", lambda: Measured(9.0, 1.0)),
    ]
    text = f"<!-- not reached -->\nold\n<!-- end -->\n{ratio_table(ratios)}"
    listed = with_missed(text).split("<!-- end -->")[0]
    assert listed == "<!-- not reached -->\n\n- slow: 3.00, at most 2 wanted\n\n"


def test_the_page_is_up_to_date_with_its_own_tables() -> None:
    assert with_missed(PAGE.read_text()) == PAGE.read_text()
