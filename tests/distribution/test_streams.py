"""Real tills on a real server: what they get, what they price, and what operators see of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import pytest
from dealwright.rule_stream import Device, Follower, Kept, Refused, open_bundle
from dealwright.v1.bundle_pb2 import Bundle, Signed
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rule_stream_service_pb2 import (
    GOODBYE_REASON_AUTH,
    GOODBYE_REASON_DRAIN,
    GOODBYE_REASON_REPLACED,
    NACK_REASON_DISK,
    Ack,
    GetBundleRequest,
    GetBundleResponse,
    Hello,
    KillPromotionsRequest,
    KillPromotionsResponse,
    ListClientsRequest,
    ListClientsResponse,
    Nack,
    ReleasePromotionsRequest,
    ReleasePromotionsResponse,
    ReportRequest,
    SyncRequest,
    WatchRequest,
    WatchResponse,
)
from google.protobuf.message import Message
from sqlalchemy import Engine, text

from server.access.service import Access
from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution.clients import TEXT_LENGTH_MAX, UNSUPPORTED_IDS_MAX
from server.distribution.key_folder import KeyFolder
from server.distribution.keys import ONLINE, create, read_root_key, rotate
from server.runtime.app import Application
from tests.access.calls import CALL_SECONDS, ask, bearer, owner, reason, serving, token_for
from tests.definitions.samples import jakarta_settings, percent_off
from tests.distribution.tills import SYNC, BareStream, Till, following, now
from tests.evaluation.requests import EVALUATE, latte_request

SERVICE = "/dealwright.v1.RuleStreamService"


def at_stores(promotion: Promotion, *store_ids: str) -> Promotion:
    """The promotion, in some stores alone."""
    promotion.targeting.store_ids.include.extend(store_ids)
    return promotion


def publish(definitions: Definitions, *promotions: Promotion, gone: tuple[str, ...] = ()) -> int:
    published = definitions.publish(
        "kopi", Publication(promotions, deleted_ids=gone, settings=jakarta_settings())
    )
    return published.revision


@asynccontextmanager
async def followed(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> AsyncIterator[tuple[Application, Till]]:
    """A server with one promotion, and a till that has it."""
    publish(definitions, percent_off("ten", 10))
    token = token_for(database, "till", Role.DEVICE)
    async with (
        serving(database, keys_dir=keys_dir) as (application, _),
        following(str(application.grpc_address), token, read_root_key(keys_dir)) as till,
    ):
        await till.at(1)
        yield application, till


async def test_a_till_follows_its_store_and_prices_like_the_server(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    first = publish(definitions, percent_off("ten", 10), at_stores(percent_off("far", 50), "bandung"))
    token = token_for(database, "till", Role.DEVICE, store_ids=("menteng",))
    request = latte_request()
    request.cart.store_id = "menteng"
    request.evaluate_time.GetCurrentTime()
    async with serving(database, keys_dir=keys_dir) as (application, channel):
        address = str(application.grpc_address)
        async with following(address, token, read_root_key(keys_dir), "menteng") as till:
            await till.at(first)
            assert till.follower.bundle() == till.disk["bundle"]
            # What was published for another store isn't there; what comes and goes is a delta.
            assert till.active is not None
            assert till.active.promotion_count == 1
            second = publish(definitions, percent_off("twenty", 20), gone=("ten",))
            await till.at(second)
            assert till.active.promotion_count == 1
            assert till.frames.count("snapshot_end") == 1
            assert till.frames.count("delta") == 1
            online = EvaluateResponse.FromString(
                await ask(channel, EVALUATE, request.SerializeToString(), metadata=bearer(token))
            )
            offline = EvaluateResponse.FromString(till.active.evaluate(request.SerializeToString(), 0))
            assert offline.result == online.result
            assert [verdict.promotion_id for verdict in offline.result.verdicts] == ["twenty"]


async def test_a_restarted_till_goes_on_from_its_disk(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    token, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    disk: dict[str, bytes] = {}
    async with serving(database, keys_dir=keys_dir) as (application, _):
        address = str(application.grpc_address)
        async with following(address, token, root_key, disk=disk) as till:
            await till.at(1)
        second = publish(definitions, percent_off("twenty", 20))
        async with following(address, token, root_key, disk=disk) as till:
            await till.at(1)
            await till.at(second)
            assert "snapshot_begin" not in till.frames


async def test_a_kill_lands_at_tills_and_server_and_is_taken_back(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10), percent_off("twenty", 20))
    token = token_for(database, "till", Role.DEVICE)
    operator = bearer(token_for(database, "ops", Role.OPERATOR))
    request = latte_request().SerializeToString()

    async def killed_online() -> bool:
        answer = EvaluateResponse.FromString(await ask(channel, EVALUATE, request, metadata=bearer(token)))
        return "twenty" not in {verdict.promotion_id for verdict in answer.result.verdicts}

    async with serving(database, keys_dir=keys_dir) as (application, channel):
        address = str(application.grpc_address)
        async with following(address, token, read_root_key(keys_dir)) as till:
            await till.at(1)
            assert not await killed_online()
            kill = KillPromotionsRequest(promotion_ids=["twenty"], comment="wrong price")
            done = KillPromotionsResponse.FromString(
                await ask(channel, f"{SERVICE}/KillPromotions", kill.SerializeToString(), metadata=operator)
            )
            assert list(done.killed_ids) == ["twenty"]
            await till.until(lambda till: till.active is not None and till.active.promotion_count == 1)
            assert till.follower.revision == 1
            async with asyncio.timeout(CALL_SECONDS):
                while not await killed_online():
                    await asyncio.sleep(0.05)
            release = ReleasePromotionsRequest(promotion_ids=["twenty"], comment="put right")
            freed = ReleasePromotionsResponse.FromString(
                await ask(
                    channel, f"{SERVICE}/ReleasePromotions", release.SerializeToString(), metadata=operator
                )
            )
            assert not freed.killed_ids
            await till.until(lambda till: till.active is not None and till.active.promotion_count == 2)
            with database.connect() as connection:
                actions = connection.scalars(text("SELECT action FROM audit_entry ORDER BY number")).all()
            assert actions[-2:] == ["kill", "release"]


NONSENSE: tuple[tuple[str, Message, str], ...] = (
    ("KillPromotions", KillPromotionsRequest(promotion_ids=["ten"]), "REQUIRED"),
    ("KillPromotions", KillPromotionsRequest(comment="why"), "REQUIRED"),
    ("KillPromotions", KillPromotionsRequest(promotion_ids=["no"], comment="x"), "PROMOTION_NOT_IN_FORCE"),
    ("ReleasePromotions", ReleasePromotionsRequest(promotion_ids=["ten"], comment="x"), "NOT_KILLED"),
    ("ListClients", ListClientsRequest(page_size=1001), "OUT_OF_RANGE"),
    ("ListClients", ListClientsRequest(page_token="?"), "NOT_GIVEN_OUT"),
    ("Report", ReportRequest(device_id="till-1"), "REQUIRED"),
    ("Report", ReportRequest(device_id="a b"), "DEVICE_ID_INVALID"),
    ("Watch", WatchRequest(hello=Hello(protocol=2, device_id="till-1")), "PROTOCOL_UNKNOWN"),
    ("Watch", WatchRequest(hello=Hello(protocol=1)), "DEVICE_ID_INVALID"),
    ("Sync", SyncRequest(ack=Ack(revision=1)), "REQUIRED"),
)


async def test_what_makes_no_sense_is_refused_with_its_reason(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    admin = bearer(token_for(database, "ann", Role.ADMIN))
    async with serving(database, keys_dir=keys_dir) as (_, channel):
        for method, request, why in NONSENSE:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask(channel, f"{SERVICE}/{method}", request.SerializeToString(), metadata=admin)
            assert reason(refused.value) == why, method


async def test_a_server_without_keys_serves_no_tills(database: Engine, definitions: Definitions) -> None:
    publish(definitions, percent_off("ten", 10))
    admin = bearer(token_for(database, "ann", Role.ADMIN))
    async with serving(database) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(channel, f"{SERVICE}/GetBundle", b"", metadata=admin)
        assert reason(refused.value) == "KEYS_MISSING"


async def test_a_revoked_token_and_a_second_till_of_the_name_end_a_stream(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    token, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    async with serving(database, keys_dir=keys_dir) as (application, _):
        address = str(application.grpc_address)
        async with following(address, token, root_key) as till:
            await till.at(1)
            async with following(address, token, root_key) as other:
                await other.at(1)
                await till.until(lambda till: GOODBYE_REASON_REPLACED in till.goodbyes)
        async with following(address, token, root_key, device_id="till-2") as till:
            await till.at(1)
            (kept,) = Access(database).tokens("kopi")
            Access(database).revoke(owner(), kept.id)
            await till.until(lambda till: GOODBYE_REASON_AUTH in till.goodbyes)
            await till.until(lambda till: grpc.StatusCode.UNAUTHENTICATED in till.errors)
            # It goes on with what it has.
            assert till.active is not None


@pytest.mark.parametrize("keep", [1, 0], ids=["rotated", "stolen"])
async def test_another_key_signs_without_a_restart(
    keep: int, database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    token, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    disk: dict[str, bytes] = {}
    async with serving(database, keys_dir=keys_dir) as (application, _):
        address = str(application.grpc_address)
        async with following(address, token, root_key, disk=disk) as till:
            await till.at(1)
            before = Bundle.FromString(disk["bundle"]).manifest.key_id
            rotate(keys_dir, keys_dir, datetime.now(UTC), keep=keep)
            await till.until(lambda till: "keys" in till.frames[2:])
            if not keep:
                # What a stolen key has signed isn't believed after a restart, so it is signed again at once.
                await till.until(lambda _: Bundle.FromString(disk["bundle"]).manifest.key_id != before)
                await till.until(lambda _: Signed.FromString(disk["control"]).key_id != before)
            await till.at(publish(definitions, percent_off("twenty", 20)))
            assert Bundle.FromString(disk["bundle"]).manifest.key_id != before
    again = Follower(Device("till-1", (), "0.1.0", 1), root_key, Kept(**disk))
    again.start(now())
    assert (again.refused, again.revision) == (None, 2)


async def test_keys_that_are_half_there_change_nothing(tmp_path: Path) -> None:
    create(tmp_path, tmp_path, datetime.now(UTC))
    folder = KeyFolder(tmp_path)
    first = folder.signer()
    online = (tmp_path / ONLINE).read_bytes()
    rotate(tmp_path, tmp_path, datetime.now(UTC), keep=0)
    renewed = (tmp_path / ONLINE).read_bytes()
    (tmp_path / ONLINE).write_bytes(online)
    assert folder.signer() is first
    (tmp_path / ONLINE).write_bytes(renewed)
    assert folder.signer().key_list_version == 2
    assert folder.signer() is folder.signer()


async def test_a_stopping_server_says_goodbye(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    token = token_for(database, "till", Role.DEVICE)
    async with serving(database, keys_dir=keys_dir) as (application, _):
        address = str(application.grpc_address)
        async with following(address, token, read_root_key(keys_dir)) as till:
            await till.at(1)
            await application.drain()
            await till.until(lambda till: GOODBYE_REASON_DRAIN in till.goodbyes)


async def test_a_database_that_was_set_back_begins_an_epoch(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    publish(definitions, percent_off("ten", 20))
    token, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    disk: dict[str, bytes] = {}
    async with (
        serving(database, keys_dir=keys_dir) as (application, _),
        following(str(application.grpc_address), token, root_key, disk=disk) as till,
    ):
        await till.at(2)
        before = till.follower.epoch
    with database.begin() as connection:
        # As a backup of the time before the second revision would have it.
        connection.execute(text("UPDATE revision_head SET revision = 1"))
    async with (
        serving(database, keys_dir=keys_dir) as (application, _),
        following(str(application.grpc_address), token, root_key, disk=disk) as till,
    ):
        await till.until(lambda till: till.follower.epoch > before)
        assert till.follower.revision == 1


async def test_operators_see_who_has_what(database: Engine, definitions: Definitions, keys_dir: Path) -> None:
    publish(definitions, percent_off("ten", 10))
    device = bearer(token_for(database, "till", Role.DEVICE, store_ids=("menteng",)))
    admin = bearer(token_for(database, "ann", Role.ADMIN))

    async def clients(**asked: object) -> ListClientsResponse:
        request = ListClientsRequest(**asked)  # type: ignore[arg-type]
        answer = await ask(channel, f"{SERVICE}/ListClients", request.SerializeToString(), metadata=admin)
        return ListClientsResponse.FromString(answer)

    async with serving(database, keys_dir=keys_dir) as (application, channel):
        epoch = application.distribution.log.epoch
        ack = ReportRequest(device_id="b", ack=Ack(epoch=epoch, revision=1))
        nack = Nack(epoch=epoch, revision=1, reason=NACK_REASON_DISK, detail="full")
        for report in (ack, ReportRequest(device_id="a", nack=nack)):
            await ask(channel, f"{SERVICE}/Report", report.SerializeToString(), metadata=device)
        await application.clients.write()
        found = await clients()
        assert [(client.device_id, client.revision) for client in found.clients] == [("a", 0), ("b", 1)]
        assert found.clients[0].nack == nack
        assert found.clients[0].scope_id == "menteng"
        assert not found.clients[0].connected
        assert [client.device_id for client in (await clients(behind_only=True)).clients] == ["a"]
        assert not (await clients(store_ids=["bandung"])).clients
        page = await clients(page_size=1)
        assert [client.device_id for client in page.clients] == ["a"]
        after = await clients(page_size=1, page_token=page.next_page_token)
        assert [client.device_id for client in after.clients] == ["b"]


async def test_what_one_till_says_keeps_no_other_from_being_seen(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    device = bearer(token_for(database, "till", Role.DEVICE))
    admin = bearer(token_for(database, "ann", Role.ADMIN))
    long = "a\0b" + "c" * TEXT_LENGTH_MAX
    nack = Nack(epoch=2**63 - 1, revision=2**63 - 1, reason=NACK_REASON_DISK, detail=long)
    ack = Ack(epoch=-1, revision=-1, unsupported_ids=[long] * (UNSUPPORTED_IDS_MAX + 1))
    async with serving(database, keys_dir=keys_dir) as (application, channel):
        hello = SyncRequest(hello=Hello(protocol=1, device_id="w", engine_version=long))
        sync: BareStream = channel.stream_stream(SYNC)
        call = sync(metadata=device)
        await call.write(hello.SerializeToString())
        await call.read()
        for report in (ReportRequest(device_id="a", ack=ack), ReportRequest(device_id="n", nack=nack)):
            await ask(channel, f"{SERVICE}/Report", report.SerializeToString(), metadata=device)
        await application.clients.write()
        answer = await ask(channel, f"{SERVICE}/ListClients", b"", metadata=admin)
        found = {client.device_id: client for client in ListClientsResponse.FromString(answer).clients}

    cut = "ab" + "c" * (TEXT_LENGTH_MAX - 2)
    assert found.keys() == {"a", "n", "w"}
    assert found["a"].unsupported_ids == [cut] * UNSUPPORTED_IDS_MAX
    assert found["n"].nack.detail == cut
    assert (found["w"].engine_version, found["w"].connected) == (cut, True)


async def test_a_watcher_gets_the_same_frames_and_reports(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    device = bearer(token_for(database, "till", Role.DEVICE))
    async with serving(database, keys_dir=keys_dir) as (_, channel):
        watch = channel.unary_stream(
            f"{SERVICE}/Watch", WatchRequest.SerializeToString, WatchResponse.FromString
        )
        call = watch(WatchRequest(hello=Hello(protocol=1, device_id="w")), metadata=device)
        kinds: list[str | None] = []

        async def kind() -> str | None:
            response = await call.read()
            assert isinstance(response, WatchResponse)
            return response.frame.WhichOneof("kind")

        async with asyncio.timeout(CALL_SECONDS):
            while "bookmark" not in kinds:
                kinds.append(await kind())
            assert kinds == [
                "welcome",
                "keys",
                "control",
                "snapshot_begin",
                "snapshot_chunk",
                "snapshot_end",
                "bookmark",
            ]
            publish(definitions, percent_off("ten", 30))
            kinds.clear()
            while "delta" not in kinds:
                kinds.append(await kind())
        call.cancel()


async def test_a_bundle_comes_as_a_file_and_only_whole_and_unchanged(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    device = bearer(token_for(database, "till", Role.DEVICE, store_ids=("menteng",)))
    root_key = read_root_key(keys_dir)
    async with serving(database, keys_dir=keys_dir) as (application, channel):
        get = channel.unary_stream(
            f"{SERVICE}/GetBundle", GetBundleRequest.SerializeToString, GetBundleResponse.FromString
        )
        parts = [part async for part in get(GetBundleRequest(), metadata=device)]
        data = b"".join(part.data for part in parts)
        etag = parts[0].etag
        again = [part async for part in get(GetBundleRequest(if_none_match=etag), metadata=device)]
        assert [(part.etag, part.data) for part in again] == [(etag, b"")]
        now = application.distribution.log.epoch
        manifest, holding = open_bundle(data, root_key, now, scope_id="menteng")
        assert manifest.revision == 1
        assert holding.promotion_ids == ["ten"]
        for index in range(0, len(data), 7):
            changed = data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
            try:
                opened = open_bundle(changed, root_key, now, scope_id="menteng")
            except Refused:
                continue
            # What isn't signed is left out of what counts, such as the number of a field.
            assert (opened[0], opened[1].root()) == (manifest, holding.root())
        for length in range(0, len(data), 7):
            with pytest.raises(Refused):
                open_bundle(data[:length], root_key, now, scope_id="menteng")


async def test_a_deaf_till_costs_the_others_nothing(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    token, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    async with serving(database, keys_dir=keys_dir) as (application, _):
        address = str(application.grpc_address)
        async with (
            following(address, token, root_key, device_id="deaf") as deaf,
            following(address, token, root_key, device_id="quick") as quick,
        ):
            await deaf.at(1)
            await quick.at(1)
            deaf.deaf = True
            for percent in range(20, 30):
                await quick.at(publish(definitions, percent_off("ten", percent)))
            assert deaf.follower.revision < quick.follower.revision
            # There is no queue for it: a stream keeps its place, and what comes next follows from that.
            assert len(application.distribution.log._catalogues) == 11  # noqa: SLF001 - the ring is all there is


async def test_thousands_of_streams_come_and_go(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10))
    device = bearer(token_for(database, "till", Role.DEVICE))
    hello = SyncRequest(hello=Hello(protocol=1, device_id="t")).SerializeToString()
    async with serving(database, keys_dir=keys_dir) as (application, channel):
        sync: BareStream = channel.stream_stream(SYNC)
        for _ in range(1000):
            call = sync(metadata=device)
            await call.write(hello)
            await call.read()
            call.cancel()
        async with asyncio.timeout(CALL_SECONDS):
            while application.metrics.registry.get_sample_value("dealwright_streams"):
                await asyncio.sleep(0.05)
