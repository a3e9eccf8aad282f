"""Previews in the shapes that shops know, by the engine that prices, without a trace left."""

from typing import Any

from sqlalchemy import Engine

from server.audit.service import Audit
from tests.api.people import People, reason, sample

CART: dict[str, Any] = {
    "items": [{"product_id": "latte", "quantity": 2, "price": 25000.0}],
    "subtotal": 50000.0,
    "currency_code": "IDR",
}


async def test_one_promotion_on_a_cart(api: People, database: Engine) -> None:
    await api.call("ann", "POST", "/promotions", {"promotion": sample("twenty", 20)})
    entries = len(Audit(database).entries("kopi"))
    body = {"cart": CART, "customer": {"is_member": True, "tier": "gold"}, "payment_method": "card"}

    found = await api.call("vera", "POST", "/promotions/twenty/preview/", body)

    assert found.status_code == 200, found.text
    answer = found.json()
    assert answer.keys() == {"applicable", "discount_amount", "final_amount", "explanation", "breakdown"}
    assert (answer["applicable"], answer["discount_amount"], answer["final_amount"]) == (True, 10000, 40000)
    assert '"discount_amount": 10000.0' in found.text
    assert "20" in answer["explanation"]
    assert answer["breakdown"]["items"] == [
        {"product_id": "latte", "quantity": 2, "amount": 50000, "discount": 10000, "final": 40000}
    ]
    assert len(Audit(database).entries("kopi")) == entries


async def test_several_promotions_together(api: People) -> None:
    for name, percent in (("twenty", 20), ("ten", 10)):
        await api.call("ann", "POST", "/promotions", {"promotion": sample(name, percent)})
    closed = {**sample("closed", 50), "schedule": {"end_time": "2001-01-01T00:00:00Z"}}
    await api.call("ann", "POST", "/promotions", {"promotion": closed})
    body = {"promotion_ids": ["twenty", "ten", "closed"], "cart": CART}

    answer = await api.call("vera", "POST", "/promotions/preview-multiple/", body)

    assert answer.status_code == 200, answer.text
    found = answer.json()
    by_id = {one["id"]: one for one in found["promotions"]}
    assert list(by_id) == body["promotion_ids"]
    assert by_id["closed"]["applied"] is False
    assert (by_id["closed"]["discount"], bool(by_id["closed"]["reason"])) == (0, True)
    assert found["total_discount"] == sum(one["discount"] for one in found["promotions"]) > 0
    assert found["final_amount"] == 50000 - found["total_discount"]


async def test_the_currency_is_that_of_the_stores_when_they_have_one(api: People) -> None:
    await api.call("ann", "POST", "/promotions", {"promotion": sample("ten")})
    cart = {"items": CART["items"]}
    refused = await api.call("vera", "POST", "/promotions/ten/preview/", {"cart": cart})
    assert [error["field"] for error in refused.json()["errors"]] == ["cart.currency_code"]
    stores = [{"id": "menteng", "name": "M", "time_zone": "Asia/Jakarta", "currency_code": "IDR"}]
    done = await api.call(
        "cara",
        "POST",
        "/references:import",
        {"kind": "REFERENCE_KIND_STORE", "references": {"stores": stores}},
    )
    assert done.status_code == 200
    found = await api.call("vera", "POST", "/promotions/ten/preview/", {"cart": cart})
    assert found.status_code == 200, found.text
    assert found.json()["discount_amount"] == 5000


async def test_what_is_wrong_with_a_cart_is_named(api: People) -> None:
    await api.call("ann", "POST", "/promotions", {"promotion": sample("ten")})
    item = CART["items"][0]
    for cart, field in (
        ({**CART, "subtotal": 1}, "cart.subtotal"),
        ({**CART, "subtotal": 50000.001}, "cart.subtotal"),
        ({**CART, "currency_code": "XQQ"}, "cart.currency_code"),
        ({**CART, "items": []}, "cart.items"),
        ({**CART, "items": [{**item, "quantity": 0}]}, "cart.items[0].quantity"),
        ({**CART, "items": [{**item, "price": -1}]}, "cart.items[0].price"),
        ({**CART, "items": [{**item, "price": "1"}]}, "cart.items[0].price"),
        ({**CART, "items": [item, {**item, "price": 0.001}]}, "cart.items[1].price"),
    ):
        refused = await api.call("vera", "POST", "/promotions/ten/preview/", {"cart": cart})
        assert refused.status_code == 400, cart
        assert [error["field"] for error in refused.json()["errors"]] == [field]
    unknown = await api.call("vera", "POST", "/promotions/six/preview/", {"cart": CART})
    assert (unknown.status_code, reason(unknown)) == (404, "PROMOTION_UNKNOWN")
    assert (
        reason(await api.call("vera", "POST", "/promotions/preview-multiple/", {"cart": CART}))
        == "UNREADABLE"
    )
