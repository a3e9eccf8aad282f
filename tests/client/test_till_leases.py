"""Limited promotions at a till with a real server, with the network pulled, and killed while it sells."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dealwright import Till
from dealwright.till.till import Receipt
from dealwright.v1.result_pb2 import REASON_LEASE
from sqlalchemy import Engine, text

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution import keys
from server.journals.service import Journals
from server.redemption import invariants
from server.runtime.app import Application
from tests.access.calls import token_for
from tests.client.sales import served
from tests.client.test_till_online import CART, ITEM, WAIT_SECONDS, opened, until
from tests.distribution.conftest import keys_dir
from tests.operations.processes import DEALWRIGHT, environment
from tests.redemption.shop import limited, settings

__all__ = ["keys_dir"]

LIMIT = 40
ROUNDS = 3


@pytest.fixture
def token(database: Engine, definitions: Definitions) -> str:
    definitions.publish("kopi", Publication([limited(max_uses=LIMIT)], settings=settings()))
    return token_for(database, "till-1", Role.DEVICE, store_ids=("menteng",))


@pytest.fixture
def server(database: Engine, token: str, keys_dir: Path) -> Iterator[Application]:
    with served(database, keys_dir=keys_dir) as application:
        yield application
    assert list(map(str, invariants.check(database))) == []


@pytest.fixture
def till(server: Application, token: str, keys_dir: Path, tmp_path: Path) -> Iterator[Till]:
    with opened(tmp_path / "till", server, token, keys.read_root_key(keys_dir)) as till:
        yield till


def account(engine: Engine) -> tuple[int, int, int]:
    """What is posted, escrowed and overrun."""
    query = text("SELECT posted, escrowed, overrun FROM limit_account WHERE kind = 'total'")
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return (row[0], row[1], row[2]) if row else (0, 0, 0)


def left(till: Till) -> int:
    return sum(lease.uses or 0 for lease in till.state.leases)


def granted(receipt: Receipt) -> bool:
    return bool(receipt.result.applications)


def test_it_grants_on_its_own_what_it_has_a_lease_of(till: Till, database: Engine) -> None:
    until(lambda: left(till) > 0)
    till.offline()
    had = left(till)

    receipts = [till.sell(f"bill-{number}", CART, language="en") for number in range(had + 2)]

    assert [granted(receipt) for receipt in receipts] == [True] * had + [False] * 2
    (verdict,) = receipts[-1].result.verdicts
    assert verdict.reason == REASON_LEASE
    assert verdict.text == "Its uses are limited, and this till has no lease of any."
    assert account(database) == (0, had, 0)

    till.online()
    until(lambda: till.state.unsent == 0)
    assert account(database)[0] == had
    until(lambda: left(till) > 0)
    assert granted(till.sell("bill-then", CART))


def test_while_it_is_connected_it_grants_the_whole_limit_and_no_more(till: Till, database: Engine) -> None:
    sold = 0
    for number in range(LIMIT):
        until(lambda: left(till) > 0)
        sold += granted(till.sell(f"bill-{number}", CART))
    assert sold == LIMIT
    assert not granted(till.sell("one-more", CART))
    until(lambda: till.state.unsent == 0)
    assert account(database) == (LIMIT, 0, 0)


def test_closing_gives_the_leases_back_and_keeping_them_doesnt(
    server: Application, token: str, keys_dir: Path, tmp_path: Path, database: Engine
) -> None:
    root_key = keys.read_root_key(keys_dir)
    till = opened(tmp_path / "till", server, token, root_key)
    until(lambda: left(till) > 0)
    till.sell("bill-1", CART)
    had = left(till)
    till.close(keep_leases=True)
    with Till(tmp_path / "till", "till-1", root_key, store_ids=("menteng",)) as alone:
        assert left(alone) == had
        assert granted(alone.sell("bill-2", CART))

    with opened(tmp_path / "till", server, token, root_key) as again:
        until(lambda: again.state.connected and left(again) > 0 and again.state.unsent == 0)
    assert account(database) == (2, 0, 0)


def test_a_till_that_never_met_a_server_since_grants_nothing_limited(
    server: Application, token: str, keys_dir: Path, tmp_path: Path
) -> None:
    root_key = keys.read_root_key(keys_dir)
    with opened(tmp_path / "till", server, token, root_key) as till:
        until(lambda: till.state.connected and left(till) > 0)
    with Till(tmp_path / "till", "till-1", root_key, store_ids=("menteng",)) as alone:
        assert alone.state.leases == ()
        assert not granted(alone.sell("bill-1", CART))


@pytest.mark.process
def test_kills_while_it_sells_spend_nothing_twice(
    server: Application, database: Engine, token: str, keys_dir: Path, tmp_path: Path
) -> None:
    """kill -9 at random moments; in the end the account has each certain sale once, and no overrun."""
    carts = tmp_path / "carts"
    carts.mkdir()
    (carts / "shown.yaml").write_text(
        ITEM.replace("currency_code: IDR", "currency_code: IDR\n  store_id: menteng")
    )
    command = [
        *(str(DEALWRIGHT), "till", "--folder", str(tmp_path / "till"), "--store", "menteng"),
        *("--root-key", str(keys_dir / keys.ROOT_PUBLIC), "--server", str(server.grpc_address)),
        *("--carts", str(carts), "--script", "-"),
    ]
    moments = random.Random(20261121)
    for turn in range(ROUNDS):
        sales = "".join(f"latte\npay {turn}-{number}\n" for number in range(LIMIT))
        process = subprocess.Popen(
            command,
            env=environment(DEALWRIGHT_TOKEN=token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"wait leased\n{sales}")
        process.stdin.flush()
        sold = moments.randrange(3, 12)
        while sold and (line := process.stdout.readline()):
            sold -= line.startswith("Sold ")
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)

    done = subprocess.run(
        command,
        env=environment(DEALWRIGHT_TOKEN=token),
        input="wait sent\nquit\n",
        capture_output=True,
        text=True,
        timeout=2 * WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with database.connect() as connection:
        brought = connection.scalar(text("SELECT count(*) FROM lease_spend"))
    posted, _, overrun = account(database)
    assert ROUNDS <= posted == brought <= LIMIT
    assert overrun == 0
    assert {alarm.kind for alarm in Journals(database).alarms("kopi", 50)} <= {"mending"}
