"""What came out of test carts, in words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from admin.cli.output import ExitCode, emit, say
from server.definitions import messages
from server.definitions.checks.gate import DeviationsRefused
from server.definitions.checks.test_carts import Outcome
from server.documents import to_value
from server.documents.money import amount

AcceptOption = Annotated[
    str,
    typer.Option(
        "--accept-deviations",
        metavar="REASON",
        help="Go on though test carts come out otherwise than expected; the audit log has why.",
    ),
]


@contextmanager
def passing() -> Iterator[None]:
    """Ends a command that test carts refuse, with all that came out of them."""
    try:
        yield
    except DeviationsRefused as error:
        tell_outcomes(error.outcomes)
        say("Refused: test carts come out otherwise than expected.")
        say("Give --accept-deviations REASON, or change what they expect (dealwright test-carts accept).")
        raise typer.Exit(ExitCode.FINDINGS) from error


def tell_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Says what changes on test carts, and what deviates."""
    for outcome in outcomes:
        emit(f"test cart {outcome.test_cart_id}: {_payable(outcome)}")
        for change in outcome.changes:
            emit(f"  changes: {change}")
        for deviation in outcome.deviations:
            emit(f"  deviates: {deviation.text}")


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
