"""dealwright company: what holds for a company as a whole."""

from enum import StrEnum
from typing import Annotated

import typer

from admin.cli.groups import command_group
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.output import EXIT_CODES, emit
from admin.cli.process import plain_failures
from server.actors import local_actor
from server.definitions.service import Definitions

group = command_group("company", "What holds for a company as a whole.")


class SelfApproval(StrEnum):
    """Whether people may approve what they wrote."""

    ALLOW = "allow"
    REFUSE = "refuse"


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
