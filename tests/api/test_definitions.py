"""The life of a promotion over HTTP: the same use cases as over gRPC, with HTTP's own manners."""

from typing import Any

from sqlalchemy import Engine

from server.actors import Role
from tests.api.people import People, about, browser, reason, sample

REFUSED: list[tuple[str, str, Any, dict[str, str], int, str]] = [
    ("PUT", "/promotions/ten", {"promotion": sample("ten")}, {}, 428, "ETAG_REQUIRED"),
    ("DELETE", "/promotions/ten", None, {}, 428, "ETAG_REQUIRED"),
    ("PUT", "/promotions/ten", {"promotion": sample("ten")}, {"if-match": "*"}, 400, "ETAG_INVALID"),
    ("PUT", "/promotions/ten", {"promotion": sample("six")}, {"if-match": '"1"'}, 400, "NOT_ALLOWED"),
    ("PUT", "/promotions/ten", {"etag": "2"}, {"if-match": '"1"'}, 400, "NOT_ALLOWED"),
    ("GET", "/promotions/unknown", None, {}, 404, "PROMOTION_UNKNOWN"),
    ("GET", "/promotions/ten?version=9", None, {}, 404, "VERSION_UNKNOWN"),
    ("GET", "/promotions/ten?version=x", None, {}, 400, "UNREADABLE"),
    ("GET", "/promotions/ten?promotion_id=six", None, {}, 400, "PARAMETER_UNKNOWN"),
    ("GET", "/promotions?colour=red", None, {}, 400, "PARAMETER_UNKNOWN"),
    ("GET", "/promotions?search=a&search=b", None, {}, 400, "DUPLICATE"),
    ("GET", "/promotions?labels={", None, {}, 400, "UNREADABLE"),
    ("GET", "/promotions?page_size=501", None, {}, 400, "OUT_OF_RANGE"),
    ("GET", "/promotions?states=LOUD", None, {}, 400, "UNREADABLE"),
    ("GET", f"/promotions?search={'x' * 8192}", None, {}, 414, "QUERY_TOO_LONG"),
    ("GET", "/revisions/diff?older=7", None, {}, 404, "REVISION_NOT_FOUND"),
    ("POST", "/promotions", {"promotion": sample("ten")}, {}, 409, "PROMOTION_EXISTS"),
    ("POST", "/promotions", {"promotion": {"id": "six"}}, {}, 400, "REQUIRED"),
    ("POST", "/promotions", {"promotion": {"colour": 1}}, {}, 400, "UNREADABLE"),
    ("POST", "/promotions", [], {}, 400, "UNREADABLE"),
    ("POST", "/promotions:approve", about("ten"), {}, 409, "WRONG_STATE"),
    ("GET", "/nothing", None, {}, 404, "PATH_UNKNOWN"),
    ("PATCH", "/promotions", None, {}, 405, "VERB_UNKNOWN"),
]
"""What is asked, by verb, path, body and headers, and the status and reason of the refusal."""


async def test_a_promotion_lives_from_its_draft_to_its_archive(api: People) -> None:
    created = await api.call("ann", "POST", "/promotions", {"promotion": sample("ten"), "comment": "first"})
    assert created.status_code == 201
    assert created.headers["location"] == "/api/v1/promotions/ten"
    assert created.json()["record"]["state"] == "PROMOTION_STATE_DRAFT"
    assert created.json()["record"]["version"] == "1"

    found = await api.call("vera", "GET", created.headers["location"].removeprefix("/api/v1"))
    assert found.json()["record"]["promotion"] == sample("ten")
    assert found.headers["etag"] == created.headers["etag"] == f'"{found.json()["record"]["etag"]}"'

    updated = await api.call(
        "ann",
        "PUT",
        "/promotions/ten",
        {"promotion": sample("ten", 20)},
        headers={"if-match": found.headers["etag"]},
    )
    assert updated.status_code == 200, updated.text
    assert updated.json()["differences"][0]["fields"]

    for who, action, state in (
        ("ann", "submit", "IN_REVIEW"),
        ("ben", "request-changes", "DRAFT"),
        ("ann", "submit", "IN_REVIEW"),
        ("ben", "reject", "REJECTED"),
    ):
        done = await api.call(who, "POST", f"/promotions:{action}", about("ten"))
        assert done.status_code == 200, done.text
        assert await _state(api, "ten") == state
    updated = await api.call(
        "ann",
        "PUT",
        "/promotions/ten",
        {"promotion": sample("ten", 30)},
        headers={"if-match": await _etag(api, "ten")},
    )
    assert updated.status_code == 200
    for who, action, state in (
        ("ann", "submit", "IN_REVIEW"),
        ("ben", "approve", "APPROVED"),
        ("cara", "publish", "ACTIVE"),
        ("otto", "pause", "PAUSED"),
        ("otto", "resume", "ACTIVE"),
    ):
        trial = await api.call(who, "POST", f"/promotions:{action}", about("ten") | {"dry_run": True})
        before = await _etag(api, "ten")
        assert trial.status_code == 200, trial.text
        assert await _etag(api, "ten") == before
        done = await api.call(who, "POST", f"/promotions:{action}", about("ten"))
        assert done.json() == trial.json()
        assert await _state(api, "ten") == state

    etag = {"if-match": await _etag(api, "ten")}
    refused = await api.call("cara", "DELETE", "/promotions/ten", headers=etag)
    assert (refused.status_code, reason(refused)) == (409, "WRONG_STATE")
    await api.call("otto", "POST", "/promotions:pause", about("ten"))
    stale = await api.call("cara", "DELETE", "/promotions/ten", headers=etag)
    assert (stale.status_code, reason(stale)) == (412, "STALE")
    etag = {"if-match": await _etag(api, "ten")}
    gone = await api.call("cara", "DELETE", "/promotions/ten", headers=etag)
    assert gone.status_code == 200, gone.text
    assert await _state(api, "ten") == "ARCHIVED"
    restored = await api.call("ann", "POST", "/promotions:restore", about("ten"))
    assert restored.status_code == 200
    back = await api.call("cara", "POST", "/revisions:rollback", {"revision": 1})
    assert back.status_code == 200, back.text
    revisions = (await api.call("vera", "GET", "/revisions")).json()["revisions"]
    assert [one["action"] for one in revisions] == [
        *("roll_back", "archive", "pause"),
        *("resume", "pause", "publish"),
    ]
    history = (await api.call("vera", "GET", "/promotions/ten/history")).json()["entries"]
    assert history[0]["source"] == "HTTP 127.0.0.1"
    diff = (await api.call("vera", "GET", "/revisions/diff", params={"older": 1, "newer": 2})).json()
    assert diff["differences"][0]["kind"] == "DIFFERENCE_KIND_REMOVED"
    diff = (await api.call("vera", "GET", "/promotions/ten/diff", params={"older": 1})).json()
    assert "10 %" in diff["differences"][0]["sentences"][0]


async def test_lists_are_filtered_searched_and_paged(api: People) -> None:
    for number in range(5):
        await api.call("ann", "POST", "/promotions", {"promotion": sample(f"p{number}", 10 + number)})
    await api.call("ann", "POST", "/promotions:submit", about("p1", "p3"))

    async def ids(**query: Any) -> list[str]:
        found = await api.call("vera", "GET", "/promotions", params=query)
        assert found.status_code == 200, found.text
        return [record["promotion"]["id"] for record in found.json().get("records", [])]

    assert await ids(states="PROMOTION_STATE_IN_REVIEW") == ["p1", "p3"]
    assert await ids(states=["PROMOTION_STATE_IN_REVIEW", "PROMOTION_STATE_DRAFT"]) == [
        f"p{number}" for number in range(5)
    ]
    assert await ids(search="12") == ["p2"]
    assert await ids(types="percent_discount", search="13 p3") == ["p3"]
    assert await ids(types="combo") == []
    assert await ids(labels='[{"name": "season", "text": "ramadan"}]') == []

    path: str | None = "/promotions?page_size=2&types=percent_discount"
    pages = []
    while path is not None:
        page = await api.call("vera", "GET", path)
        pages.append([record["promotion"]["id"] for record in page.json()["records"]])
        following = page.links.get("next", {}).get("url")
        path = f"/promotions{following}" if following else None
    assert pages == [["p0", "p1"], ["p2", "p3"], ["p4"]]


async def test_who_was_slower_learns_what_the_other_did(api: People) -> None:
    created = await api.call("ann", "POST", "/promotions", {"promotion": sample("ten")})
    etag = {"if-match": created.headers["etag"]}
    body = {"promotion": sample("ten", 20)}
    assert (await api.call("root", "PUT", "/promotions/ten", body, headers=etag)).status_code == 200

    late = await api.call("ann", "PUT", "/promotions/ten", {"promotion": sample("ten", 30)}, headers=etag)

    assert (late.status_code, reason(late)) == (412, "STALE")
    assert "root: update as version 2" in late.json()["detail"]
    assert late.json()["parameters"]["actor"] == "root"
    stale = {"promotions": [{"promotion_id": "ten", "etag": created.json()["record"]["etag"]}]}
    late = await api.call("ann", "POST", "/promotions:submit", stale)
    assert (late.status_code, reason(late)) == (409, "STALE")


async def test_what_is_refused_says_why(api: People) -> None:
    await api.call("ann", "POST", "/promotions", {"promotion": sample("ten")})
    for verb, path, body, headers, status, why in REFUSED:
        refused = await api.call("root", verb, path, body, headers=headers)

        assert (refused.status_code, reason(refused)) == (status, why), (verb, path, body)
        assert refused.json()["detail"]


async def test_every_field_that_is_wrong_is_named(api: People) -> None:
    wrong = sample("ten") | {"percent_discount": {"percent_off_ppm": 2_000_000}, "priority": -1_000_000}
    refused = await api.call("ann", "POST", "/promotions", {"promotion": wrong})
    fields = [error["field"] for error in refused.json()["errors"]]
    assert "percent_discount.percent_off_ppm" in fields
    refused = await api.call("ann", "POST", "/promotions", {"promotion": {"priority": "x", "id": 7}})
    assert [error["field"] for error in refused.json()["errors"]] == ["promotion.priority", "promotion.id"]
    checked = await api.call("vera", "POST", "/promotions:validate", {"promotion": wrong})
    assert checked.status_code == 200
    assert len(checked.json()["diagnostics"]) == len(fields)


async def _record(api: People, promotion_id: str) -> dict[str, Any]:
    found = await api.call("vera", "GET", f"/promotions/{promotion_id}")
    record: dict[str, Any] = found.json()["record"]
    return record


async def _etag(api: People, promotion_id: str) -> str:
    return f'"{(await _record(api, promotion_id))["etag"]}"'


async def _state(api: People, promotion_id: str) -> str:
    return str((await _record(api, promotion_id))["state"]).removeprefix("PROMOTION_STATE_")


async def test_what_can_give_much_waits_for_a_second_approver(api: People, database: Engine) -> None:
    rails = {"guardrails": {"second_approver_above": [{"currency_code": "IDR", "minor": "1000"}]}}
    assert (await api.call("root", "PUT", "/guardrails", rails)).status_code == 200
    await api.call("ann", "POST", "/promotions", {"promotion": sample("ten")})
    await api.call("ann", "POST", "/promotions:submit", about("ten"))

    first = await api.call("ben", "POST", "/promotions:approve", about("ten"))

    assert first.json()["waiting_ids"] == ["ten"]
    record = (await api.call("ann", "GET", "/promotions/ten")).json()["record"]
    assert (record["review"], record["approvers"]) == ("REVIEW_STATE_IN_REVIEW", ["ben"])
    again = await api.call("ben", "POST", "/promotions:approve", about("ten"))
    assert (again.status_code, reason(again)) == (409, "APPROVED_ALREADY")
    second = browser(api, database, "eve", Role.APPROVER)
    assert "waiting_ids" not in (await second.call("POST", "/promotions:approve", about("ten"))).json()
    record = (await api.call("ann", "GET", "/promotions/ten")).json()["record"]
    assert (record["review"], record["approvers"]) == ("REVIEW_STATE_APPROVED", ["ben", "eve"])
