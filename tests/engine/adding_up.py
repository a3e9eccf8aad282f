"""What holds for every result, whatever was bought and whatever was applied."""

import hashlib
from collections import Counter
from itertools import pairwise

from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.result_pb2 import Application, LineResult, Result
from dealwright.v1.selector_pb2 import LineKind

AMOUNTS = ("list_minor", "discount_minor", "payable_minor")
TAXES = ("discount_tax_minor", "payable_tax_minor")


def assert_adds_up(cart: Cart, result: Result) -> None:
    """Every amount of the result follows from the lines, and nothing is negative."""
    assert [line.line_id for line in result.lines] == [line.id for line in cart.lines]
    for given, line in zip(cart.lines, result.lines, strict=True):
        assert line.list_minor == given.quantity * given.unit_price_minor
        assert sum(run.quantity for run in line.runs) == given.quantity
        _assert_line_adds_up(line)
    _assert_totals_add_up(cart, result)
    for application in result.applications:
        _assert_application_adds_up(application)
    _assert_units_are_used_once(result)
    _assert_benefit(cart, result)
    shares = Counter[str]()
    for application in result.applications:
        shares.update({share.line_id: share.discount_minor for share in application.shares})
    assert {line.line_id: line.discount_minor for line in result.lines if line.discount_minor} == +shares
    assert result.result_hash == _hash(result)


def _assert_line_adds_up(line: LineResult) -> None:
    assert line.list_minor == line.discount_minor + line.payable_minor
    assert line.payable_minor == sum(run.quantity * run.unit_payable_minor for run in line.runs)
    assert min(line.discount_minor, line.payable_minor, line.discount_tax_minor, line.payable_tax_minor) >= 0
    assert min((run.unit_payable_minor for run in line.runs), default=0) >= 0


def _assert_totals_add_up(cart: Cart, result: Result) -> None:
    totals = result.totals
    assert totals.list_minor == totals.discount_minor + totals.payable_minor
    for amount in (*AMOUNTS, *TAXES):
        assert getattr(totals, amount) == sum(getattr(line, amount) for line in result.lines)
    assert totals.discount_minor == sum(application.discount_minor for application in result.applications)
    for kind in totals.by_kind:
        of_kind = [
            line
            for given, line in zip(cart.lines, result.lines, strict=True)
            if (given.kind or LineKind.LINE_KIND_ITEM) == kind.kind
        ]
        for amount in AMOUNTS:
            assert getattr(kind, amount) == sum(getattr(line, amount) for line in of_kind)
    assert sum(kind.list_minor for kind in totals.by_kind) == totals.list_minor


def _assert_application_adds_up(application: Application) -> None:
    assert 0 <= application.discount_minor <= application.wanted_minor
    assert application.discount_minor == sum(share.discount_minor for share in application.shares)
    for share in application.shares:
        assert share.discount_minor == sum(unit.quantity * unit.unit_discount_minor for unit in share.units)


def _assert_units_are_used_once(result: Result) -> None:
    """A unit that has a role in a set or a gift has it there alone."""
    used = sorted(
        (share.line_id, unit.first_unit, unit.first_unit + unit.quantity)
        for application in result.applications
        for share in application.shares
        for unit in share.units
        if application.sets or unit.role
    )
    for (line, _, end), (next_line, start, _) in pairwise(used):
        assert line != next_line or end <= start


def _assert_benefit(cart: Cart, result: Result) -> None:
    """Price reductions and gifts; a gift that is found on a gift line may be worth more than its price."""
    assert all(gift.quantity > 0 and gift.value_minor >= 0 for gift in result.gifts)
    seen = result.totals.discount_minor + sum(gift.value_minor for gift in result.gifts)
    has_gift_lines = any(line.kind == LineKind.LINE_KIND_GIFT for line in cart.lines)
    assert (
        result.selection.benefit_minor >= seen if has_gift_lines else result.selection.benefit_minor == seen
    )


def _hash(result: Result) -> bytes:
    unhashed = Result()
    unhashed.CopyFrom(result)
    unhashed.ClearField("result_hash")
    return hashlib.sha256(unhashed.SerializeToString(deterministic=True)).digest()
