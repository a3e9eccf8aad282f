"""LeaseService over gRPC, and who may call it."""

import asyncio

import grpc
import grpc.aio
import pytest
from dealwright.v1.lease_service_pb2 import ListLeasesRequest, RenewLeasesRequest
from dealwright.v1.lease_service_pb2_grpc import LeaseServiceStub
from sqlalchemy import Engine, text

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from server.runtime.metrics import Metrics
from server.runtime.settings import Settings
from server.worker import Worker
from tests.access.calls import PEPPER, bearer, token_for
from tests.leases.lender import wish
from tests.redemption.shop import COMPANY, limited, settings

REQUEST = RenewLeasesRequest(device_id="till-1", journal_id="j1", wishes=[wish(5)])


@pytest.fixture
def tokens(database: Engine) -> dict[Role, str]:
    return {role: token_for(database, f"a-{role.value}", role) for role in (Role.DEVICE, Role.VIEWER)}


async def test_a_till_leases_and_everybody_may_look(
    tokens: dict[Role, str], application: Application, definitions: Definitions, channel: grpc.aio.Channel
) -> None:
    definitions.publish(COMPANY, Publication([limited(max_uses=100)], settings=settings()))
    await application.holder.refresh()
    stub = LeaseServiceStub(channel)
    till, viewer = bearer(tokens[Role.DEVICE]), bearer(tokens[Role.VIEWER])

    (lease,) = (await stub.RenewLeases(REQUEST, metadata=till)).leases
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.RenewLeases(REQUEST, metadata=viewer)
    listed = (await stub.ListLeases(ListLeasesRequest(), metadata=viewer)).leases

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert [(each.lease_id, each.device_id) for each in listed] == [(lease.lease_id, "till-1")]


async def test_a_server_tells_what_it_lends_and_a_worker_how_leases_stand(
    tokens: dict[Role, str],
    application: Application,
    definitions: Definitions,
    channel: grpc.aio.Channel,
    database: Engine,
) -> None:
    definitions.publish(COMPANY, Publication([limited(max_uses=100)], settings=settings()))
    await application.holder.refresh()
    await LeaseServiceStub(channel).RenewLeases(REQUEST, metadata=bearer(tokens[Role.DEVICE]))
    lent = application.metrics.registry.get_sample_value(
        "dealwright_lease_wishes_total", {"outcome": "granted"}
    )
    assert lent == 1

    metrics = Metrics()
    worker = Worker(Settings(pepper=PEPPER), database, metrics)
    await worker.start()
    try:
        registry = metrics.registry
        async with asyncio.timeout(60):
            while registry.get_sample_value("dealwright_leases", {"state": "usable"}) != 1:
                await asyncio.sleep(0.05)
        with database.begin() as connection:
            connection.execute(text("UPDATE lease SET reclaim_time = start_time, expire_time = start_time"))
        async with asyncio.timeout(60):
            while registry.get_sample_value("dealwright_leases_reclaimed_total") != 1:
                await asyncio.sleep(0.05)
    finally:
        await worker.stop()
