"""Redemptions, daily totals and vouchers over HTTP."""

from typing import Any

from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.redemption.totals import Totals
from tests.access.calls import serving, token_for
from tests.api.people import People, reason
from tests.redemption.shop import COMPANY, OFF_MINOR, Till, limited, redeem_request, reserve_request, settings
from tests.vouchers.conftest import SPRING, make_promotions

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_redemptions_are_listed_shown_released_and_summed_up(api: People, database: Engine) -> None:
    shop = token_for(database, "shop", Role.DEVICE)
    Definitions(database).publish(COMPANY, Publication([limited(max_uses=9)], settings=settings()))
    async with serving(database) as (_, channel):
        till = Till(channel, shop)
        redeemed = (await till("Redeem", redeem_request("bill-1"))).redemption
        reserved = (await till("Reserve", reserve_request("bill-2"))).redemption
    Totals(database, Definitions(database)).count()

    found = (await api.call("vera", "GET", "/redemptions?page_size=1")).json()
    assert [each["order_id"] for each in found["redemptions"]] == ["bill-2"]
    token = {"page_token": found["next_page_token"]}
    rest = await api.call("vera", "GET", "/redemptions", params=token)
    assert [each["order_id"] for each in rest.json()["redemptions"]] == ["bill-1"]
    one = (await api.call("vera", "GET", f"/redemptions/{redeemed.redemption_id}")).json()
    assert one["redemption"]["promotions"][0]["cost_minor"] == str(OFF_MINOR)
    release = {"idempotency_key": "r", "redemption_id": reserved.redemption_id}
    assert (await api.call("vera", "POST", "/redemptions:release", release)).status_code == 403
    released = await api.call("otto", "POST", "/redemptions:release", release)
    assert released.json()["redemption"]["state"] == "REDEMPTION_STATE_RELEASED"
    assert (await api.call("otto", "POST", "/redemptions:release", release)).json() == released.json()
    (total,) = (await api.call("vera", "GET", "/daily-totals?store_id=menteng")).json()["totals"]
    assert (total["redemptions"], total["discount_minor"]) == ("1", str(OFF_MINOR))
    assert (await api.call("till", "GET", "/daily-totals")).status_code == 403
    for path, status, why in (
        (f"/redemptions/{UNKNOWN}", 404, "REDEMPTION_NOT_FOUND"),
        ("/redemptions/bill-1", 400, "ID_INVALID"),
        ("/redemptions?page_token=x", 400, "PAGE_TOKEN_INVALID"),
        ("/daily-totals?first_date=today", 400, "DATE_INVALID"),
    ):
        refused = await api.call("vera", "GET", path)
        assert (refused.status_code, reason(refused)) == (status, why), path


async def test_vouchers_are_made_exported_checked_found_and_disabled(api: People, database: Engine) -> None:
    make_promotions(database)
    asked: dict[str, Any] = {"terms": {"promotion_id": SPRING}, "quantity": "3", "prefix": "MAY"}
    made = await api.call("cara", "POST", "/voucher-batches:generate", asked)
    assert made.status_code == 200, made.text
    batch_id = made.json()["batch"]["id"]
    named = {"batch_id": batch_id}
    exported = (await api.call("cara", "POST", "/voucher-batches:export", named)).json()["codes"]
    codes = [each["code"] for each in exported]
    assert len(codes) == 3

    checked = await api.call("till", "POST", "/vouchers:check", {"codes": [codes[0].lower(), "MAY-NONE"]})
    assert [each["promotion_id"] for each in checked.json()["vouchers"]] == [SPRING]
    found = await api.call("vera", "POST", "/vouchers:look-up", {"code": codes[0]})
    assert found.json()["vouchers"][0]["last_four"] == codes[0].replace("-", "")[-4:]
    assert (await api.call("otto", "POST", "/vouchers:disable", {"code": codes[0]})).status_code == 200
    assert (await api.call("till", "POST", "/vouchers:check", {"codes": [codes[0]]})).json() == {}
    shown = (await api.call("vera", "GET", f"/voucher-batches/{batch_id}")).json()["batch"]
    listed = (await api.call("vera", "GET", "/voucher-batches")).json()["batches"]
    assert [each["id"] for each in listed] == [shown["id"]] == [batch_id]
    assert (await api.call("otto", "POST", "/voucher-batches:seal", named)).status_code == 200
    assert (await api.call("otto", "POST", "/voucher-batches:disable", named)).status_code == 200
    rows = {"terms": {"promotion_id": SPRING}, "rows": [{"code": "OWN-CODE-12345678"}]}
    assert (await api.call("cara", "POST", "/voucher-batches:import", rows)).status_code == 200
    for path, status in (("/voucher-batches/999", 404), ("/voucher-batches/x", 400)):
        assert (await api.call("vera", "GET", path)).status_code == status
    for who in ("vera", "otto", "till"):
        assert (await api.call(who, "POST", "/voucher-batches:export", named)).status_code == 403


async def test_no_answer_with_codes_is_kept(api: People, database: Engine) -> None:
    make_promotions(database)
    asked: dict[str, Any] = {"terms": {"promotion_id": SPRING}, "quantity": "1"}
    made = await api.call("cara", "POST", "/voucher-batches:generate", asked)
    key = {"idempotency-key": "k"}
    named = {"batch_id": made.json()["batch"]["id"]}
    first = await api.call("cara", "POST", "/voucher-batches:export", named, headers=key)
    second = await api.call("cara", "POST", "/voucher-batches:export", named, headers=key)

    assert first.json()["codes"][0]["code"] not in second.text
