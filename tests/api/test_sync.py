"""Tills over HTTP: six endpoints with the prescribed fields, true deltas, and uploads that count once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from dealwright.v1.ruleset_pb2 import Ruleset, Store
from jsonschema import Draft202012Validator
from sqlalchemy import Engine, text

from admin.api.callers import Callers
from admin.api.server import AdminServer
from server.access.grants import Grants
from server.access.service import Access
from server.access.sessions import Sessions
from server.actors import Role
from server.answers.service import Answers
from server.definitions.pos import SCHEMA
from server.definitions.service import Definitions, Publication
from server.definitions.tills import Tills
from server.methods import methods
from server.runtime.metrics import Metrics
from server.runtime.settings import Address, Settings
from tests.access.calls import owner, token_for
from tests.definitions.samples import percent_off

SYNC = "/api/v1/sync"
STORES = [
    Store(id="sudirman", brand_id="kopi", time_zone="Asia/Jakarta", currency_code="IDR"),
    Store(id="ubud", brand_id="roti", time_zone="Asia/Makassar", currency_code="IDR"),
]
USAGE = {
    "promotion_id": "ten",
    "bill_id": "bill-1",
    "member_id": "m-1",
    "customer_phone": "+62 812",
    "discount_amount": 25000.0,
    "used_at": "2026-01-27T10:00:00Z",
    "store_id": "sudirman",
    "brand_id": "kopi",
}
LOG = {
    "bill_id": "bill-1",
    "promotion_id": "ten",
    "status": "applied",
    "reason": "20% discount applied",
    "discount_amount": 15000.0,
    "original_amount": 75000.0,
    "final_amount": 60000.0,
    "validation_details": {"step": 1, "share": 0.2},
}


class Till:
    """A till of the store sudirman, which calls a real server."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.client = client
        self.headers = {"authorization": f"Bearer {token}"}

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.client.get(SYNC + path, params=query, headers=self.headers)

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.client.post(SYNC + path, json=body, headers=self.headers)


async def start(database: Engine, **settings: Any) -> AdminServer:
    grants = Grants(Access(database))
    await grants.refresh()
    how = Settings(admin_address=Address("127.0.0.1", 0), drain_seconds=5, **settings)
    metrics = Metrics()
    server = AdminServer(
        how, methods(database, how, metrics), Callers(grants, Sessions(database)), Answers(database), metrics
    )
    await server.start()
    return server


@pytest_asyncio.fixture
async def till(database: Engine, definitions: Definitions) -> AsyncIterator[Till]:
    definitions.publish("kopi", Publication(settings=Ruleset(company_id="kopi", stores=STORES)))
    there = percent_off("there", 10)
    there.targeting.store_ids.include.append("ubud")
    definitions.publish("kopi", Publication([percent_off("ten", 10), there]))
    token = token_for(database, "till", Role.DEVICE, store_ids=("sudirman",))
    server = await start(database)
    try:
        async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=20.0) as client:
            yield Till(client, token)
    finally:
        await server.stop()


async def test_a_till_loads_all_and_then_what_changed(till: Till, definitions: Definitions) -> None:
    first = (await till.get("/promotions/", store_id="sudirman")).json()
    assert list(first) == ["promotions", "deleted_promotion_ids", "deleted_ids", "sync_timestamp", "count"]
    assert [found["id"] for found in first["promotions"]] == ["ten"]
    assert (first["count"], first["deleted_ids"]) == (1, [])

    definitions.publish("kopi", Publication([percent_off("six", 6)], deleted_ids=["ten"]))
    since = first["sync_timestamp"]
    delta = (await till.get("/promotions", store_id="sudirman", last_sync=since)).json()
    assert [found["id"] for found in delta["promotions"]] == ["six"]
    assert delta["deleted_promotion_ids"] == delta["deleted_ids"] == ["ten"]
    assert delta["sync_timestamp"] > since
    alias = (await till.get("/promotions/active/", store_id="sudirman", last_sync=since)).json()
    assert alias["promotions"] == delta["promotions"]
    nothing = await till.get("/promotions/", store_id="sudirman", last_sync=delta["sync_timestamp"])
    assert (nothing.json()["promotions"], nothing.json()["deleted_ids"]) == ([], [])
    other = await till.get("/promotions/", store_id="sudirman", brand_id="roti")
    assert [found["id"] for found in other.json()["promotions"]] == ["six"]


async def test_single_promotions_and_several(till: Till) -> None:
    assert (await till.get("/promotions/ten/")).json()["code"] == (await till.get("/promotions/ten")).json()[
        "code"
    ]
    for unknown in ("there", "unknown"):
        missing = await till.get(f"/promotions/{unknown}/")
        assert (missing.status_code, missing.json()) == (404, {"error": "Promotion not found"})
    several = (await till.post("/promotions/bulk/", {"promotion_ids": ["ten", "there", "x", 7]})).json()
    assert [found["id"] for found in several["promotions"]] == ["ten"]
    assert several["count"] == 1


async def test_a_till_says_which_extensions_it_understands(till: Till, definitions: Definitions) -> None:
    closing = percent_off("closing", 10)
    closing.stacking.closes_units = True
    definitions.publish("kopi", Publication([closing]))
    for query, wanted in (
        ({}, ["ten"]),
        ({"extensions": "condition"}, ["ten"]),
        ({"extensions": "condition, stacking"}, ["closing", "ten"]),
        ({"extensions": "all"}, ["closing", "ten"]),
    ):
        listed = await till.get("/promotions/", store_id="sudirman", **query)
        assert [found["id"] for found in listed.json()["promotions"]] == wanted
    assert (await till.get("/promotions/closing/")).status_code == 404
    one = (await till.get("/promotions/closing/", extensions="stacking")).json()
    assert one["extensions"] == {"stacking": {"closes_units": True}}
    some = await till.post("/promotions/bulk/?extensions=stacking", {"promotion_ids": ["closing"]})
    assert some.json()["promotions"] == [one]
    schema = (await till.get("/schema/")).json()
    assert schema == SCHEMA
    Draft202012Validator(schema).validate(one)


async def test_the_version_only_grows(till: Till, database: Engine, definitions: Definitions) -> None:
    first = (await till.get("/version/")).json()
    assert list(first) == ["version", "last_updated", "force_update"]
    assert (first["version"], first["force_update"]) == (2, False)
    definitions.publish("kopi", Publication(deleted_ids=["ten"]))
    Tills(database).set_force_update(owner(), forced=True)
    second = (await till.get("/version/")).json()
    assert (second["version"], second["force_update"]) == (3, True)
    assert second["last_updated"] > first["last_updated"]


async def test_what_is_missing_or_wrong_is_told_as_prescribed(till: Till) -> None:
    for path, body, error in (
        ("/promotions/bulk/", {}, "promotion_ids is required"),
        ("/usage/", {"logs": []}, "usages array is required"),
        ("/usage/", [], "usages array is required"),
        ("/logs/", {"logs": "x"}, "logs array is required"),
    ):
        refused = await till.post(path, body)
        assert (refused.status_code, refused.json()) == (400, {"error": error})
    for query, status, error in (
        ({}, 400, "store_id is required"),
        ({"store_id": "ubud"}, 403, "the token is for other stores"),
        (
            {"store_id": "sudirman", "last_sync": "yesterday"},
            400,
            "last_sync must be an instant such as 2026-01-27T10:00:00Z",
        ),
        (
            {"store_id": "sudirman", "last_sync": "2026-01-27T10:00:00"},
            400,
            "last_sync must be an instant such as 2026-01-27T10:00:00Z",
        ),
    ):
        refused = await till.get("/promotions/", **query)
        assert (refused.status_code, refused.json()) == (status, {"error": error})


async def test_what_nobody_expected_says_nothing_of_the_inside(till: Till, database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE pos_document RENAME TO elsewhere"))
    refused = await till.get("/promotions/", store_id="sudirman")
    assert (refused.status_code, refused.json()) == (500, {"error": "Internal server error"})


async def test_a_usage_counts_once(till: Till) -> None:
    uploaded = (await till.post("/usage/", {"usages": [USAGE, {**USAGE, "bill_id": "bill-2"}]})).json()
    assert uploaded == {"created": 2, "errors": [], "total": 2}
    again = (await till.post("/usage/", {"usages": [USAGE, USAGE]})).json()
    assert again == {"created": 0, "errors": [], "total": 2}
    other = {**USAGE, "discount_amount": 1}
    differs = (await till.post("/usage/", {"usages": [other]})).json()
    assert differs["created"] == 0
    assert differs["errors"][0]["data"] == other
    assert "stays as it was" in differs["errors"][0]["error"]
    document = (await till.get("/promotions/ten/")).json()
    assert document["limits"]["current_uses"] == 2


async def test_uploads_at_once_count_once(till: Till) -> None:
    usages = [{**USAGE, "bill_id": f"bill-{number}"} for number in range(20)]
    done = await asyncio.gather(
        *(till.post("/usage/", {"usages": usages if turn % 2 else usages[::-1]}) for turn in range(6))
    )
    assert [each.status_code for each in done] == [200] * 6
    assert sum(each.json()["created"] for each in done) == 20


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"promotion_id": None}, "promotion_id"),
        ({"promotion_id": "unknown"}, "promotion_id"),
        ({"promotion_id": 7}, "promotion_id"),
        ({"bill_id": ""}, "bill_id"),
        ({"bill_id": "\0"}, "bill_id"),
        ({"bill_id": "x" * 257}, "bill_id"),
        ({"store_id": "ubud"}, "store_id"),
        ({"store_id": None}, "store_id"),
        ({"discount_amount": "25000"}, "discount_amount"),
        ({"discount_amount": True}, "discount_amount"),
        ({"discount_amount": -1}, "discount_amount"),
        ({"discount_amount": 0.001}, "discount_amount"),
        ({"discount_amount": 1e300}, "discount_amount"),
        ({"discount_amount": None}, "discount_amount"),
        ({"used_at": "2026-01-27"}, "used_at"),
        ({"used_at": "soon"}, "used_at"),
        ({"member_id": {}}, "member_id"),
    ],
)
async def test_a_bad_usage_is_told_and_the_good_ones_are_kept(
    till: Till, change: dict[str, Any], field: str
) -> None:
    bad = {**USAGE, **change}
    uploaded = (await till.post("/usage/", {"usages": [bad, USAGE, "text"]})).json()
    assert (uploaded["created"], uploaded["total"]) == (1, 3)
    assert uploaded["errors"][0]["data"] == bad
    assert list(uploaded["errors"][0]["errors"]) == [field]
    assert uploaded["errors"][1] == {"data": "text", "error": "must be an object"}


async def test_logs_are_kept_once_with_the_store_of_the_token(till: Till, database: Engine) -> None:
    rejected = {**LOG, "status": "rejected", "discount_amount": 0}
    logs = [LOG, rejected, LOG, {**LOG, "status": "lost"}, {**LOG, "validation_details": "\0"}]
    uploaded = (await till.post("/logs/", {"logs": logs})).json()
    assert (uploaded["created"], uploaded["total"]) == (2, 5)
    assert [list(error["errors"]) for error in uploaded["errors"]] == [["status"], ["validation_details"]]
    assert (await till.post("/logs/", {"logs": [LOG]})).json() == {"created": 0, "errors": [], "total": 1}
    with database.connect() as connection:
        kept = connection.execute(text("SELECT * FROM bill_log WHERE status = 'applied'")).one()._mapping
    assert kept["store_id"] == "sudirman"
    assert (kept["original_minor"], kept["discount_minor"], kept["final_minor"]) == (
        7_500_000,
        1_500_000,
        6_000_000,
    )
    assert kept["validation_details"] == LOG["validation_details"]


async def test_an_upload_has_a_largest_size(till: Till) -> None:
    usages = [{**USAGE, "bill_id": f"b{number}"} for number in range(1000)]
    assert (await till.post("/usage/", {"usages": usages})).json()["created"] == 1000
    refused = await till.post("/usage/", {"usages": [*usages, USAGE]})
    assert (refused.status_code, refused.json()) == (400, {"error": "an upload has at most 1000 items"})


async def test_uploads_are_only_added_to(till: Till, database: Engine) -> None:
    await till.post("/usage/", {"usages": [USAGE]})
    await till.post("/logs/", {"logs": [LOG]})
    for statement in ('DELETE FROM "usage"', "UPDATE bill_log SET reason = ''", 'TRUNCATE "usage"'):
        with pytest.raises(Exception, match="never changed or deleted"), database.begin() as connection:
            connection.execute(text(statement))


async def test_who_calls_too_often_is_told_when_to_come_back(till: Till, database: Engine) -> None:
    server = await start(database, sync_calls_per_hour=3, api_calls_per_hour=2)
    root = token_for(database, "root", Role.ADMIN)
    try:
        async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=20.0) as client:
            busy = Till(client, till.headers["authorization"].removeprefix("Bearer "))
            answers = [await busy.get("/version/") for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[-1].json()["reason"] == "TOO_MANY_CALLS"
            assert 0 < int(answers[-1].headers["retry-after"]) <= 1200
            refused = await client.get(f"{SYNC}/version/", headers={"authorization": f"Bearer {root}"})
            assert refused.status_code == 401
    finally:
        await server.stop()


async def test_strangers_are_told_to_wait_and_keep_nobody_out(till: Till, database: Engine) -> None:
    server = await start(database, stranger_calls_per_minute=2)
    server.throttles.strangers.clock = lambda: 1.0
    try:
        async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=20.0) as client:
            path = f"{SYNC}/version/"
            answers = [await client.get(path, headers={"authorization": "Bearer dw_x"}) for _ in range(3)]
            known = await client.get(path, headers=till.headers)
    finally:
        await server.stop()

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert known.status_code == 200
