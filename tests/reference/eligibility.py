"""What is decided before there is a plan: steps 1 to 7 of S-8.5, and who is a candidate (S-10.3)."""

import unicodedata
from collections.abc import Sequence

from dealwright.v1.condition_pb2 import Basis
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.targeting_pb2 import SpendSource

from tests.reference.conditions import (
    Truth,
    View,
    amount_in,
    ask,
    ask_payment,
    ask_threshold,
    past_spend,
    waits_for_plan,
)
from tests.reference.facts import Facts, Line
from tests.reference.lowering import has_every_amount, lower
from tests.reference.picking import ITEM
from tests.reference.schedules import refused_by_time
from tests.reference.scopes import scope
from tests.reference.steps import Offer
from tests.reference.targeting import refused_by_people, refused_by_place
from tests.reference.why import Why, shortfall

RULE_LANGUAGE = 1


def unsupported(promotion: Promotion) -> bool:
    """S-12.2, S-12.3."""
    return promotion.rule_language > RULE_LANGUAGE or promotion.WhichOneof("rule") is None


def refused_before_plan(promotion: Promotion, facts: Facts) -> Why | None:
    """S-8.5: the first of steps 1 to 7 that applies."""
    if unsupported(promotion):
        return Why(Reason.REASON_UNSUPPORTED)
    if not has_every_amount(promotion, facts.currency):
        return Why(Reason.REASON_CURRENCY, {"currency": facts.currency})
    members = promotion.trigger.WhichOneof("trigger") == "members"
    return (
        refused_by_time(promotion.schedule, facts)
        or refused_by_place(promotion.targeting, facts)
        or refused_by_people(promotion.targeting, members, facts)
        or _refused_by_trigger(promotion, facts)
        or _refused_by_limits(promotion, facts)
        or _refused_by_cart(lower(promotion, facts.currency), facts)
    )


def normalized(code: str) -> str:
    """S-9.1: trimmed, NFKC, case folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", code.strip()).casefold()).strip()


def _refused_by_trigger(promotion: Promotion, facts: Facts) -> Why | None:
    """Step 5. A code that several promotions share sets off each of them."""
    match promotion.trigger.WhichOneof("trigger"):
        case "code":
            if not was_given(promotion, facts):
                return Why(Reason.REASON_CODE_NEEDED)
        case "voucher":
            if not was_given(promotion, facts):
                return Why(Reason.REASON_VOUCHER_NEEDED)
    return None


def was_given(promotion: Promotion, facts: Facts) -> bool:
    """Whether a code or a voucher of the promotion is in the cart."""
    match promotion.trigger.WhichOneof("trigger"):
        case "code":
            own = {normalized(code) for code in promotion.trigger.code.codes}
            return any(normalized(code) in own for code in facts.cart.codes)
        case "voucher":
            return any(voucher.promotion_id == promotion.id for voucher in facts.cart.vouchers)
    return False


def _refused_by_limits(promotion: Promotion, facts: Facts) -> Why | None:
    """Step 6 (S-9.2)."""
    state = facts.limits.get(promotion.id)
    if state and state.HasField("uses_left") and state.uses_left <= 0:
        return Why(Reason.REASON_LIMIT)
    if state and state.HasField("leased_uses_left") and state.leased_uses_left <= 0:
        return Why(Reason.REASON_LEASE)
    if promotion.limits.HasField("max_uses_per_customer") and not facts.cart.customer.id:
        return Why(Reason.REASON_CUSTOMER, {"fact": "id"})
    return None


def _refused_by_cart(offer: Offer, facts: Facts) -> Why | None:
    """Step 7, at list prices: prices only fall, so what these don't reach no plan reaches."""
    lines = scope(offer, facts)
    if not lines:
        return Why(Reason.REASON_NO_MATCHING_LINES)
    why = _refused_by_cross_brand(offer.promotion, facts)
    if why:
        return why
    at_list = View(facts, lines, _value_at_list)
    if offer.min_purchase is not None:
        answer = ask_threshold(offer.min_purchase, at_list)
        if answer.truth == Truth.NO:
            return answer.why
    if offer.payment is not None and ask_payment(offer.payment, facts.cart.payment).truth != Truth.YES:
        return Why(Reason.REASON_PAYMENT, {"method": facts.cart.payment.method})
    condition = offer.promotion.condition
    if offer.promotion.HasField("condition") and not waits_for_plan(condition):
        return ask(condition, at_list).why
    return None


def _value_at_list(lines: Sequence[Line], _: Basis.ValueType) -> int:
    return sum(line.quantity * line.unit_price_minor for line in lines)


def _refused_by_cross_brand(promotion: Promotion, facts: Facts) -> Why | None:
    """S-8.10."""
    if not promotion.HasField("cross_brand"):
        return None
    tie = promotion.cross_brand
    here = [line for line in facts.lines if line.kind == ITEM and line.brand_id in tie.trigger_brand_ids]
    had = 0
    if tie.spend != SpendSource.SPEND_SOURCE_PAST_VISITS:
        had += _value_at_list(here, Basis.BASIS_LIST)
        if here and not tie.minimum_spend:
            return None
    if tie.spend in (SpendSource.SPEND_SOURCE_PAST_VISITS, SpendSource.SPEND_SOURCE_BOTH):
        had += past_spend(facts, list(tie.trigger_brand_ids), tie.period) or 0
    needed = amount_in(tie.minimum_spend, facts.currency) if tie.minimum_spend else 1
    assert needed is not None
    if had >= needed:
        return None
    return shortfall(Reason.REASON_CROSS_BRAND, facts.currency, needed, had)


def is_candidate(promotion: Promotion, facts: Facts) -> bool:
    """S-10.3: it holds in this place, and a line is in scope or its code was given."""
    if unsupported(promotion):
        return True
    if refused_by_place(promotion.targeting, facts):
        return False
    return was_given(promotion, facts) or bool(scope(lower(promotion, facts.currency), facts))
