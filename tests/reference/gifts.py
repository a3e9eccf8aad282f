"""Gifts: units for free, added or found in the cart (S-9.4, S-9.6, S-9.7)."""

from collections.abc import Callable, Sequence

from dealwright.v1.primitives_pb2 import GiftSource, Role, UnitOrder
from dealwright.v1.result_pb2 import GiftGrant, Reason
from dealwright.v1.selector_pb2 import LineKind, Selector

from tests.reference.effects import Effect, Turn
from tests.reference.facts import Line
from tests.reference.reductions import capped
from tests.reference.steps import Gift
from tests.reference.units import Unit, in_order
from tests.reference.why import Why


def give(act: Gift, picks: Callable[[Selector, Line], bool], free: Sequence[Unit], turn: Turn) -> Effect:
    """The gift of one step; `free` are the units that are unused and open to the promotion."""
    triggers = _triggers(act, picks, free)
    times = _times(act, triggers)
    if times == 0:
        return Effect(
            why_nothing=Why(Reason.REASON_QUANTITY, {"needed": act.trigger_quantity, "had": len(triggers)})
        )
    in_cart = [unit for unit in free if _is_item(unit) and picks(act.selector, unit.line)]
    if act.source == GiftSource.GIFT_SOURCE_IN_CART:
        any_there = any(_is_item(unit) and picks(act.selector, unit.line) for unit in turn.units)
        return _in_cart(act, in_cart, any_there, turn)
    effect = Effect()
    qualifiers = _qualify(effect, act, triggers, times)
    missing = times * act.quantity
    if act.source == GiftSource.GIFT_SOURCE_ADD_MISSING:
        beside = [unit for unit in in_cart if unit not in qualifiers]
        missing -= _free_up(effect, in_order(beside, UnitOrder.UNIT_ORDER_CHEAPEST)[:missing])
    waiting = [
        unit
        for unit in free
        if unit.line.kind == LineKind.LINE_KIND_GIFT and unit.line.product_id == act.product_id
    ][:missing]
    missing -= _free_up(effect, waiting)
    effect.gift_value += sum(max(0, act.unit_value - effect.cuts[unit]) for unit in waiting)
    if missing:
        value = missing * act.unit_value
        effect.gift_value += value
        effect.gifts.append(
            GiftGrant(
                promotion_id=turn.offer.id, product_id=act.product_id, quantity=missing, value_minor=value
            )
        )
    return effect


def _is_item(unit: Unit) -> bool:
    return unit.line.kind == LineKind.LINE_KIND_ITEM


def _triggers(act: Gift, picks: Callable[[Selector, Line], bool], free: Sequence[Unit]) -> list[Unit]:
    """Units that may be bought for the gift, dearest first."""
    if act.trigger is None:
        return []
    units = [unit for unit in free if picks(act.trigger, unit.line)]
    return in_order(units, UnitOrder.UNIT_ORDER_DEAREST)


def _times(act: Gift, triggers: list[Unit]) -> int:
    """How many times it is given (S-9.7)."""
    if act.trigger is None:
        return 1
    return min(act.max_gifts, len(triggers) // act.trigger_quantity)


def _qualify(effect: Effect, act: Gift, triggers: list[Unit], times: int) -> list[Unit]:
    """S-9.7: trigger units are used, at discount 0."""
    qualifiers = triggers[: times * act.trigger_quantity] if act.trigger is not None else []
    effect.cuts.update(dict.fromkeys(qualifiers, 0))
    effect.roles.update(dict.fromkeys(qualifiers, Role.ROLE_QUALIFIER))
    return qualifiers


def _free_up(effect: Effect, rewards: Sequence[Unit]) -> int:
    """Units become free, down to their floors."""
    for unit in rewards:
        effect.cuts[unit] = unit.room
        effect.roles[unit] = Role.ROLE_REWARD
        effect.wanted += unit.left
    return len(rewards)


def _in_cart(act: Gift, in_cart: list[Unit], any_there: bool, turn: Turn) -> Effect:
    """S-9.6, without a trigger; a budget that may be given in part limits it like a cap (S-9.3)."""
    if not in_cart:
        reason = Reason.REASON_UNITS_TAKEN if any_there else Reason.REASON_NO_MATCHING_LINES
        return Effect(why_nothing=Why(reason))
    effect = Effect()
    _free_up(effect, in_order(in_cart, UnitOrder.UNIT_ORDER_CHEAPEST)[: act.quantity])
    cap = turn.cap(None)
    effect.cuts |= capped(effect.cuts, cap)
    effect.wanted = effect.wanted if cap is None else min(effect.wanted, max(0, cap))
    return effect
