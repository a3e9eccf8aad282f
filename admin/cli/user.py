"""dealwright user: the members of the staff, from the machine that has the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import Engine

from admin.cli.groups import command_group
from admin.cli.local import CompanyOption, local_database, only_company
from admin.cli.output import EXIT_CODES, JsonOption, emit, emit_json, say
from admin.cli.process import plain_failures
from server.access.users import User, Users
from server.actors import Actor, Role, local_actor
from server.definitions.service import Definitions

group = command_group("user", "Who of the staff may log in, and what they may do.")

NameArgument = Annotated[str, typer.Argument(help="The user's name, such as an e-mail address.")]
RoleOption = Annotated[list[Role], typer.Option(help="What they may do. May be repeated.")]
StoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--store", metavar="ID", help="Only this store. May be repeated. Default: all of the company."
    ),
]
HoursOption = Annotated[int, typer.Option(min=1, max=720, help="The code holds for so many hours.")]


@group.command("create", epilog=EXIT_CODES)
def create(
    name: NameArgument,
    role: RoleOption,
    company: CompanyOption = None,
    store: StoreOption = None,
    hours: HoursOption = 24,
    as_json: JsonOption = False,
) -> None:
    """Make a user and print a code, once, with which they choose their password.

    There is no default password: this is also how the first administrator comes about. A company that isn't
    there yet is made.
    """
    with _users(company) as (engine, users, actor):
        Definitions(engine).create_company(actor)
        code = users.create(actor, name, role, store or (), timedelta(hours=hours))
    _tell(code, hours, as_json=as_json)


@group.command("invite", epilog=EXIT_CODES)
def invite(
    name: NameArgument, company: CompanyOption = None, hours: HoursOption = 24, as_json: JsonOption = False
) -> None:
    """Print a new code, once, with which a user chooses a new password. Earlier ones end."""
    with _users(company) as (_, users, actor):
        code = users.invite(actor, name, timedelta(hours=hours))
    _tell(code, hours, as_json=as_json)


@group.command("reset", epilog=EXIT_CODES)
def reset(
    name: NameArgument, company: CompanyOption = None, hours: HoursOption = 24, as_json: JsonOption = False
) -> None:
    """Print a new code, as invite does. The password and the sessions of the user end at once."""
    with _users(company) as (_, users, actor):
        code = users.reset_password(actor, name, timedelta(hours=hours))
    _tell(code, hours, as_json=as_json)


@group.command("list", epilog=EXIT_CODES)
def list_users(company: CompanyOption = None, as_json: JsonOption = False) -> None:
    """Show the users of a company."""
    with _users(company) as (_, users, actor):
        found = users.users(actor)
    if as_json:
        emit_json([_value(user) for user in found])
        return
    for user in found:
        emit(_line(user))


@group.command("roles", epilog=EXIT_CODES)
def roles(name: NameArgument, role: RoleOption, company: CompanyOption = None) -> None:
    """Say what a user may do, from their next call on."""
    with _users(company) as (_, users, actor):
        emit(_line(users.set_roles(actor, name, role)))


@group.command("stores", epilog=EXIT_CODES)
def stores(name: NameArgument, store: StoreOption = None, company: CompanyOption = None) -> None:
    """Say which stores alone a user may act for, from their next call on. Without any: all of the company."""
    with _users(company) as (_, users, actor):
        emit(_line(users.set_stores(actor, name, store or ())))


@group.command("disable", epilog=EXIT_CODES)
def disable(name: NameArgument, company: CompanyOption = None) -> None:
    """Keep a user out. Their sessions end at once; their tokens have to be revoked."""
    with _users(company) as (_, users, actor):
        emit(_line(users.disable(actor, name)))


@group.command("enable", epilog=EXIT_CODES)
def enable(name: NameArgument, company: CompanyOption = None) -> None:
    """Let a user in again, with the password that they had."""
    with _users(company) as (_, users, actor):
        emit(_line(users.enable(actor, name)))


@group.command("logout", epilog=EXIT_CODES)
def logout(name: NameArgument, company: CompanyOption = None) -> None:
    """End all sessions of a user."""
    with _users(company) as (_, users, actor):
        ended = users.end_sessions(actor, name)
    emit(f"{name}: {ended} session{'' if ended == 1 else 's'} ended")


@contextmanager
def _users(company: str | None) -> Iterator[tuple[Engine, Users, Actor]]:
    with plain_failures(), local_database() as engine:
        yield engine, Users(engine), local_actor(company or only_company(engine))


def _tell(code: str, hours: int, *, as_json: bool) -> None:
    if as_json:
        emit_json({"code": code})
        return
    emit(code)
    say(f"Whoever has it chooses the user's password, once, within {hours} hours. It isn't shown again.")


def _value(user: User) -> dict[str, object]:
    times = {
        "create_time": user.create_time,
        "password_time": user.password_time,
        "invitation_expire_time": user.invitation_expire_time,
        "login_time": user.login_time,
        "disable_time": user.disable_time,
    }
    return {
        "name": user.name,
        "roles": list(user.roles),
        "store_ids": list(user.store_ids),
        **{name: moment.isoformat() if moment else None for name, moment in times.items()},
    }


def _line(user: User) -> str:
    parts = [user.name, ",".join(user.roles)]
    if user.store_ids:
        parts.append(f"stores {','.join(user.store_ids)}")
    if user.password_time is None:
        parts.append("no password yet")
    if user.invitation_expire_time:
        parts.append(f"invited until {user.invitation_expire_time.isoformat(timespec='minutes')}")
    if user.login_time:
        parts.append(f"logged in {user.login_time.isoformat(timespec='minutes')}")
    if user.disable_time:
        parts.append("disabled")
    return "  ".join(parts)
