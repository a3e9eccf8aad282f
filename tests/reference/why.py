"""Answers with a reason: what a verdict says (S-10.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from dealwright.v1.money_pb2 import Money
from dealwright.v1.result_pb2 import Parameter, Reason


@dataclass(frozen=True)
class Amount:
    """An amount of money as a parameter."""

    currency_code: str
    minor: int


Value: TypeAlias = str | int | Amount


@dataclass(frozen=True)
class Why:
    """A reason with its parameters."""

    reason: Reason.ValueType
    parameters: Mapping[str, Value] = field(default_factory=dict)


def shortfall(reason: Reason.ValueType, currency: str, needed: int, had: int) -> Why:
    """A reason about money that isn't there: needed, had, missing (S-4.4)."""
    amounts = {"needed": needed, "had": had, "missing": needed - had}
    return Why(reason, {name: Amount(currency, minor) for name, minor in amounts.items()})


def parameters(why: Why) -> list[Parameter]:
    """The parameters as the schema has them."""
    return [_parameter(name, value) for name, value in why.parameters.items()]


def _parameter(name: str, value: Value) -> Parameter:
    if isinstance(value, Amount):
        return Parameter(name=name, money=Money(currency_code=value.currency_code, minor=value.minor))
    if isinstance(value, int):
        return Parameter(name=name, number=value)
    return Parameter(name=name, text=value)
