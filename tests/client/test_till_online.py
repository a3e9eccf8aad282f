"""The till with a real server: rules come and sales go; nothing is lost or doubled, whatever is killed."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dealwright import Till
from dealwright.connection import tls
from dealwright.errors import Unavailable
from dealwright.till.freshness import Freshness
from dealwright.till.journal import FILE, SENT_FILE
from sqlalchemy import Engine, text

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution import keys
from server.journals.service import Journals
from server.runtime.app import Application
from server.runtime.settings import Address
from tests.access.calls import token_for
from tests.client.sales import LATTES, served
from tests.definitions.samples import jakarta_settings, percent_off
from tests.distribution.conftest import keys_dir
from tests.operations.processes import DEALWRIGHT, environment, finished
from tests.operations.test_tls import Files

__all__ = ["keys_dir"]

WAIT_SECONDS = 60.0
CART = {**LATTES, "store_id": "menteng"}
ROUNDS = 6
SALES = 40

ITEM = """
cart:
  id: shown
  currency_code: IDR
  lines: [{id: "1", product_id: latte, quantity: 1, unit_price_minor: 2500000}]
"""


@pytest.fixture
def published(definitions: Definitions) -> Definitions:
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    return definitions


@pytest.fixture
def token(database: Engine, published: Definitions) -> str:
    return token_for(database, "till-1", Role.DEVICE, store_ids=("menteng",))


@pytest.fixture
def server(database: Engine, published: Definitions, token: str, keys_dir: Path) -> Iterator[Application]:
    with served(database, keys_dir=keys_dir) as application:
        yield application


def opened(folder: Path, application: Application, token: str, root_key: bytes) -> Till:
    return Till(
        folder, "till-1", root_key, str(application.grpc_address), token=token, store_ids=("menteng",)
    )


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def stored(engine: Engine) -> list[str]:
    """The sales that count, as the server has them."""
    query = "SELECT sale_id FROM journal_entry WHERE NOT repeats ORDER BY sequence"
    with engine.connect() as connection:
        return list(connection.scalars(text(query)))


def test_it_goes_on_without_the_network_and_brings_everything_when_it_is_back(
    server: Application,
    published: Definitions,
    database: Engine,
    token: str,
    keys_dir: Path,
    tmp_path: Path,
) -> None:
    with opened(tmp_path / "till", server, token, keys.read_root_key(keys_dir)) as till:
        until(lambda: till.state.revision == 1 and till.state.connected)
        assert till.state.freshness is Freshness.FRESH
        assert not till.state.clock_suspect
        till.sell("bill-1", CART)
        until(lambda: till.state.unsent == 0)

        till.offline()
        published.publish("kopi", Publication([percent_off("ten", 50)]))
        receipts = [till.sell(f"bill-{number}", CART) for number in range(2, 6)]
        assert not till.state.connected
        assert till.state.unsent == 4
        assert {receipt.result.revision for receipt in receipts} == {1}

        till.online()
        until(lambda: till.state.revision == 2 and till.state.unsent == 0)
        assert till.sell("bill-6", CART).result.totals.payable_minor == 2_500_000
        until(lambda: till.state.unsent == 0)

    assert stored(database) == [f"bill-{number}" for number in range(1, 7)]
    until(lambda: server.replays.run().total() == 0 and pending(database) == 0)
    assert Journals(database).drifts("kopi", 10) == []
    assert [each.problem for each in Journals(database).verify("kopi")] == [""]


def pending(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM journal_pending")) or 0


def test_a_server_that_is_away_for_a_while_changes_nothing(
    database: Engine, published: Definitions, token: str, keys_dir: Path, tmp_path: Path
) -> None:
    root_key = keys.read_root_key(keys_dir)
    with served(database, keys_dir=keys_dir) as first:
        address = first.grpc_address
        till = opened(tmp_path / "till", first, token, root_key)
        until(lambda: till.state.revision == 1)
    with till:
        for number in range(3):
            till.sell(f"bill-{number}", CART)
        with pytest.raises(Unavailable):
            till.upload()
        until(lambda: not till.state.connected)
        until(lambda: till.state.upload_problem == "no server can be reached")
        published.publish("kopi", Publication([percent_off("ten", 30)]))
        with served(database, keys_dir=keys_dir, grpc_address=Address(address.host, address.port)):
            until(lambda: till.state.revision == 2)
            until(lambda: till.state.unsent == 0 and not till.state.upload_problem)
    assert stored(database) == [f"bill-{number}" for number in range(3)]


def test_uploading_twice_counts_once(
    server: Application, database: Engine, token: str, keys_dir: Path, tmp_path: Path
) -> None:
    root_key = keys.read_root_key(keys_dir)
    with opened(tmp_path / "till", server, token, root_key) as till:
        until(lambda: till.state.revision == 1)
        till.sell("bill-1", CART)
        till.sell("bill-2", CART)
        until(lambda: till.state.unsent == 0)
    # A till that forgot what it has sent sends everything again.
    (tmp_path / "till" / SENT_FILE).unlink()
    with opened(tmp_path / "till", server, token, root_key) as till:
        until(lambda: till.state.unsent == 0)

    assert stored(database) == ["bill-1", "bill-2"]
    assert Journals(database).alarms("kopi", 10) == []


@pytest.mark.process
@pytest.mark.fault("till killed while it sells and uploads", "no sale is lost or counts twice")
def test_kills_while_selling_and_uploading_lose_and_double_nothing(
    server: Application, database: Engine, token: str, keys_dir: Path, tmp_path: Path
) -> None:
    """kill -9 at random moments; then one quiet run, and the server has each receipt once."""
    carts = tmp_path / "carts"
    carts.mkdir()
    (carts / "shown.yaml").write_text(ITEM)
    command = [
        *(str(DEALWRIGHT), "till", "--folder", str(tmp_path / "till"), "--store", "menteng"),
        *("--root-key", str(keys_dir / keys.ROOT_PUBLIC), "--server", str(server.grpc_address)),
        *("--carts", str(carts), "--script", "-"),
    ]
    moments = random.Random(20261121)
    printed: set[str] = set()
    for turn in range(ROUNDS):
        sales = "".join(f"latte\npay {turn}-{number}\n" for number in range(SALES))
        script = f"wait revision 1\n{sales}upload\n"
        process = subprocess.Popen(
            command,
            env=environment(DEALWRIGHT_TOKEN=token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(script)
        process.stdin.flush()
        left = moments.randrange(1, SALES + 1)
        while left and (line := process.stdout.readline()):
            left -= len(_sold(line))
            printed |= _sold(line)
        process.kill()
        rest, _ = process.communicate(timeout=WAIT_SECONDS)
        for line in rest.splitlines(keepends=True):
            printed |= _sold(line)

    done = subprocess.run(
        command,
        env=environment(DEALWRIGHT_TOKEN=token),
        input="wait sent\nstatus\n",
        capture_output=True,
        text=True,
        timeout=2 * WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = stored(database)
    assert len(printed) >= ROUNDS
    assert printed <= set(found)
    assert len(found) == len(set(found))
    assert [each.problem for each in Journals(database).verify("kopi")] == [""]
    assert {alarm.kind for alarm in Journals(database).alarms("kopi", 50)} <= {"mending"}


def _sold(line: str) -> set[str]:
    """The sale of a receipt that was printed whole."""
    return {line.split()[1]} if line.startswith("Sold ") and line.endswith(".\n") else set()


def test_a_damaged_journal_is_uploaded_as_far_as_it_is_good(
    server: Application, database: Engine, token: str, keys_dir: Path, tmp_path: Path
) -> None:
    folder, root_key, address = tmp_path / "till", keys.read_root_key(keys_dir), str(server.grpc_address)
    with Till(folder, "till-1", root_key, address, token=token, store_ids=["menteng"]) as till:
        until(lambda: till.state.revision == 1)
        till.offline()
        for number in range(4):
            till.sell(f"bill-{number}", CART)
    data = bytearray((folder / FILE).read_bytes())
    data[-10] ^= 1
    (folder / FILE).write_bytes(bytes(data))
    with Till(folder, "till-1", root_key, address, token=token, store_ids=["menteng"]) as till:
        assert "damaged at entry 4" in till.state.journal_problem
        till.sell("bill-9", CART)
        till.upload()
        assert till.state.unsent == 0
    with database.connect() as connection:
        sold = connection.scalars(
            text("SELECT sale_id FROM journal_entry WHERE sale_id IS NOT NULL ORDER BY sale_id")
        ).all()
    assert sold == ["bill-0", "bill-1", "bill-2", "bill-9"]


def test_a_till_follows_and_uploads_over_tls_with_a_certificate_of_its_own(
    database: Engine, published: Definitions, token: str, keys_dir: Path, tmp_path: Path
) -> None:
    files = Files(tmp_path)
    files.write()
    authorities, certificate, key = (tmp_path / name for name in ("ca.pem", "till.crt", "till.key"))
    authorities.write_bytes(files.authority.cert_pem.bytes())
    own = files.authority.issue_cert("till-1")
    certificate.write_bytes(own.cert_chain_pems[0].bytes())
    key.write_bytes(own.private_key_pem.bytes())
    secured = {
        "tls_certificate": files.certificate,
        "tls_key": files.key,
        "tls_client_ca": authorities,
    }
    root_key, folder = keys.read_root_key(keys_dir), tmp_path / "till"
    (tmp_path / "root.pub").write_text(root_key.hex())
    script = tmp_path / "script"
    script.write_text("es-jeruk\npay bill-1\nupload\n")
    with served(database, keys_dir=keys_dir, **secured) as application:
        address = str(application.grpc_address).replace("127.0.0.1", "localhost")
        known = tls(authorities, certificate, key)
        with Till(
            folder, "till-1", root_key, address, token=token, store_ids=["menteng"], credentials=known
        ) as till:
            until(lambda: till.state.revision == 1)
        arguments = (
            *("till", "--folder", str(folder), "--root-key", str(tmp_path / "root.pub")),
            *("--server", address, "--store", "menteng", "--script", str(script)),
        )
        own_tls = ("--tls-ca", str(authorities), "--tls-certificate", str(certificate), "--tls-key", str(key))
        done = finished(*arguments, *own_tls, DEALWRIGHT_TOKEN=token)
        assert done.returncode == 0, done.stderr
        half = finished(*arguments, *own_tls[:4], DEALWRIGHT_TOKEN=token)
        assert "need each other" in half.stderr
