"""How a revision arrives at tills, watched for a while."""

import time
from typing import Annotated

import typer

from admin.cli.output import say
from server.distribution.operations import Arrival, Operations

LOOK_SECONDS = 0.5
"""How often it is looked: servers write down what tills say about as often."""

WaitOption = Annotated[
    int,
    typer.Option(
        "--wait", metavar="SECONDS", min=0, max=3600, help="How long to wait until connected tills have it."
    ),
]


def wait_for_tills(operations: Operations, company_id: str, revision: int, seconds: float) -> None:
    """Waits until every connected till has a revision, no longer than it is told to, and says how it goes."""
    end = time.monotonic() + seconds
    told = None
    while True:
        arrival = operations.arrival(company_id, revision)
        if arrival != told:
            say(_sentence(arrival))
            told = arrival
        left = end - time.monotonic()
        if not arrival.coming or left <= 0:
            return
        time.sleep(min(LOOK_SECONDS, left))


def _sentence(arrival: Arrival) -> str:
    """For people."""
    return (
        f"{arrival.there} of {arrival.tills} tills have it; {arrival.coming} that are connected don't yet,"
        f" {arrival.away} that aren't get it when they are back"
    )
