"""Webhooks over HTTP."""

from sqlalchemy import Engine

from tests.api.people import People, reason

URL = "https://shop.example/hook"


async def test_webhooks_are_made_rotated_disabled_and_deleted(api: People, database: Engine) -> None:
    created = await api.call("root", "POST", "/webhooks", {"url": URL, "types": ["dealwright.budget.low"]})
    assert created.status_code == 200, created.text
    webhook = created.json()["webhook"]
    named = {"webhook_id": webhook["id"]}

    rotated = await api.call("root", "POST", "/webhooks:rotate-secret", named)
    assert rotated.json()["secret"].startswith("whsec_")
    assert rotated.json()["secret"] != created.json()["secret"]
    disabled = (await api.call("root", "POST", "/webhooks:disable", named)).json()["webhook"]
    assert (await api.call("root", "GET", "/webhooks")).json()["webhooks"] == [disabled]
    assert "disable_time" in disabled
    enabled = (await api.call("root", "POST", "/webhooks:enable", named)).json()["webhook"]
    assert "disable_time" not in enabled
    times = {"begin_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-02T00:00:00Z"}
    assert (await api.call("root", "POST", "/webhooks:replay", named | times)).json() == {}
    assert (await api.call("root", "GET", "/deliveries?state=DELIVERY_STATE_PENDING")).json() == {}
    assert (await api.call("root", "DELETE", f"/webhooks/{webhook['id']}")).status_code == 200
    again = await api.call("root", "DELETE", f"/webhooks/{webhook['id']}")
    assert (again.status_code, reason(again)) == (404, "WEBHOOK_UNKNOWN")


async def test_a_secret_is_given_once(api: People) -> None:
    key = {"idempotency-key": "k"}
    first = await api.call("root", "POST", "/webhooks", {"url": URL}, headers=key)
    second = await api.call("root", "POST", "/webhooks", {"url": URL}, headers=key)

    assert first.status_code == 200
    assert first.json()["secret"] not in second.text


async def test_a_url_inside_the_network_and_other_roles_are_refused(api: People) -> None:
    refused = await api.call("root", "POST", "/webhooks", {"url": "http://127.0.0.1/"})
    assert (refused.status_code, reason(refused)) == (400, "URL_INVALID")
    assert refused.json()["errors"][0]["field"] == "url"
    for who in ("cara", "otto", "audrey", "till"):
        assert (await api.call(who, "GET", "/webhooks")).status_code == 403
