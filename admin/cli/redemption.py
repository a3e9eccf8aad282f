"""dealwright redemption: what was granted to which order, from the machine that has the database."""

from enum import StrEnum
from typing import Annotated
from uuid import uuid4

import typer
from dealwright.v1 import daily_total_pb2, redemption_pb2, redemption_service_pb2

from admin.cli.acting import acting
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json, visible
from server.access.rules import REDEMPTION_SERVICE
from server.definitions.service import Definitions
from server.documents import to_value
from server.documents.money import amount
from server.redemption.records import PAGE_SIZE, PAGE_SIZE_MAX, Records
from server.redemption.totals import Totals

group = command_group("redemption", "What was granted to which order.")


class State(StrEnum):
    """Where a redemption stands."""

    RESERVED = "reserved"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"
    PARTLY_RETURNED = "partly-returned"
    RETURNED = "returned"


IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `dealwright redemption list` shows it.")]


@group.command("list", epilog=EXIT_CODES)
def list_redemptions(
    order: Annotated[str, typer.Option(help="Only of this order.")] = "",
    customer: Annotated[str, typer.Option(help="Only of this customer.")] = "",
    promotion: Annotated[str, typer.Option(help="Only where this promotion was granted.")] = "",
    store: Annotated[str, typer.Option(help="Only of this store.")] = "",
    state: Annotated[list[State] | None, typer.Option(help="Only in this state. May be repeated.")] = None,
    count: Annotated[int, typer.Option(min=1, max=PAGE_SIZE_MAX, help="How many at most.")] = PAGE_SIZE,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest redemptions, the newest first."""
    request = redemption_service_pb2.ListRedemptionsRequest(
        order_id=order,
        customer_id=customer,
        promotion_id=promotion,
        store_id=store,
        states=[_value(each) for each in state or ()],
        page_size=count,
    )
    with acting("ListRedemptions", company=company, service=REDEMPTION_SERVICE) as (engine, actor):
        found = Records(engine).page(actor, request).redemptions
    for redemption in found:
        if as_json:
            emit_json(to_value(redemption), indent=None)
        else:
            emit(visible(_line(redemption)))


@group.command("show", epilog=EXIT_CODES)
def show(redemption_id: IdArgument, company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Show one redemption and what was done to it; with --json also the request and result that it is
    pinned to."""
    request = redemption_service_pb2.GetRedemptionRequest(redemption_id=redemption_id)
    with acting("GetRedemption", company=company, service=REDEMPTION_SERVICE) as (engine, actor):
        found = Records(engine).get(actor, request)
    if as_json:
        emit_json(to_value(found))
        return
    emit(visible(_line(found.redemption)))
    currency = found.redemption.currency_code
    for promotion in found.redemption.promotions:
        cost, returned = _money(promotion.cost_minor, currency), _money(promotion.returned_minor, currency)
        back = f", {returned} of it back" if promotion.returned_minor else ""
        emit(visible(f"  {promotion.promotion_id}  costs {cost}{back}"))
    for operation in found.operations:
        emit(visible(f"  {operation.time.ToJsonString()}  {operation.kind}  {operation.actor}".rstrip()))


@group.command("release", epilog=EXIT_CODES)
def release(redemption_id: IdArgument, company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Give back what a reservation holds, such as of a till that died. The ledger has who did it."""
    request = redemption_service_pb2.ReleaseRequest(
        idempotency_key=f"command-{uuid4()}", redemption_id=redemption_id
    )
    with acting("Release", company=company, service=REDEMPTION_SERVICE) as (engine, actor):
        answer = Records(engine).release(actor, request)
    released = redemption_service_pb2.ReleaseResponse.FromString(answer).redemption
    if as_json:
        emit_json(to_value(released))
    else:
        emit(visible(_line(released)))


@group.command("totals", epilog=EXIT_CODES)
def totals(
    first: Annotated[str, typer.Option("--from", help="From this day on, such as 2027-05-01.")] = "",
    last: Annotated[str, typer.Option("--to", help="Until this day, that day included.")] = "",
    promotion: Annotated[str, typer.Option(help="Only of this promotion.")] = "",
    store: Annotated[str, typer.Option(help="Only of this store.")] = "",
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what promotions were granted by store and day: how often, for how much, and the budget used."""
    request = daily_total_pb2.ListDailyTotalsRequest(
        first_date=first, last_date=last, promotion_id=promotion, store_id=store, page_size=PAGE_SIZE_MAX
    )
    with acting("ListDailyTotals", company=company, service=REDEMPTION_SERVICE) as (engine, actor):
        counted = Totals(engine, Definitions(engine))
        while True:
            page = counted.page(actor, request)
            for total in page.totals:
                if as_json:
                    emit_json(to_value(total), indent=None)
                else:
                    emit(visible(_total(total)))
            request.page_token = page.next_page_token
            if not request.page_token:
                return


def _total(total: daily_total_pb2.DailyTotal) -> str:
    used = total.cost_minor - total.returned_minor
    return "  ".join(
        [
            total.date,
            total.promotion_id,
            f"store {total.store_id}" if total.store_id else "no store",
            f"{total.redemptions} times",
            f"{_money(total.discount_minor, total.currency_code)} off",
            f"budget used {_money(used, total.currency_code)}",
        ]
    )


def _value(state: State) -> redemption_pb2.RedemptionState.ValueType:
    return redemption_pb2.RedemptionState.Value(f"REDEMPTION_STATE_{state.name}")


def _money(minor: int, currency_code: str) -> str:
    return f"{currency_code} {amount(minor, currency_code)}"


def _line(redemption: redemption_pb2.Redemption) -> str:
    state = State[redemption_pb2.RedemptionState.Name(redemption.state).removeprefix("REDEMPTION_STATE_")]
    parts = [
        redemption.redemption_id,
        redemption.create_time.ToJsonString(),
        state.value,
        f"order {redemption.order_id}",
    ]
    if redemption.store_id:
        parts.append(f"store {redemption.store_id}")
    parts.append(f"{_money(redemption.discount_minor, redemption.currency_code)} off")
    parts.append(",".join(promotion.promotion_id for promotion in redemption.promotions) or "nothing granted")
    if redemption.late:
        parts.append("late")
    return "  ".join(parts)
