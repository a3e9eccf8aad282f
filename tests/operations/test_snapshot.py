"""A server that starts while its database is away goes on with what it kept on its own disk."""

import asyncio
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.redemption_service_pb2 import RedeemRequest
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.snapshot_pb2 import Snapshot
from sqlalchemy import Engine

from server.actors import Role
from server.db.engine import connect, place_of
from server.definitions.service import Definitions, Publication
from server.evaluation.snapshots import AGE_SECONDS_MAX, SnapshotRefused, read, write
from server.runtime.app import Application
from server.runtime.errors import STATUS_DETAILS_KEY
from server.runtime.settings import Address, Settings
from tests.access.calls import bearer, token_for
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, BareMethod, call, details, latte_request
from tests.operations.proxy import database_through

KNOWN = datetime(2026, 5, 1, 10, tzinfo=UTC)
PLACE = "db.example:5432/dealwright"
REDEEM = "/dealwright.v1.RedemptionService/Redeem"
WAIT_SECONDS = 60.0


def snapshot() -> Snapshot:
    made = Snapshot(
        database=PLACE, ruleset=Ruleset(company_id="kopi", revision=7, promotions=[percent_off("ten", 10)])
    )
    made.known_time.FromDatetime(KNOWN)
    return made


def application(engine: Engine, file: Path) -> Application:
    any_port = Address("127.0.0.1", 0)
    settings = Settings(
        grpc_address=any_port,
        metrics_address=any_port,
        access="tokens",
        refresh_seconds=0.05,
        drain_seconds=5,
    )
    return Application(settings, engine, snapshot_file=file)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.fault(
    "PostgreSQL gone at a start", "carts are priced for known tokens, redemptions UNAVAILABLE at once"
)
async def test_a_server_prices_for_known_tokens_and_grants_nothing(
    database_url: str, database: Engine, definitions: Definitions, tmp_path: Path
) -> None:
    file = tmp_path / "snapshot"
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    token = token_for(database, "till", Role.DEVICE)
    async with database_through(database_url) as (engine, network):
        before = application(engine, file)
        await before.start()
        await until(file.exists)
        await before.stop()

        network.cut()
        after = application(engine, file)
        await after.start()
        try:
            metadata = bearer(token)
            async with grpc.aio.insecure_channel(str(after.grpc_address)) as channel:
                evaluate: BareMethod = channel.unary_unary(EVALUATE)
                redeem: BareMethod = channel.unary_unary(REDEEM)
                answer = await evaluate(
                    latte_request().SerializeToString(), timeout=WAIT_SECONDS, metadata=metadata
                )
                with pytest.raises(grpc.aio.AioRpcError) as stranger:
                    await call(channel, EVALUATE, latte_request().SerializeToString())
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await redeem(order().SerializeToString(), timeout=WAIT_SECONDS, metadata=metadata)
            ready = after.ready
            known_at = after.holder.known_at
        finally:
            await after.stop()

    assert EvaluateResponse.FromString(answer).result.totals.discount_minor == 500_000
    assert stranger.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details(refused.value)[0].reason == "DATABASE_UNAVAILABLE"
    assert b"google.rpc.RetryInfo" in bytes(dict(refused.value.trailing_metadata() or ())[STATUS_DETAILS_KEY])
    assert ready
    assert known_at == pytest.approx(before.holder.known_at, abs=WAIT_SECONDS)


def order() -> RedeemRequest:
    return RedeemRequest(idempotency_key="k1", order_id="o1", cart=latte_request().cart)


def test_what_is_written_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "snapshot"
    write(file, snapshot())

    assert read(file, PLACE, None, KNOWN.timestamp()) == snapshot()
    assert read(file, PLACE, "kopi", KNOWN.timestamp() + AGE_SECONDS_MAX) == snapshot()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["snapshot"]


@pytest.mark.fault("snapshot damaged", "refused with its reason")
@pytest.mark.parametrize("at", [0, 30, 60, -1])
def test_a_damaged_one_is_refused_wherever_it_is(tmp_path: Path, at: int) -> None:
    file = tmp_path / "snapshot"
    write(file, snapshot())
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)

    with pytest.raises(SnapshotRefused, match=r"damaged|no snapshot of this version"):
        read(file, PLACE, None, KNOWN.timestamp())


@pytest.mark.parametrize("length", [0, 10, 40, -1])
def test_a_shortened_one_is_refused(tmp_path: Path, length: int) -> None:
    file = tmp_path / "snapshot"
    write(file, snapshot())
    file.write_bytes(file.read_bytes()[:length])

    with pytest.raises(SnapshotRefused, match=r"damaged|no snapshot of this version"):
        read(file, PLACE, None, KNOWN.timestamp())


@pytest.mark.fault("snapshot of another database", "refused with its reason")
def test_one_of_another_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    write(file, snapshot())
    with pytest.raises(SnapshotRefused, match=f"it is of {PLACE} instead of db.example:5432/test"):
        read(file, "db.example:5432/test", "kopi", KNOWN.timestamp())
    nameless = snapshot()
    nameless.ClearField("database")
    write(file, nameless)
    with pytest.raises(SnapshotRefused, match="a database that it doesn't name instead of"):
        read(file, PLACE, "kopi", KNOWN.timestamp())


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://kopi:hunter2@db.example/dealwright", PLACE),
        ("postgresql://ann@db.example:5433/dealwright?sslmode=require", "db.example:5433/dealwright"),
        ("postgresql:///dealwright?host=/run/postgres", "/run/postgres:5432/dealwright"),
        ("postgresql://kopi@/?host=a,b&port=1,2", "a,b:1,2/kopi"),
        ("postgresql://kopi@[::1]/dealwright", "::1:5432/dealwright"),
    ],
)
def test_a_place_is_where_the_database_is_and_nothing_secret(url: str, place: str) -> None:
    assert place_of(connect(url)) == place


def test_another_company_an_old_one_and_a_shared_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    with pytest.raises(SnapshotRefused, match="there is none"):
        read(file, PLACE, None, KNOWN.timestamp())
    write(file, snapshot())
    with pytest.raises(SnapshotRefused, match="it is of kopi instead of roti"):
        read(file, PLACE, "roti", KNOWN.timestamp())
    with pytest.raises(SnapshotRefused, match="it is 72 hours old"):
        read(file, PLACE, "kopi", KNOWN.timestamp() + AGE_SECONDS_MAX + 1)
    file.chmod(0o620)
    with pytest.raises(SnapshotRefused, match="others than its owner may write it"):
        read(file, PLACE, "kopi", KNOWN.timestamp())


@pytest.mark.fault("disk full on snapshot", "logged and counted; the server goes on")
async def test_a_full_disk_is_told_once_and_changes_nothing_else(
    database: Engine, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    # Whatever is written there is one byte too many.
    served = application(database, Path("/dev/full/snapshot"))
    await served.start()
    value = served.metrics.registry.get_sample_value
    try:
        await until(lambda: (value("dealwright_snapshot_failures_total") or 0) >= 2)
        ready = served.ready
    finally:
        await served.stop()

    assert ready


def test_what_could_not_be_finished_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "snapshot").mkdir()

    with suppress(OSError):
        write(tmp_path / "snapshot", snapshot())

    assert [each.name for each in tmp_path.iterdir()] == ["snapshot"]
