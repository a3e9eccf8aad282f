"""The checker of histories is checked itself: legal ones pass, and each way of being wrong is found."""

from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.redemption.histories import Operation, Seen, is_legal

G, R, U = Seen.GRANTED, Seen.REFUSED, Seen.UNKNOWN


def after_another(*seen: Seen, amounts: tuple[int, ...] = ()) -> list[Operation]:
    """Operations that don't overlap."""
    times = pairwise(range(len(seen) + 1))
    given_amounts = amounts or (1,) * len(seen)
    return [
        Operation(begin, end - 0.5, one, amount)
        for (begin, end), one, amount in zip(times, seen, given_amounts, strict=True)
    ]


def at_once(*seen: Seen) -> list[Operation]:
    return [Operation(0, 1, one) for one in seen]


LEGAL = {
    "nothing": ([], 1),
    "up to the limit": (after_another(G, G, R), 2),
    "at once": (at_once(R, G, R, G), 2),
    "unknown took effect": (after_another(U, R), 1),
    "unknown never took effect": (after_another(U, G), 1),
    "unknown took effect later": ([Operation(0, 1, U), Operation(2, 3, G), Operation(4, 5, R)], 2),
    "given back": (after_another(G, R, G, G, amounts=(1, 1, -1, 1)), 1),
}

ILLEGAL = {
    "over-granted": (after_another(G, G, G), 2),
    "over-granted at once": (at_once(G, G, G), 2),
    "refused while something was left": (after_another(G, R), 2),
    "refused before anybody took": (after_another(R, G), 1),
    "two unknown can't explain three": (at_once(U, U, R, R), 3),
    "a success was lost": (after_another(G, R, G, amounts=(1, 1, 1)), 1),
    "given back twice": (after_another(G, G, G, amounts=(1, -1, -1)), 1),
    "granted before it was given back": (
        [Operation(0, 1, G), Operation(2, 3, G), Operation(4, 5, G, -1)],
        1,
    ),
}


@pytest.mark.parametrize(("history", "limit"), LEGAL.values(), ids=LEGAL)
def test_a_legal_history_passes(history: list[Operation], limit: int) -> None:
    assert is_legal(history, limit)


@pytest.mark.parametrize(("history", "limit"), ILLEGAL.values(), ids=ILLEGAL)
def test_an_illegal_history_is_found(history: list[Operation], limit: int) -> None:
    assert not is_legal(history, limit)


OPERATIONS = st.builds(
    lambda begin, length, seen, amount: Operation(begin, begin + length, seen, amount),
    st.integers(0, 6),
    st.integers(1, 4),
    st.sampled_from(Seen),
    st.sampled_from([1, 1, -1]),
)


@given(st.lists(OPERATIONS, max_size=5), st.integers(0, 2))
def test_it_says_what_trying_every_order_says(history: list[Operation], limit: int) -> None:
    # A give-back is never refused.
    sensible = [one for one in history if one.amount > 0 or one.seen is not Seen.REFUSED]

    # By number: two operations may be equal, and only one of them may have taken effect.
    numbers = range(len(sensible))
    assert is_legal(sensible, limit) == any(
        explains([sensible[number] for number in order], limit)
        for size in range(len(sensible) + 1)
        for order in permutations(numbers, size)
        if all(sensible[number].seen is Seen.UNKNOWN for number in numbers if number not in order)
    )


def test_one_of_two_equal_unknown_outcomes_took_effect() -> None:
    assert is_legal([*at_once(U, U), *[Operation(4, 5, G), Operation(6, 7, R)]], 2)


def explains(order: list[Operation], limit: int) -> bool:
    """Whether effects in this order fit the times and the answers."""
    count = 0
    for index, one in enumerate(order):
        if any(later.end < one.invoked for later in order[index + 1 :]):
            return False
        if one.seen is Seen.REFUSED:
            if count + one.amount <= limit:
                return False
        else:
            count += one.amount
            if not 0 <= count <= limit:
                return False
    return True
