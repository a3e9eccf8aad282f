"""Granting promotions through the clients, and calls that nobody answered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from dealwright import AsyncClient, Client, OutcomeUnknown
from dealwright.errors import Invalid, Refused
from dealwright.granting import return_request
from dealwright.v1.redemption_pb2 import REDEMPTION_STATE_COMMITTED, REDEMPTION_STATE_RELEASED, TillSale
from dealwright.v1.redemption_service_pb2 import RedeemRequest, RedeemResponse
from dealwright.v1.refund_pb2 import RETURN_POLICY_KEEP
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from tests.access.calls import token_for
from tests.client.sales import LATTES, served
from tests.definitions.samples import jakarta_settings, percent_off

SECONDS = 60.0
CART = {**LATTES, "store_id": "menteng"}
REDEEM = "/dealwright.v1.RedemptionService/Redeem"


@pytest.fixture
def token(database: Engine, definitions: Definitions) -> str:
    definitions.publish("kopi", Publication([percent_off("ten", 10)], settings=jakarta_settings()))
    return token_for(database, "till", Role.DEVICE)


@pytest.fixture
def server(database: Engine, token: str) -> Iterator[Application]:
    with served(database) as application:
        yield application


def test_an_order_is_reserved_committed_and_comes_back(server: Application, token: str) -> None:
    with Client(str(server.grpc_address), token=token, timeout=SECONDS) as client:
        reserved = client.redemptions.reserve("bill-1", CART, lifetime=600, language="en")
        assert reserved.result.totals.payable_minor == 4_500_000
        redemption_id = reserved.redemption.redemption_id
        committed = client.redemptions.commit(redemption_id)
        assert committed.redemption.state == REDEMPTION_STATE_COMMITTED
        back = client.redemptions.return_units(redemption_id, {"line-0": 1})
        assert back.refund.refund.minor == 2_250_000
        assert client.redemptions.get(redemption_id).redemption.order_id == "bill-1"
        with pytest.raises(Refused):
            client.redemptions.release(redemption_id)
        with pytest.raises(Invalid):
            client.redemptions.get("no such redemption")
        assert not client.redemptions.limit_state("vi", "menteng").promotions


def test_a_call_with_a_key_takes_effect_once(server: Application, token: str) -> None:
    with Client(str(server.grpc_address), token=token, timeout=SECONDS) as client:
        first = client.redemptions.redeem("bill-1", CART, key="one")
        again = client.redemptions.redeem("bill-1", CART, key="one")
        assert first == again
        other = client.redemptions.reserve("bill-2", CART)
        released = client.redemptions.release(other.redemption.redemption_id)
        assert released.redemption.state == REDEMPTION_STATE_RELEASED


def test_a_return_is_of_a_redemption_or_of_a_till_sale() -> None:
    of_redemption = return_request("r1", {"line-0": 1}, policy=RETURN_POLICY_KEEP, key="k")
    of_sale = return_request(
        TillSale(device_id="till-1", sale_id="s1"), {"line-0": 1}, policy=RETURN_POLICY_KEEP, key="k"
    )
    assert (of_redemption.redemption_id, of_redemption.HasField("till_sale")) == ("r1", False)
    assert (of_sale.redemption_id, of_sale.till_sale.sale_id) == ("", "s1")
    assert of_redemption.returned == of_sale.returned


async def test_the_same_awaited(server: Application, token: str) -> None:
    async with AsyncClient(str(server.grpc_address), token=token, timeout=SECONDS) as client:
        reserved = await client.redemptions.reserve("bill-1", CART)
        await client.redemptions.commit(reserved.redemption.redemption_id)
        back = await client.redemptions.return_units(reserved.redemption.redemption_id, {"line-0": 2})
        assert back.refund.refund.minor == 4_500_000
        assert not (await client.redemptions.limit_state("vi")).promotions
        redeemed = await client.redemptions.redeem("bill-2", CART)
        found = await client.redemptions.get(redeemed.redemption.redemption_id)
        assert found.redemption.state == REDEMPTION_STATE_COMMITTED


class Forgetful(grpc.GenericRpcHandler):
    """A proxy that carries calls out at the server, and loses the first answers."""

    def __init__(self, channel: grpc.Channel, losses: int) -> None:
        self._redeem: Any = channel.unary_unary(REDEEM)
        self._losses = losses
        self.keys: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        metadata = details.invocation_metadata

        def carry(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.keys.append(RedeemRequest.FromString(request).idempotency_key)
            shown = [(key, value) for key, value in metadata if key == "authorization"]
            answer = self._redeem(request, metadata=shown, timeout=SECONDS)
            if len(self.keys) <= self._losses:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the line is gone")
            return bytes(answer)

        return grpc.unary_unary_rpc_method_handler(carry)


def test_a_lost_answer_is_asked_for_again_with_the_same_key(server: Application, token: str) -> None:
    with (
        grpc.insecure_channel(str(server.grpc_address)) as channel,
        futures.ThreadPoolExecutor(2) as threads,
    ):
        forgetful = Forgetful(channel, losses=5)
        proxy = grpc.server(threads, handlers=[forgetful])
        port = proxy.add_insecure_port("127.0.0.1:0")
        proxy.start()
        try:
            with Client(f"127.0.0.1:{port}", token=token, timeout=SECONDS) as client:
                with pytest.raises(OutcomeUnknown) as raised:
                    client.redemptions.redeem("bill-1", CART)
                unknown = raised.value
                # It was carried out, though nobody has told.
                assert len(set(forgetful.keys)) == 1
                answer = client.redemptions.resolve(unknown)
                assert isinstance(answer, RedeemResponse)
                assert set(forgetful.keys) == {unknown.idempotency_key}
                found = client.redemptions.resolve(unknown)
                assert found == answer
        finally:
            proxy.stop(None).wait(SECONDS)
