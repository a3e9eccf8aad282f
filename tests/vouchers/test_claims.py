"""Claims: never beyond the uses of a code, given back once, and refused for a reason that only we see."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError

from server.vouchers.claims import Refusal
from server.vouchers.service import Claim, Given, Refused, Vouchers
from server.vouchers.tables import voucher
from tests.vouchers.conftest import SPRING
from tests.vouchers.test_batches import BEN, make, texts

NOW = datetime(2027, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def claim(vouchers: Vouchers, engine: Engine, *codes: str, **how: Any) -> list[Claim | Refused]:
    """Claims in a transaction of its own."""
    wanted = [Given(code, how.get("promotion_id", SPRING)) for code in codes]
    with engine.begin() as connection:
        return vouchers.claim(
            connection, how.get("company_id", "kopi"), wanted, how.get("customer_id", ""), how.get("now", NOW)
        )


def one_code(vouchers: Vouchers, **spec: Any) -> str:
    (code,) = texts(vouchers, make(vouchers, quantity=0 if "customer_ids" in spec else 1, **spec).id)
    return code


def reasons(answers: list[Claim | Refused]) -> list[Refusal | None]:
    return [answer.reason if isinstance(answer, Refused) else None for answer in answers]


def test_a_code_is_used_once_and_again_after_it_was_given_back(vouchers: Vouchers, database: Engine) -> None:
    code = one_code(vouchers)
    (taken,) = claim(vouchers, database, f" {code.lower()} ")
    assert isinstance(taken, Claim)
    assert (taken.promotion_id, taken.uses_left) == (SPRING, 0)
    assert reasons(claim(vouchers, database, code)) == [Refusal.USED]
    with database.begin() as connection:
        vouchers.unclaim(connection, "kopi", [taken.voucher_id])

    assert reasons(claim(vouchers, database, code)) == [None]


def test_what_rolls_back_was_never_claimed(vouchers: Vouchers, database: Engine) -> None:
    code = one_code(vouchers)
    with database.connect() as connection, connection.begin() as transaction:
        vouchers.claim(connection, "kopi", [Given(code, SPRING)], "", NOW)
        transaction.rollback()

    assert reasons(claim(vouchers, database, code)) == [None]


def test_one_order_may_use_a_code_as_often_as_it_can_be_used(vouchers: Vouchers, database: Engine) -> None:
    code, other = one_code(vouchers, max_uses=2), one_code(vouchers)
    answers = claim(vouchers, database, code, other, code, code.lower(), "nonsense")

    assert reasons(answers) == [None, None, None, Refusal.USED, Refusal.UNKNOWN]
    assert [answer.uses_left for answer in answers if isinstance(answer, Claim)] == [1, 0, 0]


def test_each_reason_why_a_code_does_not_apply(vouchers: Vouchers, database: Engine) -> None:
    timed = one_code(vouchers, start_time=NOW, end_time=NOW + SECOND)
    anns = one_code(vouchers, customer_ids=("ann",))
    batch = make(vouchers, quantity=1)
    (disabled,) = texts(vouchers, batch.id)
    vouchers.disable_batch(BEN, batch.id)
    alone = one_code(vouchers)
    vouchers.disable_code(BEN, alone)

    assert reasons(claim(vouchers, database, timed, now=NOW - SECOND)) == [Refusal.NOT_STARTED]
    assert reasons(claim(vouchers, database, timed, now=NOW + SECOND)) == [Refusal.EXPIRED]
    assert reasons(claim(vouchers, database, timed, promotion_id="other")) == [Refusal.OTHER_PROMOTION]
    assert reasons(claim(vouchers, database, timed, now=NOW)) == [None]
    assert reasons(claim(vouchers, database, anns)) == [Refusal.OTHER_CUSTOMER]
    assert reasons(claim(vouchers, database, anns, customer_id="bob")) == [Refusal.OTHER_CUSTOMER]
    assert reasons(claim(vouchers, database, anns, customer_id="ann")) == [None]
    assert reasons(claim(vouchers, database, disabled, alone)) == [Refusal.DISABLED, Refusal.DISABLED]
    assert reasons(claim(vouchers, database, timed, company_id="teh")) == [Refusal.UNKNOWN]


def test_a_use_that_was_not_claimed_is_not_given_back(vouchers: Vouchers, database: Engine) -> None:
    code = one_code(vouchers)
    (taken,) = claim(vouchers, database, code)
    assert isinstance(taken, Claim)

    with pytest.raises(RuntimeError), database.begin() as connection:
        vouchers.unclaim(connection, "kopi", [taken.voucher_id, taken.voucher_id])
    assert reasons(claim(vouchers, database, code)) == [Refusal.USED]


def test_the_database_itself_keeps_uses_within_bounds(vouchers: Vouchers, database: Engine) -> None:
    make(vouchers, quantity=1)
    for wrong in ("UPDATE voucher SET used = 2", "UPDATE voucher SET used = -1"):
        with pytest.raises(IntegrityError), database.begin() as connection:
            connection.execute(text(wrong))


@pytest.mark.parametrize("limit", [1, 5])
def test_of_many_orders_at_once_exactly_as_many_get_it_as_may(
    vouchers: Vouchers, database: Engine, limit: int
) -> None:
    orders = 12
    code, other = one_code(vouchers, max_uses=limit), one_code(vouchers, max_uses=orders)
    barrier = Barrier(orders)

    def order(number: int) -> Refusal | None:
        barrier.wait(timeout=60)
        # Each in another order of codes, which must not make them wait for each other.
        wanted = [code, other] if number % 2 else [other, code]
        answers = dict(zip(wanted, reasons(claim(vouchers, database, *wanted)), strict=True))
        assert answers[other] is None
        return answers[code]

    with ThreadPoolExecutor(orders) as pool:
        outcomes = Counter(pool.map(order, range(orders)))

    assert outcomes == {None: limit, Refusal.USED: orders - limit}
    with database.connect() as connection:
        assert set(connection.scalars(select(voucher.c.used))) == {limit, orders}


@given(
    uses=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from(["claim", "unclaim"]), st.integers(0, 2)), max_size=12),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_walk_of_claims_is_that_of_counters(
    vouchers: Vouchers, database: Engine, uses: int, steps: list[tuple[str, int]]
) -> None:
    codes = texts(vouchers, make(vouchers, quantity=3, max_uses=uses).id)
    held: list[list[bytes]] = [[], [], []]
    for step, number in steps:
        if step == "claim":
            (answer,) = claim(vouchers, database, codes[number])
            assert isinstance(answer, Claim) == (len(held[number]) < uses)
            if isinstance(answer, Claim):
                held[number].append(answer.voucher_id)
        elif held[number]:
            with database.begin() as connection:
                vouchers.unclaim(connection, "kopi", [held[number].pop()])
    for number, code in enumerate(codes):
        (found,) = vouchers.look_up(BEN, code=code)
        assert found.used == len(held[number])
