"""Use cases of leases: lend parts of limits to tills, and show what became of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from dealwright.v1 import lease_service_pb2 as schema
from sqlalchemy import Connection, Engine

from server.actors import Actor, Role
from server.db.engine import plain_errors
from server.evaluation.limits import RulesetLimits
from server.evaluation.service import RulesetHolder
from server.leases import messages, store
from server.leases.sizes import addition, first
from server.leases.store import Holder, Lease, Part
from server.leases.terms import Refused, Terms, terms
from server.leases.vouchers import Lendable, TillKey
from server.redemption.escrow import USE, Account, Locked, escrow, lock
from server.runtime.errors import Denied, Invalid
from server.runtime.metrics import Metrics
from server.runtime.settings import COMPANY_ID, COMPANY_ID_NEEDS
from server.vouchers.service import Vouchers

LASTS = timedelta(hours=24)
"""How long a lease may be spent after it was renewed; one for a day ends with the day."""

GRACE = timedelta(hours=72)
"""How long after that sales are waited for before a lease is taken back."""

WISHES_MAX = 500
PAGE_SIZE, PAGE_SIZE_MAX = 50, 500
STORE_ID_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish that can be met, as far as something is left."""

    message: schema.LeaseWish
    terms: Terms
    vouchers: Mapping[Account, int]
    """The limits of vouchers that the till has to itself."""


class Leases:
    """The leases of the company that is served."""

    def __init__(self, engine: Engine, holder: RulesetHolder, vouchers: Vouchers, metrics: Metrics) -> None:
        self._engine = engine
        self._holder = holder
        self._vouchers = vouchers
        self._metrics = metrics

    def renew(self, actor: Actor, request: schema.RenewLeasesRequest) -> schema.RenewLeasesResponse:
        """Gives a till what it wishes, as far as something is left."""
        limits = self._limits(actor)
        holder = _holder(actor, request)
        _check_wishes(actor, request.wishes)
        answer = schema.RenewLeasesResponse()
        with plain_errors(self._engine), self._engine.begin() as connection:
            now = store.lock_device(connection, holder.company_id, holder.device_id)
            _require_own_device(connection, actor, holder)
            lendable = Lendable.of(connection, holder.company_id, limits, request.wishes)
            wishes = []
            for wish in request.wishes:
                vouchers = bool(lendable.for_wish(wish))
                found = terms(limits, wish.promotion_id, wish.store_id, now, vouchers=vouchers)
                if isinstance(found, Refused):
                    _refuse(answer, wish, found)
                else:
                    wishes.append(Wish(wish, found, lendable.homed(wish)))
            till_key = partial(self._vouchers.till_key, holder.company_id)
            _lend(connection, actor, holder, now, wishes, lendable, till_key, answer)
        self._metrics.lease_wishes.labels("granted").inc(len(answer.leases))
        self._metrics.lease_wishes.labels("refused").inc(len(answer.refused))
        return answer

    def page(self, actor: Actor, request: schema.ListLeasesRequest) -> schema.ListLeasesResponse:
        return Records(self._engine).page(actor, request)

    def _limits(self, actor: Actor) -> RulesetLimits:
        """The limits that the till prices with."""
        active = self._holder.among(actor.store_ids)
        if active.company_id != actor.company_id:
            raise Denied("OTHER_COMPANY", "the token is of another company than the one served here")
        return active.limits


class Records:
    """The leases of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, actor: Actor, request: schema.ListLeasesRequest) -> schema.ListLeasesResponse:
        """The newest leases that meet what is asked."""
        size = request.page_size or PAGE_SIZE
        if not 1 <= size <= PAGE_SIZE_MAX:
            raise Invalid("OUT_OF_RANGE", f"page_size lies between 1 and {PAGE_SIZE_MAX}", field="page_size")
        equal = {name: getattr(request, name) for name in ("device_id", "promotion_id")}
        with plain_errors(self._engine), self._engine.connect() as connection:
            found = store.page(
                connection,
                actor.company_id,
                equal={name: value for name, value in equal.items() if value}
                | ({"state": "open"} if request.open_only else {}),
                store_ids=actor.store_ids,
                overrun_only=request.overrun_only,
                count=size,
            )
        return schema.ListLeasesResponse(leases=map(messages.record, found))


def _holder(actor: Actor, request: schema.RenewLeasesRequest) -> Holder:
    for field in ("device_id", "journal_id"):
        if not COMPANY_ID.fullmatch(getattr(request, field)):
            raise Invalid("ID_INVALID", f"{field} needs {COMPANY_ID_NEEDS}", field=field)
    return Holder(actor.company_id, request.device_id, request.journal_id)


def _check_wishes(actor: Actor, wishes: Iterable[schema.LeaseWish]) -> None:
    named: set[tuple[str, str]] = set()
    for number, wish in enumerate(wishes):
        at = f"wishes[{number}]"
        if number == WISHES_MAX:
            raise Invalid("TOO_MANY", f"a call has up to {WISHES_MAX} wishes", field="wishes")
        if not wish.promotion_id:
            raise Invalid("REQUIRED", "promotion_id is required", field=f"{at}.promotion_id")
        if (wish.promotion_id, wish.store_id) in named:
            raise Invalid("DUPLICATE", "it is wished for twice; wish once", field=at)
        named.add((wish.promotion_id, wish.store_id))
        if len(wish.store_id) > STORE_ID_CHARS_MAX or not (wish.store_id + " ").isprintable():
            raise Invalid("ID_INVALID", "store_id is no id of a store", field=f"{at}.store_id")
        if actor.store_ids and wish.store_id not in actor.store_ids:
            raise Denied(
                "OTHER_STORE", "the token is for other stores; name one of them", store_id=wish.store_id
            )
        if wish.uses < 0 or any(budget.minor < 0 for budget in wish.budgets):
            raise Invalid("OUT_OF_RANGE", "nobody wishes less than nothing", field=at)
        currencies = [budget.currency_code for budget in wish.budgets]
        if len(currencies) != len(set(currencies)):
            raise Invalid("DUPLICATE", "a currency is there twice", field=f"{at}.budgets")


def _require_own_device(connection: Connection, actor: Actor, holder: Holder) -> None:
    others = store.owners(connection, holder.company_id, holder.device_id) - {actor.name}
    if others and Role.ADMIN not in actor.roles:
        raise Denied(
            "OTHER_DEVICE", f"{holder.device_id} belongs to another token", device_id=holder.device_id
        )


def _lend(
    connection: Connection,
    actor: Actor,
    holder: Holder,
    now: datetime,
    wishes: list[Wish],
    lendable: Lendable,
    till_key: TillKey,
    answer: schema.RenewLeasesResponse,
) -> None:
    """Enlarges what the till holds, and makes leases where it holds none."""
    held = store.lock_open(connection, holder)
    bounding: dict[Account, int] = {}
    for wish in wishes:
        bounding |= {**wish.terms.limits, **wish.vouchers}
    locked = lock(connection, holder.company_id, bounding)
    lent: dict[UUID, dict[int, int]] = {}
    made: set[UUID] = set()
    for wish in wishes:
        lease = _held(held, wish, locked)
        if lease is None:
            lease = _fresh(actor, holder, wish, now, locked)
            nothing_left = not all(_additions(lease, wish, locked).values())
            if nothing_left or not _vouchers_left(wish, locked, lendable):
                _refuse(answer, wish.message, Refused.EXHAUSTED)
                continue
            store.put(connection, lease)
            made.add(lease.id)
        lent[lease.id] = _enlarge(lease, wish, locked)
        lease.expire_time = max(lease.expire_time, min(now + LASTS, wish.terms.day_end or now + LASTS))
        lease.reclaim_time = lease.expire_time + GRACE
        store.change_times(connection, lease)
        store.change_parts(connection, [(lease, lease.parts[account_id]) for account_id in lent[lease.id]])
        vouchers = lendable.of_lease(connection, lease, wish.message, till_key)
        answer.leases.append(messages.lease(lease, vouchers, made=lease.id in made))
    escrow(connection, actor, now, lent, {each.id: each.limit for each in locked.values()})


def _held(held: Iterable[Lease], wish: Wish, locked: Mapping[Account, Locked]) -> Lease | None:
    """The lease that the till holds for a wish, if it is about the limits that there are now."""
    accounts = {locked[account].id for account in wish.terms.limits}
    which = wish.message.promotion_id, wish.message.store_id
    matching = (
        each for each in held if (each.promotion_id, each.store_id) == which and set(each.bounds) == accounts
    )
    return next(matching, None)


def _fresh(
    actor: Actor, holder: Holder, wish: Wish, now: datetime, locked: Mapping[Account, Locked]
) -> Lease:
    """A lease that has nothing yet."""
    parts = {locked[account].id: Part(locked[account].id, account, leased=0) for account in wish.terms.limits}
    return Lease(
        id=uuid4(),
        company_id=holder.company_id,
        device_id=holder.device_id,
        journal_id=holder.journal_id,
        owner=actor.name,
        promotion_id=wish.message.promotion_id,
        store_id=wish.message.store_id,
        time_zone=wish.terms.time_zone,
        state="open",
        start_time=now,
        expire_time=now,
        reclaim_time=now,
        parts=parts,
    )


def _additions(lease: Lease, wish: Wish, locked: Mapping[Account, Locked]) -> dict[Account, int]:
    """How much of each limit is added to a lease: the same number of uses of all that count them."""
    mine = {account: locked[account] for account in wish.terms.limits}
    added = {
        account: addition(_wished(account, wish, mine), lease.parts[each.id].leased, each.free)
        for account, each in mine.items()
    }
    uses = min((amount for account, amount in added.items() if account.unit == USE), default=0)
    return {account: uses if account.unit == USE else amount for account, amount in added.items()}


def _wished(account: Account, wish: Wish, mine: Mapping[Account, Locked]) -> int:
    message = wish.message
    if account.unit != USE:
        budgets = {budget.currency_code: budget.minor for budget in message.budgets}
        return budgets.get(account.unit, first(mine[account].limit))
    if message.HasField("uses"):
        return message.uses
    return first(min(each.limit for account, each in mine.items() if account.unit == USE))


def _enlarge(lease: Lease, wish: Wish, locked: Mapping[Account, Locked]) -> dict[int, int]:
    """Adds to a lease and takes off what is free; what was added, by account."""
    added = {}
    for account, amount in _additions(lease, wish, locked).items():
        each = locked[account]
        each.free -= amount
        lease.parts[each.id].leased += amount
        added[each.id] = amount
    for account in wish.vouchers:
        each = locked[account]
        if each.free:
            part = lease.parts.setdefault(each.id, Part(each.id, account, leased=0))
            part.leased += each.free
            added[each.id], each.free = each.free, 0
    return added


def _vouchers_left(wish: Wish, locked: Mapping[Account, Locked], lendable: Lendable) -> bool:
    """Whether there is a voucher to be lent, where vouchers set the promotion off."""
    batches = lendable.for_wish(wish.message)
    at_risk = any(batch.risk_cap is not None for batch in batches)
    return not batches or at_risk or any(locked[account].free for account in wish.vouchers)


def _refuse(answer: schema.RenewLeasesResponse, wish: schema.LeaseWish, why: Refused) -> None:
    answer.refused.add(promotion_id=wish.promotion_id, store_id=wish.store_id, reason=messages.REFUSED[why])
