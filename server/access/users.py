"""Use cases of users: make them, invite them, say what they may do, and keep them out."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from server.access.sessions import SESSION_IDLE, Session
from server.access.store import sessions as session_store
from server.access.store import users as store
from server.access.store.users import User
from server.access.tokens import INVITATION_MARK, digest, new_token
from server.actors import Actor, Role
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.runtime.errors import AlreadyThere, Denied, Invalid, Refusal, Unknown

__all__ = ["INVITATION_LIFETIME", "User", "Users"]

INVITATION_LIFETIME = timedelta(hours=24)
"""How long an invitation holds when nothing is said."""

INVITATION_LIFETIME_MAX = timedelta(days=30)

_NAME = re.compile(r"[a-z0-9._@+-]{1,64}")


class Users:
    """The users of all companies in one database. The company is always the actor's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self,
        actor: Actor,
        name: str,
        roles: Collection[Role],
        store_ids: Collection[str] = (),
        invitation_lifetime: timedelta = INVITATION_LIFETIME,
    ) -> str:
        """Makes a user and returns the code of the invitation with which they choose their password."""
        name = user_name(name)
        _require_roles(roles)
        with self._writing(actor) as connection:
            if not store.insert_user(connection, actor.company_id, name, roles, store_ids):
                raise AlreadyThere("USER_EXISTS", f"there is a user {name}", user=name)
            after = {"roles": sorted(roles), "store_ids": sorted(store_ids)}
            _record(connection, actor, "create", name, after=after)
            return _invite(connection, actor, name, invitation_lifetime)

    def invite(self, actor: Actor, name: str, lifetime: timedelta = INVITATION_LIFETIME) -> str:
        """A new code with which a user chooses a new password; an earlier one is worth nothing any more."""
        with self._writing(actor) as connection:
            user = _enabled(connection, actor, name)
            _record(connection, actor, "invite", user.name)
            return _invite(connection, actor, user.name, lifetime)

    def reset_password(self, actor: Actor, name: str, lifetime: timedelta = INVITATION_LIFETIME) -> str:
        """As `invite`, and what the user had is worth nothing from now on: password and sessions."""
        with self._writing(actor) as connection:
            user = _enabled(connection, actor, name)
            _record(connection, actor, "reset_password", user.name)
            store.change(connection, actor.company_id, user.name, password_hash=None, password_time=None)
            session_store.end_all(connection, actor.company_id, user.name, SESSION_IDLE)
            return _invite(connection, actor, user.name, lifetime)

    def set_roles(self, actor: Actor, name: str, roles: Collection[Role]) -> User:
        """Says what a user may do, from their next call on."""
        _require_roles(roles)
        with self._writing(actor) as connection:
            return _change(connection, actor, name, "roles", roles)

    def set_stores(self, actor: Actor, name: str, store_ids: Collection[str]) -> User:
        """Says which stores alone a user may act for, from their next call on. Empty: all of the company."""
        with self._writing(actor) as connection:
            return _change(connection, actor, name, "store_ids", store_ids)

    def disable(self, actor: Actor, name: str) -> User:
        """Keeps a user out: their sessions and their invitation end at once."""
        with self._writing(actor) as connection:
            user = _known(connection, actor, name)
            if user.disable_time is None:
                _record(connection, actor, "disable", user.name)
                values = {"invitation_hash": None, "invitation_expire_time": None}
                store.change(
                    connection, actor.company_id, user.name, disable_time=datetime.now(UTC), **values
                )
                session_store.end_all(connection, actor.company_id, user.name, SESSION_IDLE)
            return _known(connection, actor, user.name)

    def enable(self, actor: Actor, name: str) -> User:
        """Lets a user in again, with the password that they had."""
        with self._writing(actor) as connection:
            user = _known(connection, actor, name)
            if user.disable_time is not None:
                _record(connection, actor, "enable", user.name)
                store.change(connection, actor.company_id, user.name, disable_time=None)
            return _known(connection, actor, user.name)

    def end_sessions(self, actor: Actor, name: str) -> int:
        """Logs a user out everywhere, and returns of how many sessions."""
        with self._writing(actor) as connection:
            user = _known(connection, actor, name)
            _record(connection, actor, "end_sessions", user.name)
            return session_store.end_all(connection, actor.company_id, user.name, SESSION_IDLE)

    def sessions(self, actor: Actor, name: str) -> list[Session]:
        """The sessions of a user that aren't over, oldest first."""
        with self._writing(actor) as connection:
            user = _known(connection, actor, name)
            return session_store.open_sessions(connection, actor.company_id, user.name, SESSION_IDLE)

    def users(self, actor: Actor) -> list[User]:
        """Every user of the company, disabled ones too."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.users(connection, actor.company_id)

    @contextmanager
    def _writing(self, actor: Actor) -> Iterator[Connection]:
        require_whole_company(actor)
        with plain_errors(self._engine), self._engine.begin() as connection:
            yield connection


def user_name(name: str) -> str:
    """A name as it is kept, so that Ann and ann are one person; or a refusal."""
    kept = name.strip().lower()
    if not _NAME.fullmatch(kept):
        raise Invalid(
            "NAME_INVALID",
            "a user's name needs 1 to 64 letters of a to z, digits, and . _ @ + -, such as an e-mail address",
            field="name",
        )
    return kept


def require_whole_company(actor: Actor) -> None:
    """Who may act for some stores alone gives nobody access: it would be to all of them."""
    if actor.store_ids:
        raise Denied("STORES_ONLY", "a token for some stores manages no tokens and no users")


def _require_roles(roles: Collection[Role]) -> None:
    if not roles:
        raise Invalid("REQUIRED", "a user needs at least one role", field="roles")
    if Role.DEVICE in roles:
        raise Invalid("ROLE_OF_TILLS", "a till has a token, not a password: make one", field="roles")


def _change(connection: Connection, actor: Actor, name: str, what: str, values: Collection[str]) -> User:
    user = _known(connection, actor, name)
    before, after = sorted(getattr(user, what)), sorted(values)
    _record(connection, actor, "change", user.name, {what: before}, {what: after})
    store.change(connection, actor.company_id, user.name, **{what: after})
    return _known(connection, actor, user.name)


def _enabled(connection: Connection, actor: Actor, name: str) -> User:
    user = _known(connection, actor, name)
    if user.disable_time is not None:
        raise Refusal("USER_DISABLED", f"{user.name} is disabled; enable them first", user=user.name)
    return user


def _known(connection: Connection, actor: Actor, name: str) -> User:
    user = store.locked_user(connection, actor.company_id, user_name(name))
    if user is None:
        raise Unknown("USER_UNKNOWN", f"there is no user {name}", user=name)
    return user


def _invite(connection: Connection, actor: Actor, name: str, lifetime: timedelta) -> str:
    if not timedelta() < lifetime <= INVITATION_LIFETIME_MAX:
        raise Invalid(
            "OUT_OF_RANGE",
            f"an invitation holds for 1 hour to {INVITATION_LIFETIME_MAX.days} days",
            field="invitation_hours",
        )
    _, code = new_token(INVITATION_MARK)
    store.change(
        connection,
        actor.company_id,
        name,
        invitation_hash=digest(code),
        invitation_expire_time=datetime.now(UTC) + lifetime,
    )
    return code


def _record(
    connection: Connection,
    actor: Actor,
    action: str,
    name: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.append(connection, actor, [Event(action, "user", name, before=before, after=after)])
