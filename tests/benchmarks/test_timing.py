"""What the benchmarks make of the times that they take."""

import pytest

from benchmarks.catalogue import bills, rules, rules_of_no_cart
from benchmarks.loops import indexed, naive
from benchmarks.markdown import table
from benchmarks.timing import Calls, Times, measure


def test_percentiles_are_over_inputs() -> None:
    times = Times([float(value) for value in range(1, 201)])
    assert (times.p50, times.p99, times.max, times.has_p99) == (100, 198, 200, True)
    assert not Times([1.0]).has_p99


def test_contenders_take_turns_on_all_their_inputs() -> None:
    taken: list[str] = []
    first, second = (Calls(taken.append, inputs) for inputs in (["a", "b"], ["c"]))
    times = measure([first, second], seconds=0)
    assert [len(each.shortest) for each in times] == [2, 1]
    assert taken[:2] == ["a", "b"]
    assert taken.index("c") < len(taken) - taken[::-1].index("a") - 1


@pytest.mark.parametrize("count", [10, 1000])
def test_both_loops_find_the_same(count: int) -> None:
    by_index, by_loop = indexed(rules(count)), naive(rules(count))
    carts = bills(20, 20)
    found = [sorted(by_index(bill)) for bill in carts]
    assert found == [sorted(by_loop(bill)) for bill in carts]
    assert count == 10 or any(found)


def test_cold_promotions_match_no_cart() -> None:
    by_loop = naive(rules_of_no_cart(1000))
    assert [by_loop(bill) for bill in bills(20, 20)] == [[]] * 20


def test_words_stand_left_and_numbers_right() -> None:
    assert table(("name", "us"), [("long name", 1234.5), ("b", 0.25)]).splitlines() == [
        "| name      |    us |",
        "| --------- | ----: |",
        "| long name | 1 234 |",
        "| b         |  0.25 |",
    ]
