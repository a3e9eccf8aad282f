"""What came out of test carts, in words."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from dealwright.v1.diagnostic_pb2 import Diagnostic

from admin.cli.findings import Finding, of_definitions, of_diagnostic
from admin.cli.output import ExitCode, emit, say
from server.definitions import messages
from server.definitions.checks.gate import DeviationsRefused, SizesRefused
from server.definitions.checks.saving import SavedCarts
from server.definitions.checks.test_carts import Outcome, cart_of
from server.documents import Definitions, to_value
from server.documents.money import amount

AcceptOption = Annotated[
    str,
    typer.Option(
        "--accept-deviations",
        metavar="REASON",
        help="Go on though test carts come out otherwise than expected; the audit log has why.",
    ),
]

AcceptSizesOption = Annotated[
    str,
    typer.Option(
        "--accept-sizes",
        metavar="REASON",
        help="Go on though stores receive very much, or nothing any more; the audit log has why.",
    ),
]


@contextmanager
def passing() -> Iterator[None]:
    """Ends a command that test carts or sizes refuse, and says with which option it goes on."""
    try:
        yield
    except DeviationsRefused as error:
        tell_outcomes(error.outcomes)
        say("Refused: test carts come out otherwise than expected.")
        say("Give --accept-deviations REASON, or change what they expect (dealwright test-carts accept).")
        raise typer.Exit(ExitCode.FINDINGS) from error
    except SizesRefused as error:
        for found in error.found:
            say(f"Refused: {found.message}")
        say("Give --accept-sizes REASON, or change what is published.")
        raise typer.Exit(ExitCode.FINDINGS) from error


def tell_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Says what changes on test carts, and what deviates."""
    for outcome in outcomes:
        emit(f"test cart {outcome.test_cart_id}: {_payable(outcome)}")
        for change in outcome.changes:
            emit(f"  changes: {change}")
        for deviation in outcome.deviations:
            emit(f"  deviates: {deviation.text}")


def saved_carts(saved: SavedCarts) -> Iterator[str]:
    """What saving test carts did, a line for each that isn't what it was."""
    for word, keys in (("created", saved.created), ("updated", saved.updated), ("deleted", saved.deleted)):
        yield from (f"test cart {key} is {word}" for key in keys)


def of_everything(diagnostics: Iterable[Diagnostic], found: Definitions) -> list[Finding]:
    """Findings about promotions and test carts, each at the place where what it is about was written."""
    places = {item.cart.id: item.problem for item in found.test_carts}
    told: list[Finding] = []
    for diagnostic in diagnostics:
        cart = cart_of(diagnostic)
        told += [of_diagnostic(diagnostic, places.get(cart))] if cart else of_definitions([diagnostic], found)
    return told


def outcome_values(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The same as JSON values."""
    return [to_value(messages.outcome(outcome)) for outcome in outcomes]


def _payable(outcome: Outcome) -> str:
    code = outcome.result.currency_code
    now = f"{code} {amount(outcome.result.totals.payable_minor, code)}"
    before = outcome.payable_before_minor
    if before is None or before == outcome.result.totals.payable_minor:
        return now
    return f"{code} {amount(before, code)} becomes {now}"
