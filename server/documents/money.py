"""Amounts for people, in integers only."""

from dealwright_engine import currency_exponent


def amount(minor: int, currency_code: str) -> str:
    """Minor units with the currency's decimals and grouped thousands: 2500000 IDR is 25,000.00."""
    exponent = currency_exponent(currency_code) or 0
    whole, rest = divmod(abs(minor), 10**exponent)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole:,}.{rest:0{exponent}d}" if exponent else f"{sign}{whole:,}"
