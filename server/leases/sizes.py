"""How much of a limit is lent. No I/O."""

FIRST_SHARE = 20
"""A lease begins with one part in so many of the limit."""

FIRST_MIN = 10
"""And with so much at least, if it is free."""

LEFT_SHARE = 4
"""At once at most one part in so many of what is left is lent, so that others find something too."""


def first(limit: int) -> int:
    """How much a till holds in the beginning, before anybody knows how much it needs."""
    return max(FIRST_MIN, limit // FIRST_SHARE)


def addition(wished: int, has: int, free: int) -> int:
    """How much is added to a lease that has something, where so much of the limit is free."""
    return max(0, min(wished - has, -(-free // LEFT_SHARE)))
