"""What a cart most likely didn't mean (S-10.8)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.result_pb2 import Parameter, Remark
from dealwright.v1.ruleset_pb2 import Ruleset, Store

from tests.reference.facts import NANOS, any_name, same_name

CHANNELS = ("dine_in", "take_away", "delivery", "app")


def remarks(ruleset: Ruleset, cart: Cart, instant_nanos: int) -> list[Remark]:
    """First the place, then the lines."""
    return [*_of_place(ruleset, cart, instant_nanos), *_of_lines(ruleset, cart)]


def _of_place(ruleset: Ruleset, cart: Cart, instant_nanos: int) -> Iterator[Remark]:
    if cart.channel and not any_name([*CHANNELS, *ruleset.policy.channels], cart.channel):
        yield _remark("channel_unknown", "cart.channel", value=cart.channel)
    store = next((store for store in ruleset.stores if store.id == cart.store_id), None)
    if store is None:
        if cart.store_id and ruleset.stores:
            yield _remark("store_unknown", "cart.store_id", value=cart.store_id)
        return
    for field in ("currency_code", "brand_id", "region"):
        given, known = getattr(cart, field), getattr(store, field)
        if given and known and not same_name(given, known):
            yield _differs(store, field, given, known)
    if cart.time_zone and _offset(cart.time_zone, instant_nanos) != _offset(store.time_zone, instant_nanos):
        yield _differs(store, "time_zone", cart.time_zone, store.time_zone)


def _of_lines(ruleset: Ruleset, cart: Cart) -> Iterator[Remark]:
    seen = {category.id for category in ruleset.categories}
    if not seen:
        return
    for line, bought in enumerate(cart.lines):
        for place, category_id in enumerate(bought.category_ids):
            if category_id and category_id not in seen:
                seen.add(category_id)
                field = f"cart.lines[{line}].category_ids[{place}]"
                yield _remark("category_unknown", field, value=category_id)


def _differs(store: Store, field: str, given: str, known: str) -> Remark:
    return _remark("store_differs", f"cart.{field}", value=given, store=store.id, known=known)


def _remark(code: str, field: str, **parameters: str) -> Remark:
    named = [Parameter(name=name, text=value) for name, value in parameters.items()]
    return Remark(code=code, field=field, parameters=named)


def _offset(zone: str, instant_nanos: int) -> timedelta | None:
    return datetime.fromtimestamp(instant_nanos // NANOS, ZoneInfo(zone)).utcoffset()
