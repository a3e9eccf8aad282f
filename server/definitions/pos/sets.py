"""The section `rules` of the types that are about sets and gifts: each written and read."""

from typing import Any

from dealwright.v1.primitives_pb2 import GIFT_SOURCE_IN_CART, Gift, Reduction
from dealwright.v1.rules_pb2 import (
    BuyXGetY,
    CategoryPick,
    Combo,
    ComboItem,
    FreeItem,
    MixMatch,
    Package,
    PackageSlot,
    Upsell,
)
from dealwright.v1.selector_pb2 import Selector

from server.definitions.pos.edition import Edition, number_of, percent, ppm, whole
from server.definitions.pos.selectors import of_category, of_product, one_category, one_product

Json = dict[str, Any]


def write_buy_x_get_y(rule: BuyXGetY, edition: Edition) -> Json:
    got = {"get_product_id": one_product(rule.get)} if rule.HasField("get") else {}
    return {
        "type": "bogo",
        "buy_quantity": rule.buy_quantity,
        "get_quantity": rule.get_quantity,
        "get_discount_percent": percent(rule.reduction.percent_off_ppm),
        **got,
        "same_product_only": rule.same_product,
    }


def read_buy_x_get_y(rules: Json, scope: Selector, edition: Edition) -> BuyXGetY:
    return BuyXGetY(
        buy=scope,
        buy_quantity=rules["buy_quantity"],
        get_quantity=rules["get_quantity"],
        get=of_product(rules["get_product_id"]) if "get_product_id" in rules else None,
        reduction=Reduction(percent_off_ppm=ppm(rules["get_discount_percent"])),
        same_product=rules["same_product_only"],
    )


def write_combo(rule: Combo, edition: Edition) -> Json:
    return {
        "type": "combo",
        "combo_price": edition.number(rule.set_price),
        "products": [{"product_id": item.product_id, "quantity": item.quantity or 1} for item in rule.items],
        "all_required": True,
    }


def read_combo(rules: Json, scope: Selector, edition: Edition) -> Combo:
    return Combo(
        items=[
            ComboItem(product_id=item["product_id"], quantity=item["quantity"]) for item in rules["products"]
        ],
        set_price=edition.money(rules["combo_price"]),
    )


def write_free_item(rule: FreeItem, edition: Edition) -> Json:
    written: Json = {
        "type": "free_item",
        "min_purchase": edition.number(rule.min_purchase.minimum) or whole(0),
    }
    if rule.HasField("trigger"):
        written["trigger_product_id"] = one_product(rule.trigger)
        written["trigger_min_qty"] = rule.trigger_quantity or 1
    written["free_product_id"] = rule.gift.product_id
    written["free_quantity"] = rule.gift.quantity or 1
    return written


def read_free_item(rules: Json, scope: Selector, edition: Edition) -> FreeItem:
    gift = Gift(
        product_id=rules["free_product_id"], quantity=rules["free_quantity"], source=GIFT_SOURCE_IN_CART
    )
    rule = FreeItem(gift=gift)
    if rules["min_purchase"]:
        rule.min_purchase.minimum.extend(edition.money(rules["min_purchase"]))
    if "trigger_product_id" in rules:
        rule.trigger.CopyFrom(of_product(rules["trigger_product_id"]))
        rule.trigger_quantity = rules["trigger_min_qty"]
    return rule


def write_package(rule: Package, edition: Edition) -> Json:
    return {
        "type": "package",
        "package_price": edition.number(rule.set_price),
        "items": [_write_slot(slot) for slot in rule.slots],
        "allow_modification": rule.allow_modification,
    }


def read_package(rules: Json, scope: Selector, edition: Edition) -> Package:
    return Package(
        slots=[_read_slot(item) for item in rules["items"]],
        set_price=edition.money(rules["package_price"]),
        allow_modification=rules["allow_modification"],
    )


def _write_slot(slot: PackageSlot) -> Json:
    written: Json = {
        "item_type": slot.name,
        "quantity": whole(slot.quantity or 1),
        "is_required": not slot.optional,
    }
    if slot.HasField("pick"):
        return {
            **written,
            "category_id": slot.pick.category_id,
            "min_selection": slot.pick.min_picks,
            "max_selection": slot.pick.max_picks or slot.pick.min_picks,
        }
    return {**written, "product_id": slot.product_id}


def _read_slot(item: Json) -> PackageSlot:
    slot = PackageSlot(name=item["item_type"], optional=not item["is_required"])
    if "product_id" in item:
        slot.product_id = item["product_id"]
        slot.quantity = number_of(item["quantity"])
    else:
        pick = CategoryPick(
            category_id=item["category_id"],
            min_picks=item["min_selection"],
            max_picks=item["max_selection"],
        )
        slot.pick.CopyFrom(pick)
    return slot


def write_mix_match(rule: MixMatch, edition: Edition) -> Json:
    return {
        "type": "mix_match",
        "category_id": one_category(rule.scope),
        "required_quantity": rule.required_quantity,
        "special_price": edition.number(rule.set_price.per_currency),
        "allow_same_product": not rule.different_products,
    }


def read_mix_match(rules: Json, scope: Selector, edition: Edition) -> MixMatch:
    picked = of_category(rules["category_id"])
    picked.exclude.extend(scope.exclude)
    return MixMatch(
        scope=picked,
        required_quantity=rules["required_quantity"],
        set_price=edition.amounts(rules["special_price"]),
        different_products=not rules["allow_same_product"],
    )


def write_upsell(rule: Upsell, edition: Edition) -> Json:
    written: Json = {"type": "upsell", "upsell_message": edition.text(rule.message)}
    if rule.HasField("required"):
        written["required_product_id"] = one_product(rule.required)
        written["required_min_qty"] = rule.required_quantity or 1
    written["upsell_product_id"] = rule.upsell_product_id
    written["special_price"] = edition.number(rule.special_price)
    return written


def read_upsell(rules: Json, scope: Selector, edition: Edition) -> Upsell:
    rule = Upsell(
        upsell_product_id=rules["upsell_product_id"],
        special_price=edition.money(rules["special_price"]),
        message=edition.texts(rules["upsell_message"]),
    )
    if "required_product_id" in rules:
        rule.required.CopyFrom(of_product(rules["required_product_id"]))
        rule.required_quantity = rules["required_min_qty"]
    return rule
