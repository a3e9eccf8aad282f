"""No secret is ever logged: a busy scenario with everything going wrong, and its whole log is looked at."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import grpc
import grpc.aio
import httpx
import pytest
import structlog
from dealwright.v1.redemption_service_pb2 import RedeemRequest
from dealwright.v1.voucher_service_pb2 import CheckVouchersRequest
from sqlalchemy import Engine, make_url, text

from admin.api.callers import Callers
from admin.api.server import AdminServer
from server.access.sessions import Sessions
from server.access.users import Users
from server.actors import Role
from server.answers.service import Answers
from server.definitions.service import Definitions, Publication
from server.events.service import Event, EventType, record
from server.keys.service import Pepper
from server.runtime import logs
from server.runtime.app import Application
from server.runtime.metrics import Metrics
from server.runtime.settings import Address
from server.vouchers.service import Vouchers
from server.worker import Worker
from tests.access.calls import PEPPER, SETTINGS, ask, bearer, owner, token_for
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, latte_request
from tests.events.receiver import receiving
from tests.operations.proxy import database_through
from tests.operations.test_snapshot import until
from tests.vouchers.conftest import SPRING
from tests.vouchers.test_batches import one_code

DATABASE_PASSWORD = "kopi-susu-hunter2"
PASSWORD, WRONG_PASSWORD = "a long walk in the rain", "a long walk in the snow"
WRONG_TOKEN = "dw_0123456789abcdef0123456789abcdef0123456789"
CUSTOMER = "+62 812 3456 7890"
CHECK = "/dealwright.v1.VoucherService/CheckVouchers"
REDEEM = "/dealwright.v1.RedemptionService/Redeem"

SEEN = {"call_failed", "database_unavailable", "ruleset_refresh_failed", "serving", "webhook_failed"}
"""Lines that the scenario causes; without them it would prove nothing."""


@pytest.fixture
def written(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """All that is written, by every library too."""
    logs.configure("json", "debug")
    yield capfd
    structlog.reset_defaults()


async def test_no_secret_is_logged_whatever_goes_wrong(
    database_url: str, database: Engine, written: pytest.CaptureFixture[str]
) -> None:
    promotion = percent_off(SPRING, 20)
    promotion.trigger.voucher.SetInParent()
    Definitions(database).publish("kopi", Publication([promotion]))
    token = token_for(database, "till", *Role)
    session = Sessions(database).accept(
        Users(database).create(owner(), "joe", [Role.ADMIN]), PASSWORD, "HTTP 127.0.0.1"
    )
    settings = replace(
        SETTINGS, access="tokens", admin_address=Address("127.0.0.1", 0), webhook_addresses="any"
    )
    code = one_code(Vouchers(database, Pepper(settings, database)))
    secrets = {PEPPER, DATABASE_PASSWORD, PASSWORD, WRONG_PASSWORD, WRONG_TOKEN, CUSTOMER}
    secrets |= {token, session.secret, code}

    url = make_url(database_url).set(password=DATABASE_PASSWORD).render_as_string(hide_password=False)
    async with database_through(url) as (engine, network):
        application = Application(settings, engine)
        api = AdminServer(
            settings,
            application.methods,
            Callers(application.grants, Sessions(engine)),
            Answers(engine),
            application.metrics,
        )
        worker = Worker(settings, engine, Metrics())
        for part in (application, api, worker):
            await part.start()
        try:
            async with (
                grpc.aio.insecure_channel(str(application.grpc_address)) as channel,
                httpx.AsyncClient(base_url=api.url, timeout=60.0) as client,
            ):
                shop = _Shop(channel, client, token, session.secret, code)
                with receiving() as receiver:
                    receiver.statuses = [500] * 100
                    made = await client.post(
                        "/api/v1/webhooks", headers=shop.headers, json={"url": f"{receiver.url}?key={code}"}
                    )
                    secrets.add(made.json()["secret"])
                    with database.begin() as connection:
                        record(connection, "kopi", [Event(EventType.BUDGET_LOW, "spring")])
                    await until(lambda: bool(receiver.received))
                    await shop.be_busy()
                # Statements fail that nobody expects to, with all that they were given.
                await asyncio.to_thread(break_schema, database)
                await shop.be_busy()
                network.cut()
                await shop.be_busy()
                await until(lambda: application.holder.last_error is not None)
        finally:
            for part in (worker, api, application):
                await part.stop()

    said = "".join(written.readouterr())
    events = {json.loads(line)["event"] for line in said.splitlines() if line.startswith("{")}
    assert events >= SEEN
    shown = [secret for secret in secrets if secret in said or quote(secret) in said]
    assert not shown


def break_schema(database: Engine) -> None:
    """In a thread: it waits for transactions that go over the network of this event loop."""
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE voucher RENAME TO gone"))
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE redemption RENAME TO gone_too"))


class _Shop:
    """Calls everything that takes a secret, rightly and wrongly, and doesn't mind being refused."""

    def __init__(
        self, channel: grpc.aio.Channel, client: httpx.AsyncClient, token: str, session: str, code: str
    ) -> None:
        self.headers = {"authorization": f"Bearer {token}"}
        self._channel = channel
        self._client = client
        self._token = token
        self._session = session
        self._code = code
        self._orders = 0

    async def be_busy(self) -> None:
        self._orders += 1
        order = RedeemRequest(
            idempotency_key=f"k{self._orders}", order_id=f"o{self._orders}", cart=latte_request().cart
        )
        order.cart.codes.append(self._code)
        order.cart.customer.id = CUSTOMER
        check = CheckVouchersRequest(codes=[self._code], customer_id=CUSTOMER)
        for token in (self._token, WRONG_TOKEN):
            for method, request in (
                (EVALUATE, latte_request().SerializeToString()),
                (EVALUATE, self._code.encode()),
                (CHECK, check.SerializeToString()),
                (REDEEM, order.SerializeToString()),
            ):
                with suppress(grpc.aio.AioRpcError):
                    await ask(self._channel, method, request, metadata=bearer(token))
        for password in (PASSWORD, WRONG_PASSWORD):
            await self._post("/session", {"name": "joe", "password": password})
        await self._post("/vouchers:check", {"codes": [self._code], "customer_id": CUSTOMER})
        await self._post("/vouchers:check", self._code)
        await self._client.get("/api/v1/promotions", headers={"authorization": f"Bearer {WRONG_TOKEN}"})
        await self._client.get(f"/api/v1/promotions?token={self._token}", headers=self.headers)
        await self._client.get("/api/v1/session", headers={"cookie": f"__Host-dealwright={self._session}"})

    async def _post(self, path: str, body: Any) -> None:
        await self._client.post(f"/api/v1{path}", headers=self.headers, json=body)
