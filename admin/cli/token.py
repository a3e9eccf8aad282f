"""dealwright token: who may call, from the machine that has the database."""

from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import Engine

from admin.cli.groups import command_group
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures
from server.access.service import Access, Token
from server.actors import Role, local_actor
from server.definitions.service import Definitions

group = command_group("token", "Make, list and revoke the tokens that callers show.")


@group.command("create", epilog=EXIT_CODES)
def create(
    name: Annotated[str, typer.Argument(help="Whose it is: a person, a till or a program.")],
    role: Annotated[list[Role], typer.Option(help="What it may do. May be repeated.")],
    company: CompanyOption = None,
    store: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this store. May be repeated. Default: all of the company."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Ends after so many days. Default: never.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, once: only its hash is kept.

    A name may have two, so that a new one can be rolled out before the old one is revoked. A company that
    isn't there yet is made.
    """
    with plain_failures(), local_database() as engine:
        actor = local_actor(company or only_company(engine))
        Definitions(engine).create_company(actor)
        lifetime = timedelta(days=days) if days else None
        token = Access(engine).create(actor, name, role, store or (), lifetime)
    if as_json:
        emit_json({"token": token})
        return
    emit(token)
    say(f"Send it as `authorization: Bearer {token[:13]}...`. It isn't shown again.")


@group.command("list", epilog=EXIT_CODES)
def list_tokens(company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Show the tokens of a company, without their secrets."""
    with plain_failures(), local_database() as engine:
        tokens = Access(engine).tokens(company or only_company(engine))
    if as_json:
        emit_json([_value(token) for token in tokens])
        return
    for token in tokens:
        emit(_line(token))


@group.command("revoke", epilog=EXIT_CODES)
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `dealwright token list` shows it.")],
    company: CompanyOption = None,
) -> None:
    """Make a token useless. Servers forget it with their next refresh, two seconds by default."""
    with plain_failures(), local_database() as engine:
        actor = local_actor(company or only_company(engine))
        revoked = Access(engine).revoke(actor, token_id)
    emit(f"{token_id} of {revoked.name} is revoked")


def tell_first_token(engine: Engine, company_id: str) -> None:
    """Makes a token for an administrator where nobody has any, and tells it this once."""
    token = Access(engine).create_first(local_actor(company_id), "admin")
    if token is not None:
        say(f"A token for the administrator of {company_id}, shown this once: {token}")


def _value(token: Token) -> dict[str, object]:
    times = {
        "create_time": token.create_time,
        "expire_time": token.expire_time,
        "revoke_time": token.revoke_time,
        "last_use_time": token.last_use_time,
    }
    return {
        "id": token.id,
        "name": token.name,
        "roles": list(token.roles),
        "store_ids": list(token.store_ids),
        **{name: moment.isoformat() if moment else None for name, moment in times.items()},
    }


def _line(token: Token) -> str:
    parts = [token.id, token.name, ",".join(token.roles)]
    if token.store_ids:
        parts.append(f"stores {','.join(token.store_ids)}")
    if token.expire_time:
        parts.append(f"until {token.expire_time.isoformat(timespec='minutes')}")
    used = token.last_use_time
    parts.append(f"used {used.isoformat(timespec='minutes')}" if used else "not used yet")
    if token.revoke_time:
        parts.append("revoked")
    return "  ".join(parts)
