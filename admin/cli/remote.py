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
    typer.Option("--server", metavar="HOST:PORT", help="Ask a running service, which has every revision."),
]


@contextmanager
def service(address: str) -> Iterator["EvaluationServiceStub"]:
    """A stub of the service; what it refuses ends the command with its sentence."""
    import grpc
    from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceStub

    try:
        with grpc.insecure_channel(address) as channel:
            yield EvaluationServiceStub(channel)
    except grpc.RpcError as error:
        say(visible(f"{address}: {error.details()} [{error.code().name.lower()}]"))
        refused = error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
        raise typer.Exit(ExitCode.FINDINGS if refused else ExitCode.FAILED) from error
