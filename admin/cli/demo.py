"""dealwright demo: a company, a server and some carts, priced over gRPC."""

import asyncio
import contextlib
import signal
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import grpc.aio
import typer
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from sqlalchemy import Engine

from admin.api.callers import Callers
from admin.api.server import AdminServer
from admin.cli.demo_company import EXAMPLES
from admin.cli.output import JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures, read_settings
from admin.cli.publish import publish_demo
from admin.cli.receipt import receipt
from admin.cli.serve import addresses
from admin.cli.token import tell_first_token
from admin.cli.up import ExamplesOption
from server.access.sessions import Sessions
from server.answers.service import Answers
from server.db.database import database
from server.db.migrate import upgrade
from server.definitions.service import Definitions
from server.documents import CartDocument, read_cart, to_json, to_value
from server.runtime import logs
from server.runtime.app import Application
from server.runtime.settings import Address, Settings
from server.worker import Worker

if TYPE_CHECKING:
    from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceAsyncStub

CALL_SECONDS = 10.0


def demo(
    examples: ExamplesOption = EXAMPLES,
    stay: Annotated[
        bool | None,
        typer.Option("--stay/--leave", help="Keep serving afterwards. Default: on a terminal only."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start everything, publish the demo company, price its carts over gRPC and print the receipts."""
    staying = sys.stdin.isatty() and sys.stdout.isatty() if stay is None else stay
    with plain_failures():
        settings = read_settings()
        logs.configure(settings.log_format, "error")
        carts = [read_cart(path) for path in sorted((examples / "carts").glob("*.yaml"))]
        say("Starting PostgreSQL" if settings.database_url is None else "Connecting to the database")
        with database(settings) as engine:
            upgrade(engine)
            published = publish_demo(Definitions(engine), examples)
            tell_first_token(engine, published.company_id)
            settings = replace(
                settings,
                company=published.company_id,
                # The demo speaks with itself, and what it suggests trying is without TLS.
                tls_certificate=None,
                tls_key=None,
                tls_client_ca=None,
                grpc_address=_free(settings.grpc_address),
                metrics_address=_free(settings.metrics_address),
                admin_address=_free(settings.admin_address),
            )
            asyncio.run(_serve_and_price(settings, engine, carts, staying=staying, as_json=as_json))


async def _serve_and_price(
    settings: Settings, engine: Engine, carts: list[CartDocument], *, staying: bool, as_json: bool
) -> None:
    application = Application(settings, engine)
    api = AdminServer(
        settings,
        application.methods,
        Callers(application.grants, Sessions(engine)),
        Answers(engine),
        application.metrics,
    )
    worker = Worker(settings, engine, application.metrics)
    try:
        await application.start()
        await api.start()
        await worker.start()
        say(f"Pricing {len(carts)} carts over gRPC on {application.grpc_address}")
        async with grpc.aio.insecure_channel(str(application.grpc_address)) as channel:
            stub = EvaluationServiceStub(channel)
            for cart in carts:
                await _price(stub, cart, as_json=as_json)
        say(
            "\nServing until Ctrl-C. Try:"
            if staying
            else "\nThe server ends now. With `dealwright demo --stay` it goes on, and you can try:"
        )
        if carts:
            say(_what_to_try(application, api, carts[0].request))
        if staying:
            await _until_interrupted()
    finally:
        await worker.stop()
        await api.stop()
        await application.stop()


async def _price(stub: "EvaluationServiceAsyncStub", cart: CartDocument, *, as_json: bool) -> None:
    request = cart.request
    request.options.language = request.options.language or "en"
    response = await stub.Evaluate(request, timeout=CALL_SECONDS)
    if as_json:
        emit_json(to_value(response.result), indent=None)
    else:
        emit(f"\n{receipt(request.cart, response.result)}")


def _what_to_try(application: Application, api: AdminServer, request: EvaluateRequest) -> str:
    where = addresses(application)
    small = EvaluateRequest(cart=Cart(id="try", currency_code=request.cart.currency_code))
    small.cart.store_id = request.cart.store_id
    small.cart.lines.append(request.cart.lines[0])
    return (
        f"  curl -s {where['metrics']} | grep dealwright_\n"
        f"  curl -s {api.url}/openapi.json\n"
        f"  grpcurl -plaintext {where['grpc']} list\n"
        f"  grpcurl -plaintext -d '{to_json(small)}' {where['grpc']} dealwright.v1.EvaluationService/Evaluate"
    )


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _free(address: Address) -> Address:
    """The address, or the same host with a port that the system chooses when the port is taken."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return replace(address, port=0)
    return address
