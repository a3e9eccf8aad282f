"""Granting promotions to orders with asyncio: the methods of `Redemptions`, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from google.protobuf.message import Message

from dealwright.errors import CallFailed
from dealwright.granting import (
    OutcomeUnknown,
    Units,
    commit_request,
    judged,
    redeem_request,
    release_request,
    reserve_request,
    return_request,
    with_key,
)
from dealwright.requests import CartLike
from dealwright.v1.redemption_pb2 import TillSale
from dealwright.v1.redemption_service_pb2 import (
    CommitResponse,
    GetLimitStateRequest,
    GetRedemptionRequest,
    GetRedemptionResponse,
    RedeemResponse,
    ReleaseResponse,
    ReserveResponse,
    ReturnResponse,
)
from dealwright.v1.redemption_service_pb2_grpc import RedemptionServiceStub
from dealwright.v1.refund_pb2 import RETURN_POLICY_UNSPECIFIED, ReturnPolicy

if TYPE_CHECKING:
    import grpc.aio

    from dealwright.v1.cart_pb2 import LimitState


class AsyncRedemptions:
    """The methods of RedemptionService, awaited.

    Each call has an idempotency key, made up here or given as `key`, and is sent again with it while there is
    time. One that wasn't answered by then raises `OutcomeUnknown`, which `resolve` takes.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.service = RedemptionServiceStub(channel)
        """The methods with their own messages, for what has no shorter way here."""

    async def reserve(
        self,
        order_id: str,
        cart: CartLike,
        *,
        decline: bool = False,
        language: str = "",
        lifetime: int = 0,
        key: str = "",
        timeout: float | None = None,
    ) -> ReserveResponse:
        """Prices a cart and holds what its promotions need, for `lifetime` seconds; 0: 900.

        A promotion that a limit refuses is left out; with `decline` the whole order is off instead.
        """
        request = reserve_request(
            order_id, cart, decline=decline, language=language, lifetime=lifetime, key=key
        )
        return cast("ReserveResponse", await self._call("Reserve", request, timeout))

    async def commit(
        self,
        redemption_id: str,
        cart: CartLike | None = None,
        *,
        honor_late: bool = False,
        key: str = "",
        timeout: float | None = None,
    ) -> CommitResponse:
        """Makes a reservation final, for the same cart or for one that needs less.

        `honor_late` takes one that has expired too, for a customer who has paid.
        """
        request = commit_request(redemption_id, cart, honor_late=honor_late, key=key)
        return cast("CommitResponse", await self._call("Commit", request, timeout))

    async def release(
        self, redemption_id: str, *, key: str = "", timeout: float | None = None
    ) -> ReleaseResponse:
        """Gives back what a reservation holds."""
        request = release_request(redemption_id, key=key)
        return cast("ReleaseResponse", await self._call("Release", request, timeout))

    async def redeem(
        self,
        order_id: str,
        cart: CartLike,
        *,
        decline: bool = False,
        language: str = "",
        key: str = "",
        timeout: float | None = None,
    ) -> RedeemResponse:
        """Reserves and commits in one."""
        request = redeem_request(order_id, cart, decline=decline, language=language, key=key)
        return cast("RedeemResponse", await self._call("Redeem", request, timeout))

    async def return_units(
        self,
        of: str | TillSale,
        returned: Units,
        *,
        policy: ReturnPolicy.ValueType = RETURN_POLICY_UNSPECIFIED,
        key: str = "",
        timeout: float | None = None,
    ) -> ReturnResponse:
        """Books what comes back of a redemption or of a till's sale, and says what is due for it."""
        request = return_request(of, returned, policy=policy, key=key)
        return cast("ReturnResponse", await self._call("Return", request, timeout))

    async def resolve(self, unknown: OutcomeUnknown, *, timeout: float | None = None) -> Message:
        """Sends a call again whose outcome nobody knows; the first answer, if there was one.

        Raises OutcomeUnknown as long as there is no answer.
        """
        return await self._call(unknown.method, unknown.request, timeout)

    async def get(self, redemption_id: str, *, timeout: float | None = None) -> GetRedemptionResponse:
        """A redemption with everything that its price was made from."""
        asked = GetRedemptionRequest(redemption_id=redemption_id)
        return await self.service.GetRedemption(asked, timeout=timeout)

    async def limit_state(
        self, customer_id: str = "", store_id: str = "", *, timeout: float | None = None
    ) -> LimitState:
        """What is left of the limits for a customer in a store, to evaluate with."""
        asked = GetLimitStateRequest(customer_id=customer_id, store_id=store_id)
        return (await self.service.GetLimitState(asked, timeout=timeout)).limit_state

    async def _call(self, method: str, request: Message, timeout: float | None) -> Message:
        sent = with_key(request)
        call: Any = getattr(self.service, method)
        try:
            answer: Message = await call(sent, timeout=timeout)
        except CallFailed as failed:
            raise judged(method, sent, failed) from failed
        return answer
