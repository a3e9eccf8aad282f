"""Which lines a selector picks (S-3.1, S-3.3, S-8.2)."""

import unicodedata

from dealwright.v1.attribute_pb2 import AttributeTest, NumberRange
from dealwright.v1.selector_pb2 import LineFilter, LineKind, PriceRange, Selector

from tests.reference.facts import Fact, Facts, Line

ITEM = LineKind.LINE_KIND_ITEM


def picked(selector: Selector, facts: Facts, kind: LineKind.ValueType = ITEM) -> list[Line]:
    """S-8.2: a filter of include matches, or there is none, and no filter of exclude does."""
    return [line for line in facts.lines if picks(selector, line, facts, kind)]


def picks(selector: Selector, line: Line, facts: Facts, kind: LineKind.ValueType = ITEM) -> bool:
    """Whether a selector picks a line; `kind` is looked at when the selector names none (S-3.3)."""
    if line.kind not in (selector.kinds or [kind]):
        return False
    if line.parent_id and not selector.with_children:
        return False
    if any(_matches(each, line, facts.currency) for each in selector.exclude):
        return False
    return not selector.include or any(_matches(each, line, facts.currency) for each in selector.include)


def _matches(line_filter: LineFilter, line: Line, currency: str) -> bool:
    """S-8.2: each dimension that is given holds."""
    dimensions = []
    if line_filter.product_ids:
        dimensions.append(line.product_id in line_filter.product_ids)
    if line_filter.category_ids:
        dimensions.append(any(each in line.category_ids for each in line_filter.category_ids))
    if line_filter.brand_ids:
        dimensions.append(line.brand_id in line_filter.brand_ids)
    if line_filter.attributes:
        dimensions.append(all(answers(test, line.attributes) is True for test in line_filter.attributes))
    if line_filter.unit_price:
        dimensions.append(any(_in_price_range(each, line, currency) for each in line_filter.unit_price))
    return all(dimensions)


def _in_price_range(price_range: PriceRange, line: Line, currency: str) -> bool:
    """Both ends inclusive, of list prices, in the cart's currency alone."""
    price = line.unit_price_minor
    return (
        price_range.currency_code == currency
        and (not price_range.HasField("minimum_minor") or price >= price_range.minimum_minor)
        and (not price_range.HasField("maximum_minor") or price <= price_range.maximum_minor)
    )


def answers(test: AttributeTest, attributes: dict[str, Fact]) -> bool | None:
    """Yes, no, or None for unknown (S-8.1)."""
    if test.name not in attributes:
        return None
    value = attributes[test.name]
    kind = test.WhichOneof("test")
    if kind == "text_in":
        return isinstance(value, str) and value in [
            unicodedata.normalize("NFC", text) for text in test.text_in.values
        ]
    if kind == "number_range":
        return isinstance(value, int) and not isinstance(value, bool) and inside(test.number_range, value)
    return isinstance(value, bool) and value == test.flag_is


def inside(number_range: NumberRange, value: int) -> bool:
    """Both ends inclusive; an end that is unset is none."""
    return (not number_range.HasField("minimum") or value >= number_range.minimum) and (
        not number_range.HasField("maximum") or value <= number_range.maximum
    )
