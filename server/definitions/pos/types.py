"""The twelve types: how the section `rules` of each is written and read. Custom ones have no such shape."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dealwright.v1.selector_pb2 import Selector
from google.protobuf.message import Message

from server.definitions.pos import discounts, sets
from server.definitions.pos.edition import Edition

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Type:
    """How a type is written and read."""

    write: Callable[[Any, Edition], Json]
    read: Callable[[Json, Selector, Edition], Message]
    stage: str
    """The stage that it runs in. Empty: the definition says."""
    scope: str = "scope"
    """The field of the rule whose lines the section `scope` is about. Empty: products stand in the rules."""


TYPES = {
    "percent_discount": Type(discounts.write_percent, discounts.read_percent, ""),
    "amount_discount": Type(discounts.write_amount, discounts.read_amount, ""),
    "buy_x_get_y": Type(sets.write_buy_x_get_y, sets.read_buy_x_get_y, "set", "buy"),
    "combo": Type(sets.write_combo, sets.read_combo, "set", ""),
    "free_item": Type(sets.write_free_item, sets.read_free_item, "set", ""),
    "happy_hour": Type(discounts.write_happy_hour, discounts.read_happy_hour, "item"),
    "cashback": Type(discounts.write_cashback, discounts.read_cashback, "reward"),
    "payment_discount": Type(discounts.write_payment, discounts.read_payment, "payment"),
    "package": Type(sets.write_package, sets.read_package, "set", ""),
    "mix_match": Type(sets.write_mix_match, sets.read_mix_match, "set"),
    "upsell": Type(sets.write_upsell, sets.read_upsell, "set", ""),
    "threshold_tier": Type(discounts.write_tiers, discounts.read_tiers, "order"),
}
