"""Granting promotions to an order: its vouchers are looked up, it is priced, and it is placed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from dealwright.v1.cart_pb2 import Cart
from google.protobuf.message import Message
from sqlalchemy import Connection, Engine

from server.db.engine import plain_errors
from server.evaluation.service import Active, RulesetHolder
from server.redemption import messages, settling, store
from server.redemption.answering import Call, complete
from server.redemption.batching import Batcher
from server.redemption.exhaustion import Exhaustion
from server.redemption.expiry import give_back_expired
from server.redemption.placing import Outcome, Placed, Placement, place
from server.redemption.pricing import Priced, pinned_request, price
from server.redemption.vouching import Answer, Vouched, accounts, given, vouched
from server.runtime.errors import NotReady
from server.runtime.metrics import Metrics
from server.vouchers.service import Voucher, VoucherRefusal, Vouchers

EXACT_TRIES = 3
"""How often an order is placed under locks. Meanwhile a batch of vouchers may be disabled, or their time be
over, which no lock keeps off."""


T = TypeVar("T")


class InThread(Protocol):
    """Runs something that waits for the database beside the loop."""

    def __call__(self, act: Callable[..., T], *arguments: Any) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Order:
    """An order for which promotions are wanted."""

    call: Call
    order_id: str
    cart: Cart
    """As the caller sent it, with its codes in plain letters."""
    language: str
    decline: bool
    """Whether it is off when a promotion or a voucher is refused."""
    lifetime_seconds: int | None
    """None: it is final at once."""
    response_type: type[Message]


class Granting:
    """Grants promotions to orders of the company that is served."""

    def __init__(
        self,
        engine: Engine,
        holder: RulesetHolder,
        exhaustion: Exhaustion,
        vouchers: Vouchers,
        metrics: Metrics,
        in_thread: InThread,
    ) -> None:
        self._engine = engine
        self._holder = holder
        self._exhaustion = exhaustion
        self._vouchers = vouchers
        self._metrics = metrics
        self._in_thread = in_thread
        self._batcher = Batcher(self._place_batch, in_thread, metrics.redemption_batch_size.observe)

    async def grant(self, active: Active, order: Order) -> bytes:
        """The answer to an order."""
        answers: list[Answer] = []
        if order.cart.vouchers:
            # Its own use would look like somebody else's.
            known = await self._in_thread(self._known, order)
            if known is not None:
                return known
            answers = await self._in_thread(self._applying, order)
        checked = self._vouched(active, order, answers)
        state = self._exhaustion.state(active, order.cart.store_id)
        priced = price(active, pinned_request(checked.cart, order.language, state), checked.uses)
        if priced.refused:
            # Memory may be behind: something may have come back.
            priced = await self._in_thread(self._price_with_used, priced)
        if order.decline and (priced.refused or checked.refused):
            return await self._in_thread(self._decline, order, priced, checked)
        placement = _placement(order, priced, checked)
        placed = await self._batcher.submit(placement)
        if placed.outcome is Outcome.SHORT or placed.redemption_id is None:
            return await self._in_thread(self._place_exactly, order, priced, checked)
        return self._answer(order, placement, placed)

    def _known(self, order: Order) -> bytes | None:
        """What the call was answered before; None where it is new."""
        call = order.call
        with plain_errors(self._engine), self._engine.connect() as connection:
            known = store.answered(connection, call.actor.company_id, call.actor.name, call.key)
        return None if known is None else call.repeated(known, order.response_type)

    def _applying(self, order: Order) -> list[Answer]:
        """What each voucher of an order is now."""
        actor, customer_id = order.call.actor, order.cart.customer.id
        answers = self._vouchers.apply(actor, given(order.cart), customer_id)
        if VoucherRefusal.USED in answers:
            # A reservation whose time is over may have it.
            give_back_expired(self._engine)
            with plain_errors(self._engine), self._engine.connect() as connection:
                answers = self._vouchers.applying(
                    connection, actor.company_id, given(order.cart), customer_id
                )
        for answer in answers:
            outcome = "applying" if isinstance(answer, Voucher) else answer
            self._metrics.redemption_vouchers.labels(outcome).inc()
        return answers

    def _vouched(self, active: Active, order: Order, answers: Sequence[Answer]) -> Vouched:
        mask = partial(self._vouchers.masked, active.company_id)
        return vouched(order.cart, answers, active.limits, mask)

    def _answer(self, order: Order, placement: Placement, placed: Placed) -> bytes:
        self._metrics.placements.labels(order.call.method, placed.outcome).inc()
        if placed.outcome is Outcome.KNOWN:
            return order.call.repeated(placed, order.response_type)
        if placed.outcome is Outcome.ORDER:
            raise settling.order_taken(order.order_id, placed.redemption_id)
        return complete(order.response_type, placement.response, placed)

    def _price_with_used(self, priced: Priced) -> Priced:
        """Prices once more with what the database says of the limits that refused something."""
        give_back_expired(self._engine)
        limits = priced.bounding([verdict.promotion_id for verdict in priced.refused])
        with plain_errors(self._engine), self._engine.connect() as connection:
            used = store.used(connection, priced.active.company_id, list(limits))
        return priced.with_used(used, limits)

    def _place_exactly(self, order: Order, priced: Priced, checked: Vouched) -> bytes:
        """Prices while nobody else can use the limits, so that nobody is refused while something is left."""
        for _ in range(EXACT_TRIES):
            give_back_expired(self._engine)
            answer = self._try_exactly(order, priced, checked)
            if answer is not None:
                return answer
        raise RuntimeError("limits that were locked were used by somebody else")

    def _try_exactly(self, order: Order, priced: Priced, checked: Vouched) -> bytes | None:
        active = priced.active
        limits = priced.bounding() | accounts(checked.answers, active.limits)
        with plain_errors(self._engine), self._engine.begin() as connection:
            used = store.lock_used(connection, active.company_id, limits)
            if checked.uses:
                answers = self._applying_still(connection, order, checked)
                checked = self._vouched(active, order, answers)
                priced = priced.with_cart(checked.cart, checked.uses)
                limits = {account: limit for account, limit in priced.bounding().items() if account in limits}
            exact = priced.with_used(used, limits)
            if order.decline and (exact.refused or checked.refused):
                return _declined(connection, order, exact, checked)
            placement = _placement(order, exact, checked)
            (placed,) = place(connection, active.company_id, [placement])
        return None if placed.outcome is Outcome.SHORT else self._answer(order, placement, placed)

    def _applying_still(self, connection: Connection, order: Order, checked: Vouched) -> list[Answer]:
        """What each voucher is that applied before, while nobody can use or disable it."""
        named = given(order.cart)
        before = [index for index, answer in enumerate(checked.answers) if isinstance(answer, Voucher)]
        now = self._vouchers.applying(
            connection,
            order.call.actor.company_id,
            [named[index] for index in before],
            order.cart.customer.id,
            lock=True,
        )
        still = dict(zip(before, now, strict=True))
        return [still.get(index, answer) for index, answer in enumerate(checked.answers)]

    def _place_batch(self, batch: Sequence[Placement]) -> list[Placed]:
        if self._holder.active is None:
            raise NotReady
        company_id = self._holder.active.company_id
        with plain_errors(self._engine), self._engine.connect() as connection:
            # The statement is its own transaction: it isn't worth two more round trips.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            return place(connection, company_id, batch)

    def _decline(self, order: Order, priced: Priced, checked: Vouched) -> bytes:
        with plain_errors(self._engine), self._engine.begin() as connection:
            return _declined(connection, order, priced, checked)


def _placement(order: Order, priced: Priced, checked: Vouched) -> Placement:
    redemption_id = uuid4()
    state = "committed" if order.lifetime_seconds is None else "reserved"
    response: Any = order.response_type(
        redemption=messages.placed(str(redemption_id), order.order_id, priced, state),
        result=priced.result,
        refused=priced.refused,
        refused_vouchers=checked.refused,
    )
    request_bytes, result_bytes = priced.pinned
    cart = priced.request.cart
    return Placement(
        redemption_id,
        order.call.actor.name,
        order.call.actor.token_id,
        order.call.key,
        order.call.method,
        order.call.request_hash,
        cart.store_id,
        order.order_id,
        cart.customer.id,
        priced.active.revision,
        cart.currency_code,
        priced.result.totals.discount_minor,
        priced.result.totals.payable_minor,
        order.lifetime_seconds,
        request_bytes,
        result_bytes,
        response.SerializeToString(deterministic=True),
        priced.granted,
        priced.needs,
        priced.limits,
    )


def _declined(connection: Connection, order: Order, priced: Priced, checked: Vouched) -> bytes:
    """Keeps the answer that an order is off, and nothing else."""
    declined: Any = order.response_type(
        result=priced.result, refused=priced.refused, refused_vouchers=checked.refused
    )
    return order.call.once(connection, order.response_type, None, lambda: declined)
