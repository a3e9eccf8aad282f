"""Use cases of redemption that price carts: reserve, commit, redeem and return, and what limits have left."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from dealwright.v1 import redemption_service_pb2 as schema
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.redemption_pb2 import LATE_COMMIT_HONOR, ON_REFUSED_DECLINE
from dealwright.v1.result_pb2 import Result
from google.protobuf.message import Message
from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.db.engine import plain_errors
from server.evaluation.revisions import Revisions
from server.evaluation.service import Active, RulesetHolder
from server.redemption import messages, settling, store, till_sales
from server.redemption.answering import ID_CHARS_MAX, Call, require_id, require_text
from server.redemption.exhaustion import Exhaustion
from server.redemption.granting import Granting, Order
from server.redemption.limits import limit_state
from server.redemption.pricing import Priced, price
from server.redemption.records import own, read, require
from server.redemption.returns import book_return
from server.redemption.till_sales import Uploaded, Uploads
from server.redemption.vouching import Mask, for_commit, held_uses, masked, require_few
from server.runtime.errors import Denied, Invalid
from server.runtime.metrics import Metrics
from server.vouchers.service import Vouchers

LIFETIME_SECONDS = 900
"""How long a reservation holds when the caller doesn't say."""

LIFETIME_SECONDS_MAX = 7 * 24 * 3600

THREADS = 8
"""Transactions at once in a process; each needs a connection."""

T = TypeVar("T")


class Redemptions:
    """The redemptions of the company that is served."""

    def __init__(
        self,
        engine: Engine,
        holder: RulesetHolder,
        revisions: Revisions,
        exhaustion: Exhaustion,
        vouchers: Vouchers,
        uploads: Uploads,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._holder = holder
        self._revisions = revisions
        self._exhaustion = exhaustion
        self._vouchers = vouchers
        self._uploads = uploads
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="redemption")
        self._granting = Granting(engine, holder, exhaustion, vouchers, metrics, self._in_thread)

    async def reserve(self, actor: Actor, request: schema.ReserveRequest) -> bytes:
        lifetime = request.lifetime_seconds or LIFETIME_SECONDS
        if not 1 <= lifetime <= LIFETIME_SECONDS_MAX:
            raise Invalid(
                "OUT_OF_RANGE",
                f"lifetime_seconds lies between 1 and {LIFETIME_SECONDS_MAX}",
                field="lifetime_seconds",
            )
        return await self._grant(actor, "Reserve", request, lifetime, schema.ReserveResponse)

    async def redeem(self, actor: Actor, request: schema.RedeemRequest) -> bytes:
        return await self._grant(actor, "Redeem", request, None, schema.RedeemResponse)

    async def commit(self, actor: Actor, request: schema.CommitRequest) -> bytes:
        require_few(request.cart)
        call = Call.of(actor, "Commit", await self._masked(actor, request))
        redemption_id = require_id(request.redemption_id)
        active = await self._active_of(actor, redemption_id)

        def act(connection: Connection) -> bytes:
            def settle() -> Message:
                locked = require(settling.lock(connection, actor.company_id, redemption_id), actor)
                priced = None
                if request.HasField("cart"):
                    mask = partial(self._vouchers.masked, actor.company_id)
                    priced = _priced_again(connection, active, locked, request.cart, mask)
                honor = request.late == LATE_COMMIT_HONOR
                settling.commit(connection, actor, locked, priced, honor=honor)
                redemption = read(connection, actor, redemption_id)
                result = Result.FromString(store.sale(connection, redemption_id)[1])
                return schema.CommitResponse(redemption=redemption, result=result)

            return call.once(connection, schema.CommitResponse, redemption_id, settle)

        return await self._transaction("Commit", act)

    async def take_back(self, actor: Actor, request: schema.ReturnRequest) -> bytes:
        """Return, whose name Python has taken."""
        call = Call.of(actor, "Return", request)
        sale = await self._till_sale(actor, request)
        if sale is None:
            redemption_id = require_id(request.redemption_id)
            active = await self._active_of(actor, redemption_id)
        else:
            redemption_id = till_sales.id_of(actor.company_id, sale)
            active = await self._revisions.find(sale.result.revision)

        def act(connection: Connection) -> bytes:
            def settle() -> Message:
                if sale is not None:
                    till_sales.make(connection, actor.company_id, sale)
                locked = require(settling.lock(connection, actor.company_id, redemption_id), actor)
                after, refund = book_return(connection, actor, active, locked, request)
                granted = store.granted(connection, [redemption_id])[redemption_id]
                return schema.ReturnResponse(redemption=messages.redemption(after, granted), refund=refund)

            return call.once(connection, schema.ReturnResponse, redemption_id, settle)

        return await self._transaction("Return", act)

    async def limit_state(self, actor: Actor, request: schema.GetLimitStateRequest) -> bytes:
        """What is left for a customer in a place: one query by its index, and what is in memory."""
        active = self._active(actor, request.store_id)
        _require_store(actor, request.store_id)

        def act(connection: Connection) -> bytes:
            used = (
                store.used_by_customer(connection, actor.company_id, request.customer_id)
                if request.customer_id
                else {}
            )
            left = {
                account: max(0, limited.limits.max_uses_per_customer - count)
                for account, count in used.items()
                if (limited := active.limits.promotions.get(account.promotion_id)) is not None
                and limited.limits.HasField("max_uses_per_customer")
            }
            state = limit_state(left, "")
            state.MergeFrom(self._exhaustion.state(active, request.store_id))
            return schema.GetLimitStateResponse(limit_state=state).SerializeToString()

        return await self._transaction("GetLimitState", act)

    def close(self) -> None:
        """Ends the threads, once nothing is asked any more."""
        self._threads.shutdown(wait=True)

    async def _grant(
        self, actor: Actor, method: str, request: Any, lifetime: int | None, response_type: type[Message]
    ) -> bytes:
        require_text(request.order_id, "order_id", ID_CHARS_MAX)
        if not request.HasField("cart"):
            raise Invalid("REQUIRED", "cart is required", field="cart")
        require_few(request.cart)
        _require_store(actor, request.cart.store_id)
        order = Order(
            Call.of(actor, method, await self._masked(actor, request)),
            request.order_id,
            request.cart,
            request.language,
            request.on_refused == ON_REFUSED_DECLINE,
            lifetime,
            response_type,
        )
        return await self._granting.grant(self._active(actor, request.cart.store_id), order)

    async def _masked(self, actor: Actor, request: Any) -> Any:
        """A request without codes that somebody could find by trying which ones give its hash."""
        if not (request.cart.codes or request.cart.vouchers):
            return request
        copy = type(request)()
        copy.CopyFrom(request)
        mask = partial(self._vouchers.masked, actor.company_id)
        # In a thread: the pepper may have to be read.
        copy.cart.CopyFrom(await self._in_thread(masked, request.cart, mask))
        return copy

    async def _transaction(self, method: str, act: Callable[[Connection], bytes]) -> bytes:
        def run() -> bytes:
            with plain_errors(self._engine), self._engine.begin() as connection:
                return act(connection)

        return await self._in_thread(run)

    async def _in_thread(self, act: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act, *arguments)

    async def _till_sale(self, actor: Actor, request: schema.ReturnRequest) -> Uploaded | None:
        """The till's sale that a return is of; None where it names a redemption."""
        if not request.HasField("till_sale"):
            return None
        if request.redemption_id:
            raise Invalid("ONE_OF", "name either redemption_id or till_sale", field="till_sale")
        self._active(actor)
        return await self._in_thread(till_sales.require_uploaded, self._uploads, actor, request.till_sale)

    async def _active_of(self, actor: Actor, redemption_id: UUID) -> Active:
        """The ruleset that a redemption was priced with."""
        self._active(actor)

        def revision() -> int:
            with plain_errors(self._engine), self._engine.connect() as connection:
                return own(store.find(connection, actor.company_id, redemption_id), actor).revision

        return await self._revisions.find(await self._in_thread(revision))

    def _active(self, actor: Actor, store_id: str = "") -> Active:
        """What carts of a store are priced with."""
        active = self._holder.at(store_id)
        if active.company_id != actor.company_id:
            raise Denied("OTHER_COMPANY", "the token is of another company than the one served here")
        return active


def _priced_again(
    connection: Connection, active: Active, locked: settling.Reservation, cart: Cart, mask: Mask
) -> Priced:
    """Another cart at the revision and instant of a reservation, with no more of limits than it holds."""
    pinned = EvaluateRequest.FromString(store.sale(connection, locked.record.id)[0])
    for field, before, now in (
        ("cart.store_id", pinned.cart.store_id, cart.store_id),
        ("cart.customer.id", pinned.cart.customer.id, cart.customer.id),
        ("cart.currency_code", pinned.cart.currency_code, cart.currency_code),
    ):
        if before != now:
            raise Invalid("CART_DIFFERS", f"{field} isn't that of the reservation", field=field)
    request = EvaluateRequest()
    request.CopyFrom(pinned)
    request.cart.CopyFrom(for_commit(pinned.cart, cart, mask, active.limits))
    uses = held_uses(request.cart, locked.holds)
    bounded = [*active.limits.promotions, *uses]
    every = dict.fromkeys(price(active, request, uses).bounding(bounded), 0)
    request.limit_state.CopyFrom(limit_state(every | settling.held(locked.holds), cart.currency_code))
    return price(active, request, uses)


def _require_store(actor: Actor, store_id: str) -> None:
    """A token for some stores acts for these alone."""
    if actor.store_ids and store_id not in actor.store_ids:
        raise Denied("OTHER_STORE", "the token is for other stores; name one of them", store_id=store_id)
