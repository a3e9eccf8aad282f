"""The condition tree, three-valued (S-8.1), and what it looks at (S-4.4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from dealwright.v1.attribute_pb2 import NumberRange
from dealwright.v1.cart_pb2 import Payment
from dealwright.v1.condition_pb2 import (
    AccumulatedSpendTest,
    AttributeOwner,
    Basis,
    Condition,
    CustomerTest,
    Extent,
    OwnedAttributeTest,
    PaymentTest,
    QuantityTest,
    Threshold,
)
from dealwright.v1.money_pb2 import Money
from dealwright.v1.result_pb2 import Reason

from tests.reference.facts import Facts, Line, any_name, named
from tests.reference.picking import ITEM, answers, inside, picked
from tests.reference.why import Why, shortfall


class Truth(Enum):
    """An answer (S-8.1)."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """An answer, and why it isn't yes."""

    truth: Truth
    why: Why | None = None


YES = Answer(Truth.YES)


@dataclass(frozen=True)
class View:
    """What a condition sees: the facts, the promotion's scope, and the values of lines on a basis."""

    facts: Facts
    scope: Sequence[Line]
    value: Callable[[Sequence[Line], Basis.ValueType], int]


def ask(condition: Condition, view: View) -> Answer:
    """S-8.1."""
    kind = condition.WhichOneof("condition")
    facts = view.facts
    match kind:
        case "all":
            return _all([ask(part, view) for part in condition.all.conditions])
        case "any":
            return _any([ask(part, view) for part in condition.any.conditions])
        case "not":
            return _not(ask(getattr(condition, "not"), view))
        case "threshold":
            return ask_threshold(condition.threshold, view)
        case "quantity":
            return _quantity(condition.quantity, view)
        case "payment":
            return ask_payment(condition.payment, facts.cart.payment)
        case "customer":
            return _customer(condition.customer, facts)
        case "attribute":
            return _attribute(condition.attribute, facts)
        case "accumulated_spend":
            return _accumulated_spend(condition.accumulated_spend, facts)
    raise AssertionError("a condition asks something")


def _all(answers_: list[Answer]) -> Answer:
    """No if a part is no, else unknown if a part is."""
    for truth in (Truth.NO, Truth.UNKNOWN):
        for answer in answers_:
            if answer.truth == truth:
                return answer
    return YES


def _any(answers_: list[Answer]) -> Answer:
    """Yes if a part is yes, else unknown if a part is; the parameters are those of the first part."""
    for truth in (Truth.YES, Truth.UNKNOWN):
        for answer in answers_:
            if answer.truth == truth:
                return answer
    if len(answers_) == 1:
        return answers_[0]
    first = answers_[0].why
    return Answer(Truth.NO, Why(Reason.REASON_CONDITION, first.parameters if first else {}))


def _not(answer: Answer) -> Answer:
    """Yes and no change places."""
    if answer.truth == Truth.YES:
        return Answer(Truth.NO, Why(Reason.REASON_CONDITION))
    return YES if answer.truth == Truth.NO else answer


def unknown(attribute: str) -> Answer:
    """The verdict of an unknown names the attribute."""
    return Answer(Truth.UNKNOWN, Why(Reason.REASON_UNKNOWN_ATTRIBUTE, {"attribute": attribute}))


def _no_amount(currency: str) -> Answer:
    """A question that isn't put in the cart's currency can't be answered (S-2.1)."""
    return Answer(Truth.UNKNOWN, Why(Reason.REASON_CURRENCY, {"currency": currency}))


def amount_in(per_currency: Sequence[Money], currency: str) -> int | None:
    """The amount in a currency; nothing is ever converted (S-2.1)."""
    for money in per_currency:
        if money.currency_code == currency:
            return money.minor
    return None


def ask_threshold(threshold: Threshold, view: View) -> Answer:
    """S-4.4."""
    currency = view.facts.currency
    needed = amount_in(threshold.minimum, currency)
    if needed is None:
        return _no_amount(currency)
    had = view.value(threshold_lines(threshold, view), threshold.basis)
    if had >= needed:
        return YES
    return Answer(Truth.NO, shortfall(Reason.REASON_THRESHOLD, currency, needed, had))


def threshold_lines(threshold: Threshold, view: View) -> Sequence[Line]:
    """Lines of its own selector, every item line of the cart, or the promotion's scope."""
    if threshold.HasField("selector"):
        return picked(threshold.selector, view.facts)
    if threshold.extent == Extent.EXTENT_CART:
        return [line for line in view.facts.lines if line.kind == ITEM]
    return view.scope


def waits_for_plan(condition: Condition, turned: bool = False) -> bool:
    """S-8.5: whether a `not` stands around a threshold on prices that list prices don't tell."""
    match condition.WhichOneof("condition"):
        case "all":
            return any(waits_for_plan(part, turned) for part in condition.all.conditions)
        case "any":
            return any(waits_for_plan(part, turned) for part in condition.any.conditions)
        case "not":
            return waits_for_plan(getattr(condition, "not"), True)
        case "threshold":
            return turned and condition.threshold.basis != Basis.BASIS_LIST
    return False


def _quantity(test: QuantityTest, view: View) -> Answer:
    lines = picked(test.selector, view.facts) if test.HasField("selector") else view.scope
    had = sum(line.quantity for line in lines)
    if inside(test.units, had):
        return YES
    needed = test.units.minimum if had < test.units.minimum else test.units.maximum
    return Answer(Truth.NO, Why(Reason.REASON_QUANTITY, {"needed": needed, "had": had}))


def ask_payment(test: PaymentTest, payment: Payment) -> Answer:
    """Each list that is given contains the cart's value; a value that wasn't given makes unknown."""
    parts = []
    for names, fact, attribute in (
        (test.methods, payment.method, "payment.method"),
        (test.card_classes, payment.card_class, "payment.card_class"),
        (test.issuers, payment.issuer, "payment.issuer"),
    ):
        if names and not fact:
            parts.append(unknown(attribute))
        elif names and not any_name(names, fact):
            parts.append(Answer(Truth.NO, Why(Reason.REASON_PAYMENT, {"method": payment.method})))
    return _all(parts)


def _customer(test: CustomerTest, facts: Facts) -> Answer:
    customer = facts.cart.customer
    today = facts.local().date()
    parts = []
    if test.HasField("completed_orders"):
        orders = customer.completed_orders if customer.HasField("completed_orders") else None
        parts.append(_history("completed_orders", "completed_orders", orders, test.completed_orders))
    if test.HasField("days_since_last_order"):
        last = customer.last_order_date
        days = (today - date.fromisoformat(last)).days if last else None
        parts.append(_history("days_since_last_order", "last_order_date", days, test.days_since_last_order))
    if test.HasField("birthday_within_days"):
        distance = _days_to_birthday(customer.birthday, today) if customer.birthday else None
        near = NumberRange(maximum=test.birthday_within_days)
        parts.append(_history("birthday", "birthday", distance, near))
    return _all(parts)


def _history(fact: str, attribute: str, value: int | None, wanted: NumberRange) -> Answer:
    if value is None:
        return unknown(f"customer.{attribute}")
    return YES if inside(wanted, value) else Answer(Truth.NO, Why(Reason.REASON_CUSTOMER, {"fact": fact}))


def _days_to_birthday(birthday: str, today: date) -> int:
    """Days to the nearest birthday, before or after; 29 February is the 28th in other years."""
    return min(
        abs((_birthday_in(year, birthday) - today).days) for year in range(today.year - 1, today.year + 2)
    )


def _birthday_in(year: int, birthday: str) -> date:
    month, day = map(int, birthday.split("-"))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return date(year, month, 28 if (month, day) == (2, 29) and not leap else day)


def _attribute(test: OwnedAttributeTest, facts: Facts) -> Answer:
    owner, attributes = {
        AttributeOwner.ATTRIBUTE_OWNER_CART: ("cart", facts.cart.attributes),
        AttributeOwner.ATTRIBUTE_OWNER_CUSTOMER: ("customer", facts.cart.customer.attributes),
        AttributeOwner.ATTRIBUTE_OWNER_PAYMENT: ("payment", facts.cart.payment.attributes),
    }[test.owner]
    name = f"{owner}.{test.test.name}"
    answer = answers(test.test, named(attributes))
    if answer is None:
        return unknown(name)
    return YES if answer else Answer(Truth.NO, Why(Reason.REASON_ATTRIBUTE, {"attribute": name}))


def _accumulated_spend(test: AccumulatedSpendTest, facts: Facts) -> Answer:
    """Spend of earlier visits; unknown when the caller gave none for the period."""
    needed = amount_in(test.minimum, facts.currency)
    if needed is None:
        return _no_amount(facts.currency)
    had = past_spend(facts, list(test.brand_ids), test.period)
    if had is None:
        return unknown("customer.accumulated_spend")
    if had >= needed:
        return YES
    return Answer(Truth.NO, shortfall(Reason.REASON_THRESHOLD, facts.currency, needed, had))


def past_spend(facts: Facts, brand_ids: Sequence[str], period: str) -> int | None:
    """The sum over brands (none named: all), or None when nothing is known of the period."""
    of_period = [
        spend
        for spend in facts.cart.customer.accumulated_spend
        if spend.period == period and spend.spent.currency_code == facts.currency
    ]
    if not of_period:
        return None
    return sum(spend.spent.minor for spend in of_period if not brand_ids or spend.brand_id in brand_ids)
