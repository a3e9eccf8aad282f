"""Previews in the shapes that shops know: what one promotion, or several, would take off a cart.

Nothing is changed. Amounts are JSON numbers in the currency's own unit, such as 25000.0, read exactly.
"""

import json
from decimal import Decimal
from typing import Any

from dealwright.v1 import definition_service_pb2 as schema
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.reference_service_pb2 import REFERENCE_KIND_STORE, ListReferencesRequest
from dealwright.v1.result_pb2 import Result
from dealwright_engine import currency_exponent

from admin.api.answers import Answer, Asked
from admin.api.routes import Methods, Shaped
from server.actors import Actor
from server.runtime.errors import Invalid

METHOD = "/dealwright.v1.DefinitionService/Preview"
STORES = "/dealwright.v1.ReferenceService/ListReferences"
STORES_MAX = 500
"""How many stores are looked at for the currency of a company."""

Json = dict[str, Any]

_TEXT: Json = {"type": "string", "maxLength": 64}
_AMOUNT: Json = {"type": "number", "minimum": 0, "maximum": 10**12}
_ITEM: Json = {
    "type": "object",
    "required": ["product_id", "quantity", "price"],
    "properties": {
        "product_id": {**_TEXT, "minLength": 1},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 10**6},
        "price": {**_AMOUNT, "description": "Of one unit."},
        "category_ids": {"type": "array", "items": {**_TEXT, "minLength": 1}, "maxItems": 64},
        "brand_id": _TEXT,
    },
    "additionalProperties": False,
}
_CART: Json = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {"type": "array", "items": _ITEM, "minItems": 1, "maxItems": 500},
        "subtotal": {**_AMOUNT, "description": "Checked against the items, when it is given."},
        "currency_code": {
            "type": "string",
            "pattern": "^[A-Z]{3}$",
            "description": "Unset: that of the store, or the only one that the company's stores have.",
        },
        "store_id": _TEXT,
        "channel": _TEXT,
        "codes": {"type": "array", "items": {**_TEXT, "minLength": 1}, "maxItems": 20},
    },
    "additionalProperties": False,
}
_PERSON: Json = {
    "customer": {
        "type": "object",
        "properties": {"is_member": {"type": "boolean"}, "tier": _TEXT},
        "additionalProperties": False,
    },
    "payment_method": _TEXT,
}
_TOTAL: Json = {"type": "number", "description": "In the currency's own unit."}


def _preview_one(methods: Methods, actor: Actor, asked: Asked) -> Answer:
    """A promotion alone, in its newest version, on a cart."""
    promotion_id = asked.path["promotion_id"]
    body: Any = asked.body
    result, units = _priced(methods, actor, body, [promotion_id])
    discount = _discount(result, promotion_id)
    # Gifts that were added stand behind the lines of the cart.
    lines = zip(result.lines, body["cart"]["items"], strict=False)
    value = {
        "applicable": any(one.promotion_id == promotion_id for one in result.applications),
        "discount_amount": _shown(discount, units),
        "final_amount": _shown(result.totals.payable_minor, units),
        "explanation": _explained(result, promotion_id),
        "breakdown": {
            "subtotal": _shown(result.totals.list_minor, units),
            "items": [
                {
                    "product_id": item["product_id"],
                    "quantity": item["quantity"],
                    "amount": _shown(line.list_minor, units),
                    "discount": _shown(line.discount_minor, units),
                    "final": _shown(line.payable_minor, units),
                }
                for line, item in lines
            ],
        },
    }
    return Answer(json.dumps(value, ensure_ascii=False).encode())


def _preview_several(methods: Methods, actor: Actor, asked: Asked) -> Answer:
    """Several promotions together, and nothing else, on a cart."""
    body: Any = asked.body
    ids = body["promotion_ids"]
    result, units = _priced(methods, actor, body, ids)
    applied = {one.promotion_id for one in result.applications}
    value = {
        "promotions": [
            {
                "id": key,
                "applied": key in applied,
                "discount": _shown(_discount(result, key), units),
                "reason": _explained(result, key),
            }
            for key in ids
        ],
        "total_discount": _shown(result.totals.discount_minor, units),
        "final_amount": _shown(result.totals.payable_minor, units),
    }
    return Answer(json.dumps(value, ensure_ascii=False).encode())


def _priced(methods: Methods, actor: Actor, body: Any, ids: list[str]) -> tuple[Result, int]:
    """The result of the engine, and how many minor units make one of the currency's own."""
    given = body["cart"]
    currency = given.get("currency_code") or _currency(methods, actor, given.get("store_id", ""))
    exponent = currency_exponent(currency)
    if exponent is None:
        raise Invalid("CURRENCY_UNKNOWN", f"{currency} is no currency", field="cart.currency_code")
    units = 10**exponent
    cart = Cart(
        id="preview",
        currency_code=currency,
        store_id=given.get("store_id", ""),
        channel=given.get("channel", ""),
        codes=given.get("codes", ()),
    )
    for index, item in enumerate(given["items"]):
        cart.lines.add(
            id=str(index + 1),
            product_id=item["product_id"],
            quantity=item["quantity"],
            unit_price_minor=_minor(item["price"], units, f"cart.items[{index}].price"),
            category_ids=item.get("category_ids", ()),
            brand_id=item.get("brand_id", ""),
        )
    _require_subtotal(given, cart, units)
    customer = body.get("customer", {})
    cart.customer.member, cart.customer.tier = customer.get("is_member", False), customer.get("tier", "")
    if body.get("payment_method"):
        cart.payment.method = body["payment_method"]
    request = schema.PreviewRequest(promotion_ids=ids, alone=True, cart=cart)
    response: Any = methods[METHOD](actor, request)
    return response.result, units


def _require_subtotal(given: Json, cart: Cart, units: int) -> None:
    if "subtotal" not in given:
        return
    total = sum(line.unit_price_minor * line.quantity for line in cart.lines)
    if _minor(given["subtotal"], units, "cart.subtotal") != total:
        raise Invalid("SUBTOTAL_DIFFERS", "the items add up to another amount", field="cart.subtotal")


def _currency(methods: Methods, actor: Actor, store_id: str) -> str:
    request = ListReferencesRequest(kind=REFERENCE_KIND_STORE, page_size=STORES_MAX)
    response: Any = methods[STORES](actor, request)
    stores = response.references.stores
    found = {store.currency_code for store in stores if store.id == store_id or not store_id} - {""}
    if len(found) != 1:
        raise Invalid("REQUIRED", "say in which currency the prices are", field="cart.currency_code")
    return str(found.pop())


def _minor(amount: int | Decimal, units: int, field: str) -> int:
    minor = amount * units
    if minor != int(minor):
        raise Invalid("OUT_OF_RANGE", f"{amount} has more decimals than the currency", field=field)
    return int(minor)


def _shown(minor: int, units: int) -> float:
    """An amount as these shapes have it: exact, since a cart stays far below 2 to the 53 minor units."""
    return float(Decimal(minor) / units)


def _discount(result: Result, promotion_id: str) -> int:
    return sum(one.discount_minor for one in result.applications if one.promotion_id == promotion_id)


def _explained(result: Result, promotion_id: str) -> str:
    """What the engine says of a promotion: what it gave, else why not."""
    given = [one.text for one in result.applications if one.promotion_id == promotion_id]
    verdicts = [one.text for one in result.verdicts if one.promotion_id == promotion_id]
    return "; ".join(given or verdicts)


ROUTES = (
    Shaped(
        "POST",
        "/api/v1/promotions/{promotion_id}/preview/",
        METHOD,
        "PreviewPromotion",
        "PreviewPromotion prices a cart with one promotion alone, as last saved, and changes nothing.",
        _preview_one,
        request={
            "type": "object",
            "required": ["cart"],
            "properties": {"cart": _CART, **_PERSON},
            "additionalProperties": False,
        },
        response={
            "type": "object",
            "required": ["applicable", "discount_amount", "final_amount", "explanation", "breakdown"],
            "properties": {
                "applicable": {"type": "boolean"},
                "discount_amount": _TOTAL,
                "final_amount": _TOTAL,
                "explanation": {"type": "string", "description": "What it gave, or why it gave nothing."},
                "breakdown": {"type": "object", "description": "The same for each item."},
            },
        },
    ),
    Shaped(
        "POST",
        "/api/v1/promotions/preview-multiple/",
        METHOD,
        "PreviewPromotions",
        "PreviewPromotions prices a cart with several promotions and no others, and changes nothing.",
        _preview_several,
        request={
            "type": "object",
            "required": ["promotion_ids", "cart"],
            "properties": {
                "promotion_ids": {
                    "type": "array",
                    "items": {**_TEXT, "minLength": 1},
                    "minItems": 1,
                    "maxItems": 100,
                    "uniqueItems": True,
                },
                "cart": _CART,
                **_PERSON,
            },
            "additionalProperties": False,
        },
        response={
            "type": "object",
            "required": ["promotions", "total_discount", "final_amount"],
            "properties": {
                "promotions": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["id", "applied", "discount", "reason"],
                        "properties": {
                            "id": {"type": "string"},
                            "applied": {"type": "boolean"},
                            "discount": _TOTAL,
                            "reason": {"type": "string"},
                        },
                    },
                },
                "total_discount": _TOTAL,
                "final_amount": _TOTAL,
            },
        },
    ),
)
"""The two previews. Whoever may preview over gRPC may do it here."""
