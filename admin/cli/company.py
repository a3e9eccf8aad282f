"""dealwright company: what holds for a company as a whole."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from dealwright.v1.guardrails_pb2 import Guardrails

from admin.cli.acting import acting
from admin.cli.findings import plain_findings
from admin.cli.groups import command_group
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.output import EXIT_CODES, emit
from admin.cli.process import plain_failures
from server.access.rules import CHECK_SERVICE
from server.actors import local_actor
from server.definitions.checking import Checks
from server.definitions.service import Definitions
from server.definitions.tills import Tills
from server.documents import parse_message, read_source, to_yaml

group = command_group("company", "What holds for a company as a whole.")


class SelfApproval(StrEnum):
    """Whether people may approve what they wrote."""

    ALLOW = "allow"
    REFUSE = "refuse"


@group.command("guardrails", epilog=EXIT_CODES)
def guardrails(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Guardrails to set, whole; - is standard input.")
    ] = None,
    comment: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    company: CompanyOption = None,
) -> None:
    """Show, as YAML, what nobody may bring into force; or set it from a file."""
    with plain_findings():
        wanted = parse_message(read_source(file), Guardrails) if file else None
    method = "GetGuardrails" if wanted is None else "SetGuardrails"
    with acting(method, company=company, service=CHECK_SERVICE) as (engine, actor):
        checks = Checks(engine)
        if wanted is not None:
            checks.set_guardrails(actor, wanted, comment=comment)
        emit(to_yaml(checks.guardrails(actor)).rstrip("\n"))


class ForceUpdate(StrEnum):
    """Whether HTTP tills load everything anew."""

    ON = "on"
    OFF = "off"


@group.command("force-update", epilog=EXIT_CODES)
def force_update(
    choice: Annotated[ForceUpdate, typer.Argument(help="On until you say off.")],
    company: CompanyOption = None,
) -> None:
    """Tell tills that sync over HTTP to load all promotions anew instead of what changed."""
    with plain_failures(), local_database() as engine:
        actor = local_actor(company or only_company(engine))
        Tills(engine).set_force_update(actor, forced=choice is ForceUpdate.ON)
    wanted = "everything anew" if choice is ForceUpdate.ON else "what changed"
    emit(f"{actor.company_id}: tills load {wanted}")


@group.command("self-approval", epilog=EXIT_CODES)
def self_approval(
    choice: Annotated[SelfApproval, typer.Argument(help="Allow is for shops of one person.")],
    company: CompanyOption = None,
) -> None:
    """Say whether people may approve what they wrote themselves. The audit log has who said so."""
    with plain_failures(), local_database() as engine:
        actor = local_actor(company or only_company(engine))
        Definitions(engine).set_self_approval(actor, allowed=choice is SelfApproval.ALLOW)
    may = "may" if choice is SelfApproval.ALLOW else "may not"
    emit(f"{actor.company_id}: people {may} approve their own work")
