"""What a shop would write itself in Python: find the promotions that hold, and what each would take off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.catalogue import Bill, Rule

Found = list[tuple[str, int]]
"""Promotion and amount."""


def indexed(listed: Sequence[Rule]) -> Callable[[Bill], Found]:
    """Thirty lines with a dictionary from targets to rules."""
    by_target: dict[str, list[Rule]] = {}
    for rule in listed:
        by_target.setdefault(rule.target, []).append(rule)

    def evaluate(bill: Bill) -> Found:
        subtotal, targets = _facts(bill)
        return [
            (rule.id, rule.amount(subtotal))
            for target in targets
            for rule in by_target.get(target, ())
            if _fires(rule, bill, subtotal)
        ]

    return evaluate


def naive(listed: Sequence[Rule]) -> Callable[[Bill], Found]:
    """Every rule for every cart."""

    def evaluate(bill: Bill) -> Found:
        subtotal, targets = _facts(bill)
        return [
            (rule.id, rule.amount(subtotal))
            for rule in listed
            if rule.target in targets and _fires(rule, bill, subtotal)
        ]

    return evaluate


def _facts(bill: Bill) -> tuple[int, dict[str, bool]]:
    subtotal, targets = 0, {}
    for product, category, quantity, price in bill.lines:
        subtotal += quantity * price
        targets[product] = targets[category] = True
    return subtotal, targets


def _fires(rule: Rule, bill: Bill, subtotal: int) -> bool:
    return (
        subtotal >= rule.minimum
        and (not rule.stores or bill.store in rule.stores)
        and bill.hour in rule.hours
        and bill.tier in rule.tiers
    )
