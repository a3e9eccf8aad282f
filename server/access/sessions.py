"""Use cases of sessions: log in and out, choose a password, and who it is that shows a session."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Engine

from server.access import backoff, passwords
from server.access.store import sessions as store
from server.access.store import users as user_store
from server.access.store.sessions import Session
from server.access.store.users import User
from server.access.tokens import SESSION_MARK, digest, new_token
from server.actors import Actor, Role
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.runtime.errors import Refusal, Unauthenticated

__all__ = ["Opened", "Session", "Sessions"]

log = structlog.get_logger()

SESSION_IDLE = timedelta(hours=1)
"""A session that nobody uses for so long is over: somebody left the desk."""

SESSION_LIFETIME = timedelta(hours=12)
"""A session is over after a day at work, however busy it was."""

NOTED = timedelta(minutes=1)
"""How exactly it is written down when a session was used; more would be a write with every call."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session as its owner gets it, this once."""

    secret: str
    actor: Actor
    expire_time: datetime


class Sessions:
    """The sessions of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def log_in(
        self, company_id: str, name: str, password: str, source: str, earlier: str | None = None
    ) -> Opened:
        """Opens a session. `earlier` is one that the caller had: it ends, so that none is ever handed on.

        Whatever is wrong, the answer is the same, and so is the work that it takes.
        """
        name = name.strip().lower()
        kept = self._attempt(company_id, name, source)
        if not passwords.matches(password, kept):
            log.info("login_refused", source=source)
            raise Unauthenticated("LOGIN_REFUSED", "the name or the password is wrong")
        with plain_errors(self._engine), self._engine.begin() as connection:
            user = user_store.locked_user(connection, company_id, name)
            # What happened while the password was hashed counts.
            if user is None or user_store.password_hash(connection, company_id, name) != kept:
                raise Unauthenticated("LOGIN_REFUSED", "the name or the password is wrong")
            backoff.succeeded(connection, backoff.of_name(company_id, name), backoff.of_source(source))
            if kept is not None and passwords.outdated(kept):
                user_store.change(connection, company_id, name, password_hash=passwords.hashed(password))
            return _open(connection, user, source, "log_in", earlier)

    def accept(self, code: str, password: str, source: str, earlier: str | None = None) -> Opened:
        """Chooses a password with the code of an invitation, which is worth nothing afterwards."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            user = user_store.locked_invited(connection, digest(code))
            if user is None:
                raise Unauthenticated(
                    "INVITATION_UNKNOWN",
                    "the code is unknown, used or expired; ask for a new one, or make it with"
                    " `dealwright user invite NAME` on the machine that has the database",
                )
            passwords.require_good(password, user.name)
            _choose(connection, user, password)
            return _open(connection, user, source, "choose_password", earlier)

    def change_password(self, secret: str, password: str, new_password: str, source: str) -> Opened:
        """Chooses another password. Every session of the user ends, and a new one is opened."""
        session = self.require(secret)
        kept = self._attempt(session.company_id, session.user_name, source)
        if not passwords.matches(password, kept):
            raise Refusal("PASSWORD_WRONG", "the password until now is another one", field="password")
        passwords.require_good(new_password, session.user_name)
        with plain_errors(self._engine), self._engine.begin() as connection:
            user = user_store.locked_user(connection, session.company_id, session.user_name)
            if user is None or user_store.password_hash(connection, user.company_id, user.name) != kept:
                raise Refusal("PASSWORD_WRONG", "the password until now is another one", field="password")
            name = backoff.of_name(user.company_id, user.name)
            backoff.succeeded(connection, name, backoff.of_source(source))
            _choose(connection, user, new_password)
            return _open(connection, user, source, "choose_password", None)

    def log_out(self, secret: str, source: str) -> None:
        """Ends a session, if it is one that isn't over."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            session = store.open_session(connection, digest(secret), SESSION_IDLE)
            if session is not None:
                actor = _actor(session, source)
                audit.append(connection, actor, [Event("log_out", "user", session.user_name)])
                store.end(connection, session.id)

    def require(self, secret: str) -> Session:
        """The open session of a secret, or a refusal. That it was used is written down to the minute."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            session = store.open_session(connection, digest(secret), SESSION_IDLE)
            if session is None:
                raise Unauthenticated("SESSION_OVER", "the session is over; log in again")
            if datetime.now(UTC) - session.use_time > NOTED:
                store.note_use(connection, session.id)
        return session

    def actor(self, secret: str, source: str) -> Actor:
        """Whoever shows the secret of a session, with the roles that they have now."""
        return _actor(self.require(secret), source)

    def _attempt(self, company_id: str, name: str, source: str) -> str | None:
        """Counts an attempt, and returns what is kept of the password, if anybody may log in so."""
        subjects = [backoff.of_name(company_id, name), backoff.of_source(source)]
        with plain_errors(self._engine), self._engine.begin() as connection:
            kept = None
            # A name that could be nobody's isn't looked for; a company can't be, when it is none.
            if _possible(company_id) and _possible(name):
                kept = user_store.password_hash(connection, company_id, name)
            if backoff.take(connection, subjects):
                log.warning("logins_slowed_down", source=source)
                if kept is not None:
                    actor = Actor(name, company_id, frozenset(), source)
                    audit.append(connection, actor, [Event("slow_down_logins", "user", name)])
        return kept


def csrf_token(secret: str) -> str:
    """What a page shows besides the session's cookie: who has no session can't know it."""
    return digest(f"csrf {secret}").hex()


def _possible(name: str) -> bool:
    return name.isprintable() and 0 < len(name) <= 64 and name.isascii()


def _choose(connection: Connection, user: User, password: str) -> None:
    """Keeps a password, closes the invitation, and ends what was open under the earlier password."""
    user_store.change(
        connection,
        user.company_id,
        user.name,
        password_hash=passwords.hashed(password),
        password_time=datetime.now(UTC),
        invitation_hash=None,
        invitation_expire_time=None,
    )
    store.end_all(connection, user.company_id, user.name, SESSION_IDLE)


def _open(connection: Connection, user: User, source: str, action: str, earlier: str | None) -> Opened:
    session_id, secret = new_token(SESSION_MARK)
    now = datetime.now(UTC)
    session: dict[str, Any] = {
        "id": session_id,
        "company_id": user.company_id,
        "user_name": user.name,
        "secret_hash": digest(secret),
        "source": source,
        "expire_time": now + SESSION_LIFETIME,
    }
    actor = _actor_of(user, source, session_id)
    audit.append(connection, actor, [Event(action, "user", user.name)])
    if earlier is not None:
        before = store.open_session(connection, digest(earlier), SESSION_IDLE)
        if before is not None:
            store.end(connection, before.id)
    store.forget_old(connection, user.company_id, user.name)
    store.insert_session(connection, session)
    user_store.change(connection, user.company_id, user.name, login_time=now)
    return Opened(secret, actor, now + SESSION_LIFETIME)


def _actor(session: Session, source: str) -> Actor:
    stores = frozenset(session.store_ids)
    return Actor(session.user_name, session.company_id, _known(session.roles), source, session.id, stores)


def _actor_of(user: User, source: str, session_id: str) -> Actor:
    stores = frozenset(user.store_ids)
    return Actor(user.name, user.company_id, _known(user.roles), source, session_id, stores)


def _known(roles: Collection[str]) -> frozenset[Role]:
    """A role that only a newer program knows allows nothing here."""
    return frozenset(role for role in Role if role.value in roles)
