"""dealwright lease: what is lent to tills, from the machine that has the database."""

from typing import Annotated

import typer
from dealwright.v1 import lease_service_pb2 as schema

from admin.cli.acting import acting
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json, visible
from server.access.rules import LEASE_SERVICE
from server.documents import to_value
from server.leases.service import PAGE_SIZE, PAGE_SIZE_MAX, Records

group = command_group("lease", "What tills may grant of limited promotions on their own.")


@group.command("list", epilog=EXIT_CODES)
def list_leases(
    till: Annotated[str, typer.Option(help="Only of this till, by its device id.")] = "",
    promotion: Annotated[str, typer.Option(help="Only of this promotion.")] = "",
    open_only: Annotated[
        bool, typer.Option("--open", help="Only what was neither closed nor reclaimed.")
    ] = False,
    overrun: Annotated[
        bool, typer.Option("--overrun", help="Only where more was granted than leased.")
    ] = False,
    count: Annotated[int, typer.Option(min=1, max=PAGE_SIZE_MAX, help="How many at most.")] = PAGE_SIZE,
    company: CompanyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest leases and what became of them, the newest first."""
    request = schema.ListLeasesRequest(
        device_id=till, promotion_id=promotion, open_only=open_only, overrun_only=overrun, page_size=count
    )
    with acting("ListLeases", company=company, service=LEASE_SERVICE) as (engine, actor):
        found = Records(engine).page(actor, request).leases
    for lease in found:
        if as_json:
            emit_json(to_value(lease), indent=None)
        else:
            emit(visible(_line(lease)))


def _line(lease: schema.LeaseRecord) -> str:
    state = schema.LeaseState.Name(lease.state).removeprefix("LEASE_STATE_").lower()
    parts = [lease.lease_id, lease.device_id, lease.promotion_id]
    if lease.store_id:
        parts.append(f"store {lease.store_id}")
    parts += [state, f"until {lease.expire_time.ToJsonString()}"]
    parts += [_amount(amount) for amount in lease.amounts]
    return "  ".join(parts)


def _amount(amount: schema.LeaseAmount) -> str:
    unit = "" if amount.unit == "use" else f" {amount.unit} minor"
    text = f"{amount.kind}: {amount.spent} of {amount.leased}{unit} spent"
    if amount.returned:
        text += f", {amount.returned} back"
    if amount.overrun:
        text += f", {amount.overrun} OVERRUN"
    return text
