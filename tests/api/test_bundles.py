"""The bundle of a till's stores over HTTP, and what operators do with tills there."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest_asyncio
from dealwright.rule_stream import open_bundle
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution import keys
from tests.access.calls import token_for
from tests.api.people import People
from tests.api.test_sync import start
from tests.definitions.samples import percent_off

BUNDLE = "/api/v1/bundle"


@pytest_asyncio.fixture
async def client(
    database: Engine, definitions: Definitions, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A till's client of a server with keys."""
    keys.create(tmp_path, tmp_path, datetime.now(UTC))
    there = percent_off("there", 10)
    there.targeting.store_ids.include.append("ubud")
    definitions.publish("kopi", Publication([percent_off("ten", 10), there]))
    token = token_for(database, "till", Role.DEVICE, store_ids=("sudirman",))
    server = await start(database, keys_dir=tmp_path)
    headers = {"authorization": f"Bearer {token}"}
    try:
        base = f"http://{server.address}"
        async with httpx.AsyncClient(base_url=base, timeout=20.0, headers=headers) as client:
            yield client
    finally:
        await server.stop()


async def test_a_bundle_comes_once_and_again_when_something_changed(
    client: httpx.AsyncClient, definitions: Definitions, tmp_path: Path
) -> None:
    root_key = keys.read_root_key(tmp_path)
    first = await client.get(BUNDLE)
    assert (first.status_code, first.headers["content-type"]) == (200, "application/vnd.dealwright.bundle")
    assert first.headers["cache-control"] == "private, no-cache"
    manifest, holding = open_bundle(first.content, root_key, time.time(), scope_id="sudirman")
    assert (manifest.revision, holding.promotion_ids) == (1, ["ten"])
    known = {"if-none-match": first.headers["etag"]}
    again = await client.get(BUNDLE, headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    definitions.publish("kopi", Publication([percent_off("twenty", 20)]))
    second = await client.get(BUNDLE, headers=known)
    assert second.status_code == 200
    manifest, holding = open_bundle(second.content, root_key, time.time(), scope_id="sudirman")
    assert (manifest.revision, holding.promotion_ids) == (2, ["ten", "twenty"])


async def test_another_key_makes_another_file(client: httpx.AsyncClient, tmp_path: Path) -> None:
    first = await client.get(BUNDLE)
    keys.rotate(tmp_path, tmp_path, datetime.now(UTC), keep=0)
    second = await client.get(BUNDLE, headers={"if-none-match": first.headers["etag"]})
    assert second.status_code == 200
    open_bundle(second.content, keys.read_root_key(tmp_path), time.time(), scope_id="sudirman")


async def test_without_keys_there_is_no_file(database: Engine, definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    token = token_for(database, "till", Role.DEVICE)
    server = await start(database)
    try:
        async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=20.0) as client:
            refused = await client.get(BUNDLE, headers={"authorization": f"Bearer {token}"})
            assert refused.json()["reason"] == "KEYS_MISSING"
    finally:
        await server.stop()


async def test_operators_kill_and_see_tills_over_http(api: People) -> None:
    await api.publish("ten")
    why = {"promotion_ids": ["ten"], "comment": "wrong price"}
    assert (await api.call("till", "POST", "/promotions:kill", why)).status_code == 403
    assert (await api.call("otto", "POST", "/promotions:kill", why)).json()["killed_ids"] == ["ten"]
    freed = await api.call("otto", "POST", "/promotions:release", why)
    assert freed.json().get("killed_ids", []) == []
    clients = (await api.call("otto", "GET", "/clients")).json()
    assert clients.get("clients", []) == []
    assert int(clients["revision"]) == 1
