"""Reference data, users, tokens and the audit log over HTTP."""

import hashlib
from typing import Any

from sqlalchemy import Engine, text

from server.access.users import Users
from server.actors import Role
from server.audit.service import Audit
from server.definitions.service import Definitions
from tests.access.calls import owner
from tests.api.people import API, PASSWORD, People, browser, reason, sample

MENTENG = {"id": "menteng", "name": "Menteng", "time_zone": "Asia/Jakarta", "currency_code": "IDR"}


async def test_reference_data_is_imported_listed_in_pages_and_removed(api: People, database: Engine) -> None:
    products = [{"id": f"p{number}", "name": f"Product {number}"} for number in range(5)]
    body: dict[str, Any] = {"kind": "REFERENCE_KIND_PRODUCT", "references": {"products": products}}
    trial = await api.call("cara", "POST", "/references:import", body | {"dry_run": True})
    assert trial.json()["written"] == "5"
    assert Definitions(database).head_revision("kopi") == 0

    done = await api.call("cara", "POST", "/references:import", body | {"comment": "the menu"})

    assert (done.json()["revision"], done.json()["written"]) == ("1", "5")
    assert done.json()["differences"][0]["kind"] == "DIFFERENCE_KIND_ADDED"
    await api.call("cara", "POST", "/references:import", {**body, "references": {"products": products[:1]}})
    names, query = [], "?kind=REFERENCE_KIND_PRODUCT&page_size=2"
    while query:
        page = await api.call("vera", "GET", f"/references{query}")
        names.append([product["id"] for product in page.json()["references"]["products"]])
        query = page.links.get("next", {}).get("url", "")
    assert names == [["p0", "p1"], ["p2", "p3"], ["p4"]]
    rest = {**body, "references": {"products": products[1:3]}, "complete": True}
    gone = await api.call("cara", "POST", "/references:import", rest)
    assert (gone.json()["unchanged"], gone.json()["deleted"]) == ("2", "3")
    left = await api.call("vera", "GET", "/references?kind=REFERENCE_KIND_PRODUCT")
    assert left.json()["references"]["products"] == products[1:3]
    assert "next_page_token" not in left.json()


async def test_reference_data_that_is_wrong_is_named(api: People) -> None:
    store = {"kind": "REFERENCE_KIND_STORE"}
    wrong = {"stores": [MENTENG, {**MENTENG, "id": "ubud", "time_zone": "Nowhere"}, MENTENG]}
    refused = await api.call("cara", "POST", "/references:import", {**store, "references": wrong})
    assert refused.status_code == 400
    fields = {error["field"] for error in refused.json()["errors"]}
    assert fields == {"references.stores[1].time_zone", "references.stores[2].id"}
    for body, why in (
        ({}, "REQUIRED"),
        ({"kind": 0}, "REQUIRED"),
        ({**store, "references": {"brands": [{"id": "b"}]}}, "NOT_ALLOWED"),
    ):
        refused = await api.call("cara", "POST", "/references:import", body)
        assert (refused.status_code, reason(refused)) == (400, why)
    assert reason(await api.call("vera", "GET", "/references")) == "REQUIRED"


async def test_a_token_is_made_once_and_its_secret_kept_nowhere(api: People, database: Engine) -> None:
    body = {"name": "till 7", "roles": ["ACCESS_ROLE_DEVICE"], "store_ids": ["menteng"], "lifetime_days": 30}
    key = {"idempotency-key": "k"}
    made = await api.call("root", "POST", "/tokens", body, headers=key)
    assert made.status_code == 200
    token = made.json()["token"]

    again = await api.call("root", "POST", "/tokens", body, headers=key)

    assert (again.status_code, reason(again)) == (409, "ANSWER_NOT_KEPT")
    with database.connect() as connection:
        tables = connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).all()
        kept = [str(row) for table in tables for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
    assert not any(token[14:] in row for row in kept)
    assert any(str(hashlib.sha256(token.encode()).digest()) in row for row in kept)

    await api.grants.refresh()
    api.tokens["till 7"] = token
    assert reason(await api.call("till 7", "GET", "/promotions")) == "ROLE_MISSING"
    listed = (await api.call("root", "GET", "/tokens")).json()["tokens"]
    (till,) = [one for one in listed if one["name"] == "till 7"]
    assert till["roles"] == ["ACCESS_ROLE_DEVICE"]
    assert (till["store_ids"], "expire_time" in till, "revoke_time" in till) == (["menteng"], True, False)
    revoked = await api.call("root", "DELETE", f"/tokens/{till['id']}")
    assert "revoke_time" in revoked.json()["token"]
    await api.grants.refresh()
    assert reason(await api.call("till 7", "GET", "/promotions")) == "TOKEN_UNKNOWN"
    assert reason(await api.call("root", "DELETE", f"/tokens/{till['id']}")) == "TOKEN_UNKNOWN"


async def test_a_token_that_cannot_be_is_refused(api: People) -> None:
    good = {"name": "till", "roles": ["ACCESS_ROLE_DEVICE"]}
    for wrong, field in (
        ({"name": ""}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["ACCESS_ROLE_UNSPECIFIED"]}, "roles"),
        ({"lifetime_days": -1}, "lifetime_days"),
        ({"lifetime_days": 36501}, "lifetime_days"),
    ):
        refused = await api.call("root", "POST", "/tokens", good | wrong)
        assert refused.status_code == 400, wrong
        assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert (await api.call("root", "POST", "/tokens", good | {"lifetime_days": 36500})).status_code == 200


async def test_the_audit_log_is_read_by_auditors_and_verified(api: People, database: Engine) -> None:
    for number in range(3):
        await api.call("ann", "POST", "/promotions", {"promotion": sample(f"p{number}")})
    entries = Audit(database).entries("kopi")

    found, query = [], "?page_size=4"
    while query:
        page = await api.call("audrey", "GET", f"/audit{query}")
        found += page.json().get("entries", [])
        query = page.links.get("next", {}).get("url", "")

    assert [entry["number"] for entry in found] == [str(entry.number) for entry in reversed(entries)]
    assert found[0]["hash"] == entries[-1].hash.hex()
    assert '"id": "p2"' in found[0]["after"]
    of_ann = (await api.call("audrey", "GET", "/audit?actor=ann&subject=promotion&subject_id=p1")).json()
    assert [(one["action"], one["source"]) for one in of_ann["entries"]] == [("create", "HTTP 127.0.0.1")]
    assert (await api.call("audrey", "GET", "/audit?actor=nobody")).json() == {}

    whole = (await api.call("audrey", "GET", "/audit/verification")).json()
    assert whole == {"entries": str(len(entries)), "head_hash": entries[-1].hash.hex()}
    kept = {"kept_number": 2, "kept_hash": "00"}
    other = (await api.call("audrey", "GET", "/audit/verification", params=kept)).json()
    assert "isn't the one whose hash was kept" in other["problem"]
    refused = await api.call("audrey", "GET", "/audit/verification?kept_number=2")
    assert (refused.status_code, reason(refused)) == (400, "REQUIRED")


async def test_users_are_managed_over_http_and_a_code_is_given_once(api: People, database: Engine) -> None:
    body = {"name": "joe", "roles": ["ACCESS_ROLE_OPERATOR"], "store_ids": ["ubud"], "invitation_hours": 1}
    key = {"idempotency-key": "k"}
    made = await api.call("root", "POST", "/users", body, headers=key)
    assert made.status_code == 200, made.text
    again = await api.call("root", "POST", "/users", body, headers=key)
    assert (again.status_code, reason(again)) == (409, "ANSWER_NOT_KEPT")
    accepting = {"code": made.json()["invitation_code"], "password": PASSWORD}
    accepted = await api.client.post(f"{API}/session:accept-invitation", json=accepting)
    assert (accepted.status_code, accepted.json()["store_ids"]) == (200, ["ubud"])

    about_joe = {"name": "joe"}
    roles = {**about_joe, "roles": ["ACCESS_ROLE_VIEWER"]}
    assert (await api.call("root", "POST", "/users:set-roles", roles)).json()["user"]["roles"] == [
        "ACCESS_ROLE_VIEWER"
    ]
    freed = await api.call("root", "POST", "/users:set-stores", about_joe)
    assert "store_ids" not in freed.json()["user"]
    (listed,) = (await api.call("root", "GET", "/users/joe/sessions")).json()["sessions"]
    assert listed["source"] == "HTTP 127.0.0.1"
    assert (await api.call("root", "POST", "/users:end-sessions", about_joe)).json() == {"ended": 1}
    for action in ("invite", "reset-password"):
        code = (await api.call("root", "POST", f"/users:{action}", about_joe)).json()["invitation_code"]
        assert code.startswith("dwi_")
    assert "disable_time" in (await api.call("root", "POST", "/users:disable", about_joe)).json()["user"]
    assert "disable_time" not in (await api.call("root", "POST", "/users:enable", about_joe)).json()["user"]
    (user,) = (await api.call("root", "GET", "/users")).json()["users"]
    assert user["name"] == "joe"
    assert reason(await api.call("root", "GET", "/users/eve/sessions")) == "USER_UNKNOWN"


async def test_a_user_of_some_stores_acts_for_them_alone(api: People, database: Engine) -> None:
    page = browser(api, database, "joe", Role.ADMIN)
    assert (
        await page.call("POST", "/users", {"name": "eve", "roles": ["ACCESS_ROLE_VIEWER"]})
    ).status_code == 200
    Users(database).set_stores(owner(), "joe", ["ubud"])
    refused = await page.call("POST", "/users", {"name": "max", "roles": ["ACCESS_ROLE_VIEWER"]})
    assert (refused.status_code, reason(refused)) == (403, "STORES_ONLY")
    elsewhere = await page.call("GET", "/sync/promotions/?store_id=menteng")
    assert (elsewhere.status_code, "other stores" in elsewhere.text) == (403, True)
    at_home = await page.call("GET", "/sync/promotions/?store_id=ubud")
    assert at_home.json() == {"error": "Store not found"}
