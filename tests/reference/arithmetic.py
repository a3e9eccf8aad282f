"""Rounding, splitting and water-filling (S-2.3, S-5.1, S-5.3)."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from dealwright.v1.ruleset_pb2 import Policy, RoundingMode


def rounded(exact: Fraction, policy: Policy, currency: str) -> int:
    """S-2.3: a discount to the currency's increment, by the policy's mode."""
    increments = {each.currency_code: each.minor for each in policy.rounding.increments}
    increment = increments.get(currency, 1)
    steps = exact / increment
    whole = floor(steps)
    rest = steps - whole
    half = Fraction(1, 2)
    match policy.rounding.mode:
        case RoundingMode.ROUNDING_MODE_DOWN:
            up = False
        case RoundingMode.ROUNDING_MODE_HALF_EVEN:
            up = rest > half or (rest == half and whole % 2 == 1)
        case _:
            up = rest >= half
    return (whole + up) * increment


def half_up(exact: Fraction) -> int:
    """To the nearest minor unit, half up, as tax parts are (S-3.4)."""
    return floor(exact + Fraction(1, 2))


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """S-5.1: by largest remainder; ties to the earlier part. What is worth 0 gets nothing."""
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    exact = [Fraction(amount * weight, total) for weight in weights]
    parts = [floor(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda part: (parts[part] - exact[part], part))
    for part in by_remainder[: amount - sum(parts)]:
        parts[part] += 1
    return parts


def fill(amount: int, weights: Sequence[int], capacities: Sequence[int]) -> list[int]:
    """S-5.3: what one part refuses flows to the others until it is stable; what all refuse is lost."""
    given = [0] * len(weights)
    left = amount
    # What has no room left takes no part in the split at all.
    eligible = [part for part, weight in enumerate(weights) if weight > 0 and capacities[part] > 0]
    while eligible:
        total = sum(weights[part] for part in eligible)
        overfull = [part for part in eligible if left * weights[part] > capacities[part] * total]
        if not overfull:
            for part, share in zip(eligible, split(left, [weights[part] for part in eligible]), strict=True):
                given[part] = share
            break
        for part in overfull:
            given[part] = capacities[part]
            left -= capacities[part]
        eligible = [part for part in eligible if part not in overfull]
    return given
