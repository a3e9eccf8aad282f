"""Guardrails: what a company lets nobody bring into force, and whether they can be set."""

from collections.abc import Iterator, Sequence

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostic
from dealwright.v1.guardrails_pb2 import Guardrails, OnDeviation
from dealwright.v1.money_pb2 import Money
from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Connection

from server.definitions.store import revisions as revision_store
from server.definitions.validation import fault
from server.documents import Source, parse_message
from server.runtime.errors import DefinitionsRefused

PPM = 1_000_000

NO_LIMITS = frozenset({"on_deviation", "second_approver_above", "store_bytes_max", "store_growth_max_ppm"})
"""What guardrails say besides limits on discounts and margins."""


def guardrails_of(connection: Connection, company_id: str) -> Guardrails:
    """The guardrails of a company."""
    stored = revision_store.guardrails(connection, company_id)
    return parse_message(Source(f"the guardrails of {company_id}", stored), Guardrails)


def require_settable(guardrails: Guardrails) -> None:
    """Refuses guardrails that mean nothing, with all that is wrong with them."""
    faults = list(_faults(guardrails))
    if faults:
        raise DefinitionsRefused(faults)


def limits_something(guardrails: Guardrails) -> bool:
    """Whether there is a limit on discounts or margins."""
    return any(field.name not in NO_LIMITS for field, _ in guardrails.ListFields())


def exceeds_one_approval(guardrails: Guardrails, promotion: Promotion) -> bool:
    """Whether a promotion can give more over its life than one approval is enough for."""
    definition = promotion.SerializeToString()
    return any(
        (exposure := dealwright_engine.exposure(definition, most.currency_code)) is None
        or exposure > most.minor
        for most in guardrails.second_approver_above
    )


def _faults(guardrails: Guardrails) -> Iterator[Diagnostic]:
    if guardrails.on_deviation not in OnDeviation.values():
        value = f"{guardrails.on_deviation} is no value that this version knows."
        yield fault("enum_unknown", "guardrails.on_deviation", value)
    for name in ("order_discount_max_ppm", "line_discount_max_ppm", "margin_min_ppm"):
        share = getattr(guardrails, name)
        if not 0 <= share <= PPM:
            yield fault("out_of_range", f"guardrails.{name}", f"{share} doesn't lie within 0 and {PPM}.")
    for name in ("store_bytes_max", "store_growth_max_ppm"):
        if getattr(guardrails, name) < 0:
            least = f"{getattr(guardrails, name)} is less than nothing; 0 is the least."
            yield fault("out_of_range", f"guardrails.{name}", least)
    for name in ("order_discount_max", "line_discount_max", "second_approver_above"):
        yield from _faults_of_amounts(name, getattr(guardrails, name))


def _faults_of_amounts(name: str, amounts: Sequence[Money]) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for index, money in enumerate(amounts):
        path = f"guardrails.{name}[{index}]"
        code = money.currency_code
        if dealwright_engine.currency_exponent(code) is None:
            yield fault("currency_unknown", f"{path}.currency_code", f"{code} is no ISO 4217 currency.")
        if code in seen:
            yield fault("duplicate", f"{path}.currency_code", f"{code} occurs twice.")
        seen.add(code)
        if money.minor < 0:
            minor = f"{money.minor} is less than nothing; 0 is the least."
            yield fault("out_of_range", f"{path}.minor", minor)
