"""Who runs a command: the owner of DEALWRIGHT_TOKEN, else whoever has the database at hand."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from admin.cli.local import local_database, only_company
from admin.cli.process import plain_failures
from server.access.rules import DEFINITION_SERVICE, require_role
from server.access.service import Access
from server.actors import Actor, Role, local_actor
from server.runtime.errors import Denied, Unauthenticated
from server.runtime.settings import Settings


@contextmanager
def acting(
    *methods: str, company: str | None, service: str = DEFINITION_SERVICE
) -> Iterator[tuple[Engine, Actor]]:
    """The database and who acts, if they may call methods of a service: its rules hold here too.

    A method of another service is named with it, as CHECK_SERVICE/GetTestCart.
    """
    with plain_failures(), local_database() as engine:
        actor = _actor(engine, company)
        for method in methods:
            require_role(f"/{method}" if "/" in method else f"/{service}/{method}", actor.roles)
        yield engine, actor


def _actor(engine: Engine, company: str | None) -> Actor:
    token = Settings.from_environment().token
    if token is None:
        return local_actor(company or only_company(engine))
    found = Access(engine).find(token)
    if found is None:
        raise Unauthenticated("TOKEN_UNKNOWN", "DEALWRIGHT_TOKEN is unknown, expired or revoked")
    if company not in (None, found.company_id):
        raise Denied("OTHER_COMPANY", f"DEALWRIGHT_TOKEN is of {found.company_id}, not of {company}")
    roles = frozenset(role for role in Role if role.value in found.roles)
    source = local_actor(found.company_id).source
    return Actor(found.name, found.company_id, roles, source, found.id, frozenset(found.store_ids))
