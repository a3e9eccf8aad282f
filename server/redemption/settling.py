"""What becomes of a reservation: it is committed, released, or expires. It is settled once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from server.actors import Actor
from server.redemption import store
from server.redemption.limits import USE, Account
from server.redemption.pricing import Priced
from server.redemption.store import Hold, Posting, Record
from server.runtime.errors import AlreadyThere, Invalid, Refusal


@dataclass(frozen=True, slots=True)
class Reservation:
    """A redemption whose row is locked, and what it holds."""

    record: Record
    holds: Sequence[Hold]
    now: datetime

    @property
    def expired(self) -> bool:
        """Whether its time is over, swept or not."""
        over = self.record.expire_time is not None and self.record.expire_time <= self.now
        return self.record.state == "expired" or (self.record.state == "reserved" and over)


def lock(connection: Connection, company_id: str, redemption_id: UUID) -> Reservation | None:
    """Locks a redemption; None where there is none."""
    found = store.lock_redemption(connection, company_id, redemption_id)
    if found is None:
        return None
    holds = [hold for _, hold in store.holds(connection, [redemption_id])]
    return Reservation(found[0], holds, found[1])


def commit(
    connection: Connection, actor: Actor, reservation: Reservation, priced: Priced | None, *, honor: bool
) -> None:
    """Makes a reservation final, for the cart that was reserved or for one that needs less."""
    record = reservation.record
    if reservation.expired and not honor:
        raise Refusal(
            "RESERVATION_EXPIRED",
            f"the reservation expired at {record.expire_time:%Y-%m-%dT%H:%M:%SZ}; reserve again",
            redemption_id=str(record.id),
        )
    if record.state not in ("reserved", "expired"):
        raise wrong_state(record, "committed")
    wanted = _wanted(reservation, priced)
    if record.state == "reserved":
        postings = _kept_and_freed(record.id, reservation.holds, wanted)
        taken = {hold.account_id: {"posted": wanted[hold.account_id]} for hold in reservation.holds}
    else:
        postings, taken = _taken_late(connection, record.id, reservation.holds, wanted)
    changed = {account_id: values for account_id, values in taken.items() if any(values.values())}
    store.change_holds(connection, record.id, changed)
    values = {"state": "committed", "late": reservation.expired, "resolve_time": reservation.now}
    if priced is not None:
        totals = priced.result.totals
        values |= {"discount_minor": totals.discount_minor, "payable_minor": totals.payable_minor}
        store.replace_sale(connection, record.id, *priced.pinned, priced.granted)
    try:
        store.change(connection, [record.id], **values)
    except IntegrityError as error:
        raise order_taken(record.order_id) from error
    kind = "commit" if record.state == "reserved" else "late_commit"
    store.post(
        connection, actor.company_id, {record.id: kind}, actor.name, actor.token_id, reservation.now, postings
    )


def release(connection: Connection, actor: Actor, reservation: Reservation) -> None:
    """Gives back what a reservation holds."""
    record = reservation.record
    if record.state != "reserved":
        raise wrong_state(record, "released")
    store.change(connection, [record.id], state="released", resolve_time=reservation.now)
    store.post(
        connection,
        actor.company_id,
        {record.id: "release"},
        actor.name,
        actor.token_id,
        reservation.now,
        [Posting(record.id, hold.account_id, "pending", "free", hold.reserved) for hold in reservation.holds],
    )


def expire(connection: Connection, company_id: str, redemption_ids: Sequence[UUID], now: datetime) -> None:
    """Gives back what reservations of one company hold whose time is over and whose rows are locked."""
    postings = [
        Posting(redemption_id, hold.account_id, "pending", "free", hold.reserved)
        for redemption_id, hold in store.holds(connection, redemption_ids)
    ]
    store.change(connection, redemption_ids, state="expired", resolve_time=now)
    store.post(connection, company_id, dict.fromkeys(redemption_ids, "expire"), "", "", now, postings)


def wrong_state(record: Record, wanted: str) -> Refusal:
    return Refusal(
        "REDEMPTION_STATE",
        f"the redemption is {record.state.replace('_', ' ')} and can't be {wanted}",
        redemption_id=str(record.id),
        state=record.state,
    )


def order_taken(order_id: str, redemption_id: UUID | None = None) -> AlreadyThere:
    named = {"redemption_id": str(redemption_id)} if redemption_id else {}
    return AlreadyThere(
        "ORDER_TAKEN", f"order {order_id} has a redemption already", field="order_id", **named
    )


def held(holds: Sequence[Hold]) -> dict[Account, int]:
    """What a reservation holds, by account."""
    return {hold.account: hold.reserved for hold in holds}


def _wanted(reservation: Reservation, priced: Priced | None) -> dict[int, int]:
    """How much is wanted of each hold; never more than is held."""
    if priced is None:
        return {hold.account_id: hold.reserved for hold in reservation.holds}
    has = held(reservation.holds)
    over = [account for account, amount in priced.needs.items() if amount > has.get(account, 0)]
    if over:
        unit = "a use" if over[0].unit == USE else "more of the budget"
        raise Invalid(
            "COMMIT_EXCEEDS_RESERVATION",
            f"the cart needs {unit} of {over[0].promotion_id} that isn't held; release and reserve it anew",
            field="cart",
            promotion_id=over[0].promotion_id,
        )
    return {hold.account_id: priced.needs.get(hold.account, 0) for hold in reservation.holds}


def _kept_and_freed(redemption_id: UUID, holds: Sequence[Hold], wanted: Mapping[int, int]) -> list[Posting]:
    kept = [
        Posting(redemption_id, hold.account_id, "pending", "posted", wanted[hold.account_id])
        for hold in holds
    ]
    freed = [
        Posting(redemption_id, hold.account_id, "pending", "free", hold.reserved - wanted[hold.account_id])
        for hold in holds
    ]
    return [*kept, *freed]


def _taken_late(
    connection: Connection, redemption_id: UUID, holds: Sequence[Hold], wanted: Mapping[int, int]
) -> tuple[list[Posting], dict[int, dict[str, int]]]:
    """Takes anew what was given back when the reservation expired; what isn't there any more is overrun."""
    left = store.left_by_account_id(connection, list(wanted))
    postings, taken = [], {}
    for hold in holds:
        amount = wanted[hold.account_id]
        fits = amount <= left[hold.account_id]
        source, target = ("free", "posted") if fits else ("excess", "overrun")
        postings.append(Posting(redemption_id, hold.account_id, source, target, amount))
        taken[hold.account_id] = {target: amount}
    return postings, taken
