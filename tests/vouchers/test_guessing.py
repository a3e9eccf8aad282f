"""Guessing: however it is done, no more codes are tried than is promised, and nobody learns why one doesn't
apply."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from server.actors import Actor
from server.runtime.errors import Invalid, TooMany
from server.vouchers.checks import Checked, Outcome
from server.vouchers.service import BatchSpec, GivenRow, Vouchers
from server.vouchers.throttling import (
    CODES_MAX,
    COMPANY_YEAR_GUESSES,
    LOCKOUTS,
    Count,
    Kind,
    Lockout,
    missed,
)
from tests.vouchers.conftest import SPRING
from tests.vouchers.guesses import simulate
from tests.vouchers.test_batches import BEN, make, one_code, texts

START = datetime(2027, 5, 1, tzinfo=UTC)
TILL = Actor("till", "kopi", frozenset(), "a test", "token-of-till")


def check(vouchers: Vouchers, *codes: str, customer: str = "", **who: Any) -> list[Outcome]:
    subjects = vouchers.throttle.subjects(TILL, customer, **who)
    return [checked.outcome for checked in vouchers.check(TILL, codes, customer, subjects)]


@given(
    kind=st.sampled_from(list(Kind)),
    waits=st.lists(st.floats(0, 5_000), min_size=1, max_size=300),
    attempt=st.integers(1, CODES_MAX),
)
def test_nobody_tries_more_codes_than_is_promised(kind: Kind, waits: list[float], attempt: int) -> None:
    lockout, now, count, tried = LOCKOUTS[kind], START, None, 0
    for wait in waits:
        now += timedelta(seconds=wait)
        if count is None or count.locked(now) <= timedelta():
            count, tried = missed(count, lockout, now, attempt), tried + attempt
        else:
            now += count.locked(now)

    assert tried <= lockout.most(now - START)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("attempt", [1, CODES_MAX])
def test_who_always_tries_at_once_gets_near_the_promise_and_not_beyond(kind: Kind, attempt: int) -> None:
    lockout, now, tried = LOCKOUTS[kind], START, 0
    count: Count | None = None
    while tried < 20_000:
        count, tried = missed(count, lockout, now, attempt), tried + attempt
        now += max(count.locked(now), timedelta())

    assert 0.5 * lockout.most(now - START) < tried <= lockout.most(now - START)


@pytest.mark.parametrize("lockout", LOCKOUTS.values())
def test_after_the_longest_wait_an_attempt_is_forgotten(lockout: Lockout) -> None:
    assert lockout.longest // lockout.forget >= CODES_MAX


def test_waits_double_and_are_forgotten() -> None:
    lockout = Lockout(2, timedelta(hours=1), timedelta(minutes=1), timedelta(days=1))
    count = missed(None, lockout, START, 2)
    assert count.locked(START) == timedelta()
    waits = []
    for _ in range(12):
        count = missed(count, lockout, START)
        waits.append(count.locked(START) // timedelta(minutes=1))
    later = missed(count, lockout, START + timedelta(days=30))

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440]
    assert (later.misses, later.locked(START + timedelta(days=30)) <= timedelta()) == (1, True)


def test_a_simulation_of_guesses_keeps_every_bound() -> None:
    found = simulate(guesses=60_000, live=200_000, chars=8, seed=1)

    assert found.broken == []
    assert found.attempted == 60_000
    assert 0 < found.looked_up < found.attempted


def test_what_was_promised_of_a_year() -> None:
    # 100 a minute, as docs/vouchers.md says.
    assert 52_560_000 <= COMPANY_YEAR_GUESSES <= 52_570_000


def test_every_reason_gives_the_same_answer(vouchers: Vouchers, database: Engine) -> None:
    used = one_code(vouchers)
    with database.begin() as connection:
        connection.execute(text("UPDATE voucher SET used = 1"))
    expired = one_code(vouchers, end_time=datetime(2001, 1, 1, tzinfo=UTC))
    early = one_code(vouchers, start_time=datetime(2101, 1, 1, tzinfo=UTC))
    anns = one_code(vouchers, customer_ids=("ann",))
    batch = make(vouchers, quantity=1)
    (disabled,) = texts(vouchers, batch.id)
    vouchers.disable_batch(BEN, batch.id)
    good = one_code(vouchers)
    codes = [used, expired, early, anns, disabled, good]

    answers = vouchers.check(TILL, codes, "bob", vouchers.throttle.subjects(TILL, "bob"))
    assert answers == [
        *(Checked(code, Outcome.MISS) for code in codes[:-1]),
        Checked(good, Outcome.HIT, SPRING),
    ]


def test_what_was_never_made_does_not_come_to_the_vouchers(vouchers: Vouchers) -> None:
    code = one_code(vouchers)
    typo = code[:-1] + ("2" if code[-1] != "2" else "3")

    assert check(vouchers, code, typo, "NONSENSE") == [Outcome.HIT, Outcome.MALFORMED, Outcome.MALFORMED]


def test_imported_codes_have_no_check_symbols_and_are_found(vouchers: Vouchers) -> None:
    vouchers.import_codes(BEN, BatchSpec(SPRING), [GivenRow(1, "Harvest-2026")])

    assert check(vouchers, "harvest 2026", "HARVEST-2O26", "harvest 2027") == [
        Outcome.HIT,
        Outcome.HIT,
        Outcome.MISS,
    ]


def test_who_is_wrong_too_often_waits_and_others_do_not(vouchers: Vouchers) -> None:
    code = one_code(vouchers)
    for _ in range(LOCKOUTS[Kind.CUSTOMER].free + 1):
        check(vouchers, "NONSENSE", customer="ann")

    with pytest.raises(TooMany) as refused:
        check(vouchers, code, customer="ann")
    assert refused.value.reason == "VOUCHER_CHECKS_PAUSED"
    assert 0 < refused.value.retry_seconds <= 60
    assert check(vouchers, code, customer="bob") == [Outcome.HIT]


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.ADDRESS, Kind.CUSTOMER])
def test_each_subject_is_counted_by_itself(vouchers: Vouchers, kind: Kind) -> None:
    name = "customer" if kind is Kind.CUSTOMER else "device_id" if kind is Kind.DEVICE else "address"
    who = {name: "somebody"}
    free = LOCKOUTS[kind].free
    for _ in range(free // 5):
        check(vouchers, *["NONSENSE"] * 5, **who)
    check(vouchers, "NONSENSE", **who)

    with pytest.raises(TooMany):
        check(vouchers, "NONSENSE", **who)


def test_right_codes_forgive_nothing(vouchers: Vouchers) -> None:
    code = one_code(vouchers, max_uses=5)
    for _ in range(LOCKOUTS[Kind.CUSTOMER].free + 1):
        check(vouchers, code, customer="ann")
        check(vouchers, "NONSENSE", customer="ann")

    with pytest.raises(TooMany):
        check(vouchers, code, customer="ann")


def test_typos_do_not_trip_the_breaker_of_the_company(vouchers: Vouchers, database: Engine) -> None:
    for number in range(20):
        check(vouchers, *["NONSENSE"] * CODES_MAX, customer=f"customer-{number}")

    with database.connect() as connection:
        row = connection.execute(text("SELECT misses FROM voucher_guesser WHERE kind = 'company'")).one()
    assert row.misses == 0


def test_names_are_not_kept(vouchers: Vouchers, database: Engine) -> None:
    check(vouchers, "NONSENSE", customer="ann", address="203.0.113.9")

    with database.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM voucher_guesser")).all())
    assert "ann" not in kept
    assert "203.0.113.9" not in kept


@pytest.mark.parametrize("codes", [(), ("X",) * 11])
def test_so_many_codes_are_checked_at_once(vouchers: Vouchers, codes: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        check(vouchers, *codes)
    assert refused.value.field == "codes"


def test_a_code_may_be_so_long(vouchers: Vouchers) -> None:
    assert check(vouchers, "X" * 200) == [Outcome.MALFORMED]
    with pytest.raises(Invalid) as refused:
        check(vouchers, "A", "X" * 201)
    assert refused.value.field == "codes[1]"


def test_the_simulation_fails_where_nobody_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in Kind:
        wide = Lockout(10**9, timedelta(hours=1), timedelta(0, 1), timedelta(days=1))
        monkeypatch.setitem(simulate.__globals__["ENFORCED"], kind, wide)

    assert simulate(guesses=20_000, live=1_000, chars=8, seed=1).broken
