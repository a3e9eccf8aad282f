"""dealwright replay: price a recorded request once more and see whether the result is the recorded one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin.cli.findings import plain_findings
from admin.cli.offline import AtOption, CartOption, HashOption, PromotionsOption
from admin.cli.output import ExitCode, JsonOption, emit, emit_json, say
from admin.cli.remote import ServerOption

if TYPE_CHECKING:
    from dealwright.v1.evaluation_service_pb2 import ReplayRequest, ReplayResponse


def replay(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="More promotions.")] = None,
    promotions: PromotionsOption = None,
    cart: CartOption = None,
    server: ServerOption = None,
    revision: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="The revision of then, with --server.")
    ] = 0,
    result_hash: HashOption = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Price a recorded request again, with the definitions of then from files or from a server.

    With --hash a result that isn't the recorded one ends the command with 1.
    """
    from dealwright.v1.evaluation_service_pb2 import ReplayRequest

    from admin.cli import offline
    from admin.cli.receipt import receipt
    from server.documents import read_cart, to_value

    wanted = offline.hash_bytes(result_hash)
    if server is not None and (not revision or promotions or files or cart is None):
        raise typer.BadParameter("give --revision and --cart with --server, and no promotions")
    with plain_findings():
        if server is not None and cart is not None:
            recorded = read_cart(cart)
            moment = offline.instant(at)
            if moment is not None:
                recorded.request.evaluate_time.CopyFrom(moment)
            offline.require_instant(recorded)
            request = ReplayRequest(revision=revision, request=recorded.request, result_hash=wanted)
            response = _remotely(server, request)
        else:
            ruleset, recorded = offline.load([*(promotions or []), *(files or [])], cart, at)
            offline.require_instant(recorded)
            request = ReplayRequest(revision=ruleset.revision, request=recorded.request, result_hash=wanted)
            response = offline.replay(ruleset, recorded, request)
    if as_json:
        emit_json(to_value(response))
    else:
        emit(receipt(recorded.request.cart, response.result))
        emit(f"Hash {response.result.result_hash.hex()}")
    if response.HasField("matches") and not response.matches:
        say("The result isn't the recorded one.")
        raise typer.Exit(ExitCode.FINDINGS)


def _remotely(address: str, request: "ReplayRequest") -> "ReplayResponse":
    from admin.cli.remote import CALL_SECONDS, service

    with service(address) as stub:
        return stub.Replay(request, timeout=CALL_SECONDS)
