"""Pricing from files alone: no database and no server, the same engine."""

import base64
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateRequest,
    EvaluateResponse,
    ExplainRequest,
    ExplainResponse,
    ReplayRequest,
    ReplayResponse,
)
from dealwright_engine import InvalidRequest, InvalidRuleset, Ruleset
from google.protobuf.timestamp_pb2 import Timestamp

from admin.cli.findings import Locate, of_definitions, of_engine, report
from admin.cli.output import ExitCode
from server.documents import CartDocument, Definitions, read_cart, read_definitions

PromotionsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--promotions",
        "-p",
        metavar="FILE",
        help="Promotions, or a folder of them. More may follow without the option.",
    ),
]
CartOption = Annotated[
    Path | None,
    typer.Option("--cart", "-c", metavar="FILE", help="A cart or an EvaluateRequest; - is standard input."),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="INSTANT",
        help="Evaluate at this instant, such as 2026-11-21T09:00:00Z. Default: now.",
    ),
]
LanguageOption = Annotated[
    str | None, typer.Option("--language", "-l", help="Language of the texts, such as en or id.")
]


HashOption = Annotated[
    str | None,
    typer.Option(
        "--hash", metavar="HASH", help="The recorded result_hash, in base64 as JSON has it, or hexadecimal."
    ),
]

HASH_BYTES = 32


def hash_bytes(text: str | None) -> bytes:
    """The value of --hash; empty without one."""
    if text is None:
        return b""
    try:
        given = bytes.fromhex(text) if len(text) == 2 * HASH_BYTES else base64.b64decode(text, validate=True)
    except ValueError:
        given = b""
    if len(given) != HASH_BYTES:
        raise typer.BadParameter("give 32 bytes in base64 or hexadecimal", param_hint="--hash")
    return given


def instant(text: str | None) -> Timestamp | None:
    """The value of --at."""
    if text is None:
        return None
    timestamp = Timestamp()
    try:
        timestamp.FromJsonString(text)
    except ValueError as error:
        raise typer.BadParameter("give an instant such as 2026-11-21T09:00:00Z", param_hint="--at") from error
    return timestamp


def load(promotions: Sequence[Path], cart: Path | None, at: str | None) -> tuple[Ruleset, CartDocument]:
    """Reads and compiles what the options name; a promotion that can't be used is told, the others count."""
    if not promotions or cart is None:
        raise typer.BadParameter("give --promotions FILE and --cart FILE")
    if [*map(str, promotions), str(cart)].count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once only")
    moment = instant(at)
    request = read_cart(cart)
    if moment is not None:
        request.request.evaluate_time.CopyFrom(moment)
    return compiled(promotions), request


def compiled(promotions: Sequence[Path]) -> Ruleset:
    """Reads and compiles definitions; a promotion that can't be used is told, the others count."""
    return compiled_definitions(read_definitions(promotions))


def compiled_definitions(definitions: Definitions) -> Ruleset:
    """Compiles definitions that were read, as above."""
    try:
        ruleset = Ruleset.compile(definitions.ruleset().SerializeToString(deterministic=True))
    except InvalidRuleset as error:
        report(of_definitions(error.diagnostics, definitions))
        raise typer.Exit(ExitCode.FINDINGS) from error
    report(of_definitions(ruleset.diagnostics, definitions))
    return ruleset


def require_instant(cart: CartDocument) -> None:
    """What was evaluated in the past has its instant in its file or in --at."""
    if not cart.request.HasField("evaluate_time"):
        raise typer.BadParameter(
            "give the instant of the sale, or a cart file with evaluate_time", param_hint="--at"
        )


def evaluate(ruleset: Ruleset, cart: CartDocument) -> EvaluateResponse:
    """Evaluates, or ends with what is wrong with the request."""
    try:
        return EvaluateResponse.FromString(ruleset.evaluate(cart.request.SerializeToString(), time.time_ns()))
    except InvalidRequest as error:
        report(of_engine(error.diagnostics, cart.problem))
        raise typer.Exit(ExitCode.FINDINGS) from error


def explain(ruleset: Ruleset, cart: CartDocument, language: str) -> ExplainResponse:
    """Explains, or ends with what is wrong with the request."""
    request = explain_request(cart.request, language)
    try:
        return ExplainResponse.FromString(ruleset.explain(request.SerializeToString(), time.time_ns()))
    except InvalidRequest as error:
        report(of_engine(error.diagnostics, cart.problem))
        raise typer.Exit(ExitCode.FINDINGS) from error


def replay(ruleset: Ruleset, cart: CartDocument, request: ReplayRequest) -> ReplayResponse:
    """Replays, or ends with what is wrong with the request."""
    try:
        return ReplayResponse.FromString(ruleset.replay(request.SerializeToString()))
    except InvalidRequest as error:
        report(of_engine(error.diagnostics, inside(cart, "request.")))
        raise typer.Exit(ExitCode.FINDINGS) from error


def inside(cart: CartDocument, prefix: str) -> Locate:
    """Finds the fields of a cart's request that stands in a field of another one."""
    return lambda field, message: cart.problem(field.removeprefix(prefix), message)


def explain_request(request: EvaluateRequest, language: str) -> ExplainRequest:
    explained = ExplainRequest(cart=request.cart, language=language or request.options.language)
    if request.HasField("evaluate_time"):
        explained.evaluate_time.CopyFrom(request.evaluate_time)
    if request.HasField("limit_state"):
        explained.limit_state.CopyFrom(request.limit_state)
    return explained
