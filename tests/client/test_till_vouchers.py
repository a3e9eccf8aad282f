"""Vouchers at tills with a real server and the network pulled; what a till writes down of codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dealwright import Till
from dealwright.codes import voucher_of
from dealwright.requests import evaluate_request
from dealwright.till.till import Receipt
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.result_pb2 import REASON_LEASE
from sqlalchemy import Engine, text

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution import keys
from server.journals.service import Journals
from server.keys.service import Pepper
from server.redemption import invariants
from server.runtime.app import Application
from server.runtime.settings import Settings
from server.vouchers.service import BatchSpec, Vouchers
from tests.access.calls import PEPPER, owner, token_for
from tests.client.sales import served
from tests.client.test_till_online import CART, until
from tests.distribution.conftest import keys_dir
from tests.redemption.shop import COMPANY, limited, settings

__all__ = ["keys_dir"]

Open = Callable[[str], Till]


@pytest.fixture
def tokens(database: Engine, definitions: Definitions) -> dict[str, str]:
    promotions = [limited(voucher=True), limited("hello", "HELLO")]
    definitions.publish(COMPANY, Publication(promotions, settings=settings()))
    return {
        name: token_for(database, name, Role.DEVICE, store_ids=("menteng",)) for name in ("till-1", "till-2")
    }


@pytest.fixture
def server(database: Engine, tokens: dict[str, str], keys_dir: Path) -> Iterator[Application]:
    with served(database, keys_dir=keys_dir, pepper=PEPPER) as application:
        yield application
    assert list(map(str, invariants.check(database))) == []


@pytest.fixture
def open_till(server: Application, tokens: dict[str, str], keys_dir: Path, tmp_path: Path) -> Iterator[Open]:
    root_key = keys.read_root_key(keys_dir)
    with ExitStack() as tills:

        def open_till(name: str) -> Till:
            address = str(server.grpc_address)
            stores = ("menteng",)
            till = Till(tmp_path / name, name, root_key, address, token=tokens[name], store_ids=stores)
            return tills.enter_context(till)

        yield open_till


def make(database: Engine, **terms: str | int) -> list[str]:
    """A batch of three codes."""
    vouchers = Vouchers(database, Pepper(Settings(pepper=PEPPER), database))
    batch = vouchers.create_batch(owner(COMPANY), BatchSpec("offer", 3, **terms))  # type: ignore[arg-type]
    for _ in vouchers.make(COMPANY, batch.id):
        pass
    return [code.text for code in vouchers.export(owner(COMPANY), batch.id)[1]]


def with_code(till: Till, code: str) -> Cart:
    """A cart with a code as a customer types it, and the voucher that the till finds for it."""
    cart = evaluate_request(CART).cart
    cart.codes.append(code.lower())
    cart.vouchers.extend(till.vouchers(cart.codes, store_id="menteng"))
    if not cart.vouchers:
        cart.vouchers.add(code=code, promotion_id="offer")
    return cart


def granted(receipt: Receipt) -> bool:
    return any(each.promotion_id == "offer" for each in receipt.result.applications)


def sells(till: Till, sale_id: str, code: str) -> bool:
    receipt = till.sell(sale_id, with_code(till, code))
    if not granted(receipt):
        assert [each.reason for each in receipt.result.verdicts if each.promotion_id == "offer"] == [
            REASON_LEASE
        ]
    return granted(receipt)


def has_vouchers(till: Till, codes: list[str]) -> bool:
    return len(till.vouchers(codes, store_id="menteng")) == len(codes)


def account(engine: Engine) -> dict[str, int]:
    sums = ", ".join(f"coalesce(sum({each}), 0)::int AS {each}" for each in ("posted", "escrowed", "overrun"))
    with engine.connect() as connection:
        row = connection.execute(text(f"SELECT {sums} FROM limit_account WHERE kind = 'voucher'")).one()
    return {name: amount for name, amount in row._mapping.items() if amount}


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


def test_codes_of_its_store_are_granted_once_without_a_network(
    open_till: Open, server: Application, database: Engine, tmp_path: Path
) -> None:
    codes = make(database, home_store_id="menteng")
    till = open_till("till-1")
    until(lambda: has_vouchers(till, codes))
    assert account(database) == {"escrowed": 3}
    till.offline()

    assert till.evaluate(with_code(till, codes[0])).totals.discount_minor > 0
    assert sells(till, "bill-1", codes[0])
    assert not sells(till, "bill-2", codes[0])
    assert sells(till, "bill-3", codes[1])
    assert not sells(till, "bill-4", "MADE-UP")

    kept = on_disk(tmp_path / "till-1").upper()
    for code in (*codes, "MADE-UP"):
        assert code.encode() not in kept
        assert code.replace("-", "").encode() not in kept
    till.online()
    until(lambda: till.state.unsent == 0)
    assert account(database) == {"posted": 2, "escrowed": 1}
    assert Journals(database).alarms(COMPANY, 9) == []
    replayed = server.metrics.registry.get_sample_value
    until(lambda: replayed("dealwright_journal_replays_total", {"outcome": "same"}) == 4)


def test_what_was_granted_is_known_after_a_restart(
    open_till: Open, database: Engine, keys_dir: Path, tmp_path: Path
) -> None:
    codes = make(database, home_store_id="menteng")
    till = open_till("till-1")
    until(lambda: has_vouchers(till, codes))
    till.offline()
    assert sells(till, "bill-1", codes[0])
    till.close(keep_leases=True)

    root_key = keys.read_root_key(keys_dir)
    for turn in range(2):
        with Till(tmp_path / "till-1", "till-1", root_key, store_ids=("menteng",)) as alone:
            assert not sells(alone, f"again-{turn}", codes[0])
            assert has_vouchers(alone, codes[1:])


def test_two_tills_at_risk_grant_one_code_twice_and_no_more_than_their_caps(
    open_till: Open, database: Engine
) -> None:
    codes = make(database, risk_cap=2)
    tills = [open_till("till-1"), open_till("till-2")]
    for till in tills:
        until(lambda till=till: has_vouchers(till, codes))  # type: ignore[misc]
        till.offline()

    sold = [
        [sells(till, f"{till_id}-{number}", code) for number, code in enumerate([codes[0], *codes])]
        for till_id, till in enumerate(tills)
    ]

    assert sold == [[True, False, True, False]] * 2
    for till in tills:
        till.online()
    until(lambda: all(till.state.unsent == 0 for till in tills))
    assert account(database) == {"posted": 2, "overrun": 2}
    assert [alarm.kind for alarm in Journals(database).alarms(COMPANY, 9)] == ["overrun", "overrun"]


def test_unless_a_batch_says_so_its_codes_are_granted_by_the_server_alone(
    open_till: Open, database: Engine
) -> None:
    codes = make(database)
    till = open_till("till-1")
    until(lambda: till.state.connected and till.state.revision > 0)

    assert till.vouchers(codes, store_id="menteng") == []
    assert not sells(till, "bill-1", codes[0])


def test_public_codes_are_written_down_and_work_as_ever(open_till: Open) -> None:
    till = open_till("till-1")
    until(lambda: till.state.revision > 0)
    cart = evaluate_request(CART).cart
    cart.codes.extend(["hello", "SOMETHING", "some thing"])

    sale = till.sell("bill-1", cart)

    assert [each.promotion_id for each in sale.result.applications] == ["hello"]
    written = till._journal.entries[-1].record.sale.request.cart.codes  # noqa: SLF001 - what the disk has
    assert written[0] == "hello"
    # One code, typed in two ways, is one.
    assert written[1] == written[2]
    assert voucher_of(written[1])
    assert written[1].endswith("-HLNG")
