"""Returns: what the engine says is due is booked, and limits get back what the returned units had of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, RefundRequest, RefundResponse, Sale
from dealwright.v1.redemption_service_pb2 import ReturnRequest
from dealwright.v1.refund_pb2 import (
    RETURN_POLICY_RE_EVALUATE,
    Refund,
    RefundAmount,
    ReturnedUnits,
    ReturnPolicy,
)
from dealwright.v1.result_pb2 import Result
from sqlalchemy import Connection

from server.actors import Actor
from server.evaluation.service import Active
from server.redemption import store
from server.redemption.limits import USE, grants
from server.redemption.settling import Reservation, wrong_state
from server.redemption.store import Granted, Hold, Posting, Record
from server.runtime.errors import Invalid


def book_return(
    connection: Connection, actor: Actor, active: Active, locked: Reservation, asked: ReturnRequest
) -> tuple[Record, Refund]:
    """Books what comes back now, and gives the redemption as it is then, with what is due."""
    record = locked.record
    if record.state not in ("committed", "partly_returned"):
        raise wrong_state(record, "returned")
    if not (asked.returned or asked.gifts_returned or asked.rewards_reversed):
        raise Invalid("REQUIRED", "say which units come back", field="returned")
    request_bytes, result_bytes = store.sale(connection, record.id)
    sale = Sale(
        revision=record.revision,
        request=EvaluateRequest.FromString(request_bytes),
        result=Result.FromString(result_bytes),
    )
    number, before = store.last_return(connection, record.id)
    together = _together(RefundRequest.FromString(before), asked, sale, record)
    answer = RefundResponse.FromString(active.ruleset.refund(together.SerializeToString()))
    refund = answer.refund
    # The engine chose units where none were named: from now on it is these.
    del together.returned[:]
    together.returned.extend(_units(refund))
    whole = _returned_whole(sale, refund)
    granted = store.granted(connection, [record.id])[record.id]
    kept = answer.kept if asked.policy == RETURN_POLICY_RE_EVALUATE else None
    back = _given_back(sale.result, granted, together, kept, whole=whole)
    unused = {each.promotion_id for each in granted if _unused(each.promotion_id, kept, whole=whole)}
    store.change_granted(connection, record.id, back)
    after = replace(
        record,
        state="returned" if whole else "partly_returned",
        refunded_minor=record.refunded_minor + refund.refund.minor,
        refunded_tax_minor=record.refunded_tax_minor + refund.refund.tax_minor,
    )
    store.change(
        connection,
        [record.id],
        state=after.state,
        refunded_minor=after.refunded_minor,
        refunded_tax_minor=after.refunded_tax_minor,
    )
    together.ClearField("sale")
    store.insert_return(
        connection,
        redemption_id=record.id,
        number=number + 1,
        policy=ReturnPolicy.Name(refund.policy),
        returned=together.SerializeToString(deterministic=True),
        refund_minor=refund.refund.minor,
        refund_tax_minor=refund.refund.tax_minor,
        time=locked.now,
    )
    _give_back(connection, actor, locked, back, unused)
    return after, refund


def _together(before: RefundRequest, asked: ReturnRequest, sale: Sale, record: Record) -> RefundRequest:
    """Everything that has come back, this return included, as the engine is asked."""
    together = RefundRequest()
    together.CopyFrom(before)
    together.sale.CopyFrom(sale)
    together.returned.extend(asked.returned)
    together.gifts_returned.extend(asked.gifts_returned)
    reversed_before = set(together.rewards_reversed)
    together.rewards_reversed.extend(one for one in asked.rewards_reversed if one not in reversed_before)
    together.policy = asked.policy
    together.refunded.CopyFrom(RefundAmount(minor=record.refunded_minor, tax_minor=record.refunded_tax_minor))
    return together


def _units(refund: Refund) -> Iterable[ReturnedUnits]:
    for line in refund.lines:
        for units in line.units:
            yield ReturnedUnits(line_id=line.line_id, quantity=units.quantity, first_unit=units.first_unit)


def _returned_whole(sale: Sale, refund: Refund) -> bool:
    returned = {line.line_id: line.quantity for line in refund.lines}
    return all(returned.get(line.id, 0) == line.quantity for line in sale.request.cart.lines)


def _given_back(
    result: Result,
    granted: Sequence[Granted],
    together: RefundRequest,
    kept: Result | None,
    *,
    whole: bool,
) -> dict[str, int]:
    """How much of each promotion's cost has come back, in all returns together; it never falls again."""
    if whole:
        return {each.promotion_id: each.cost_minor for each in granted}
    if kept is not None:
        costs = {grant.promotion_id: grant.cost_minor for grant in grants(kept, {})}
        found = {each.promotion_id: each.cost_minor - costs.get(each.promotion_id, 0) for each in granted}
    else:
        found = dict(_of_units(result, together))
    return {
        each.promotion_id: max(each.returned_minor, min(each.cost_minor, found.get(each.promotion_id, 0)))
        for each in granted
    }


def _of_units(result: Result, together: RefundRequest) -> Mapping[str, int]:
    """What the returned units, gifts and rewards cost each promotion."""
    back: defaultdict[str, int] = defaultdict(int)
    for application in result.applications:
        for share in application.shares:
            for units in share.units:
                count = sum(
                    _overlap(units.first_unit, units.quantity, returned.first_unit, returned.quantity)
                    for returned in together.returned
                    if returned.line_id == share.line_id
                )
                back[application.promotion_id] += count * units.unit_discount_minor
    for returned_gift in together.gifts_returned:
        for gift in result.gifts:
            same = (gift.promotion_id, gift.product_id) == (
                returned_gift.promotion_id,
                returned_gift.product_id,
            )
            if same and gift.quantity:
                count = min(returned_gift.quantity, gift.quantity)
                back[gift.promotion_id] += gift.value_minor * count // gift.quantity
    for reward in result.rewards:
        if reward.promotion_id in together.rewards_reversed:
            back[reward.promotion_id] += reward.cashback_minor
    return back


def _overlap(first: int, count: int, other_first: int, other_count: int) -> int:
    return max(0, min(first + count, other_first + other_count) - max(first, other_first))


def _unused(promotion_id: str, kept: Result | None, *, whole: bool) -> bool:
    """Whether what is kept has no use of a promotion any more."""
    return whole or (kept is not None and all(each.promotion_id != promotion_id for each in grants(kept, {})))


def _give_back(
    connection: Connection,
    actor: Actor,
    locked: Reservation,
    back: Mapping[str, int],
    unused: set[str],
) -> None:
    """Moves on the limit accounts what has come back beyond earlier returns."""
    record = locked.record
    coming, changes = {}, {}
    for hold in locked.holds:
        total = _back_of(hold, back, unused)
        if total > hold.returned:
            coming[hold.account_id] = total - hold.returned
            changes[hold.account_id] = {"returned": total}
    overrun = store.overrun_by_account_id(connection, list(coming))
    postings = []
    for account_id, amount in coming.items():
        # As long as anything of a limit is overrun, whoever did it, nothing that comes back is free.
        beyond = min(amount, overrun[account_id])
        postings.append(Posting(record.id, account_id, "overrun", "excess", beyond))
        postings.append(Posting(record.id, account_id, "posted", "free", amount - beyond))
    store.change_holds(connection, record.id, changes)
    store.post(
        connection, actor.company_id, {record.id: "return"}, actor.name, actor.token_id, locked.now, postings
    )


def _back_of(hold: Hold, back: Mapping[str, int], unused: set[str]) -> int:
    """How much of a hold has come back in all returns together."""
    granted = hold.posted + hold.overrun
    if hold.account.unit == USE:
        return granted if hold.account.promotion_id in unused else 0
    return min(granted, back.get(hold.account.promotion_id, 0))
