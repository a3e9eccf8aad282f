"""Calls of a server that runs elsewhere, and its refusals in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from admin.cli.output import ExitCode, say, visible

if TYPE_CHECKING:
    from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceStub

CALL_SECONDS = 10.0
"""How long a call may take; rebuilding a revision is a matter of a second or two."""

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        help="Ask a running service, which has every revision; with TLS, except on this machine.",
    ),
]


@contextmanager
def service(address: str) -> Iterator["EvaluationServiceStub"]:
    """A stub of the service; what it refuses ends the command with its sentence."""
    import grpc
    from dealwright.connection import Connection, Unusable
    from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceStub

    try:
        with Connection(address).channel() as channel:
            yield EvaluationServiceStub(channel)
    except Unusable as error:
        say(visible(str(error)))
        raise typer.Exit(ExitCode.USAGE) from error
    except grpc.RpcError as error:
        say(visible(f"{address}: {error.details()} [{error.code().name.lower()}]"))
        refused = error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
        raise typer.Exit(ExitCode.FINDINGS if refused else ExitCode.FAILED) from error
