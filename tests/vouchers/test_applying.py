"""Which vouchers apply: at the limits of their time, to whom, and for which reason that only we see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from server.keys.service import Pepper
from server.vouchers.applying import Given, Refusal, applying
from server.vouchers.code import Codes
from server.vouchers.service import Vouchers
from tests.vouchers.conftest import SPRING
from tests.vouchers.test_batches import BEN, make, one_code, texts

NOW = datetime(2027, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def reasons(engine: Engine, pepper: Pepper, *codes: str, **how: Any) -> list[Refusal | None]:
    company_id = how.get("company_id", "kopi")
    with engine.connect() as connection:
        answers = applying(
            connection,
            Codes(pepper, company_id),
            company_id,
            [Given(code, how.get("promotion_id", SPRING)) for code in codes],
            how.get("customer_id", ""),
            how.get("now", NOW),
        )
    return [answer if isinstance(answer, Refusal) else None for answer in answers]


def test_each_reason_why_a_code_does_not_apply(vouchers: Vouchers, database: Engine, pepper: Pepper) -> None:
    timed = one_code(vouchers, start_time=NOW, end_time=NOW + SECOND)
    anns = one_code(vouchers, customer_ids=("ann",))
    batch = make(vouchers, quantity=1)
    (disabled,) = texts(vouchers, batch.id)
    vouchers.disable_batch(BEN, batch.id)
    alone, spent = one_code(vouchers), one_code(vouchers, max_uses=2)
    vouchers.disable_code(BEN, alone)
    (found,) = vouchers.look_up(BEN, code=spent)
    with database.begin() as connection:
        connection.execute(text("UPDATE voucher SET used = 2 WHERE id = :id"), {"id": found.id})

    def asked(*codes: str, **how: Any) -> list[Refusal | None]:
        return reasons(database, pepper, *codes, **how)

    assert asked(timed, now=NOW - SECOND) == [Refusal.NOT_STARTED]
    assert asked(timed, now=NOW + SECOND) == [Refusal.EXPIRED]
    assert asked(timed, promotion_id="other") == [Refusal.OTHER_PROMOTION]
    assert asked(timed, f" {timed.lower()}", now=NOW) == [None, None]
    assert asked(anns) == asked(anns, customer_id="bob") == [Refusal.OTHER_CUSTOMER]
    assert asked(anns, customer_id="ann") == [None]
    assert asked(disabled, alone) == [Refusal.DISABLED, Refusal.DISABLED]
    assert asked(spent, "nonsense") == [Refusal.USED, Refusal.UNKNOWN]
    assert asked(timed, company_id="teh") == [Refusal.UNKNOWN]


def test_the_database_itself_keeps_uses_within_bounds(vouchers: Vouchers, database: Engine) -> None:
    make(vouchers, quantity=1)
    for wrong in ("UPDATE voucher SET used = 2", "UPDATE voucher SET used = -1"):
        with pytest.raises(IntegrityError), database.begin() as connection:
            connection.execute(text(wrong))
