"""What people ask who log in over HTTP: plain values to use cases."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from server.access.sessions import Opened, Session, Sessions
from server.actors import Actor
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid, Refusal


@dataclass(frozen=True, slots=True)
class LogIn:
    """Who wants a session, and the session that they show already."""

    company_id: str
    """Empty: the only company that there is."""
    name: str
    password: str
    earlier: str | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A password chosen with the code of an invitation."""

    code: str
    password: str
    earlier: str | None


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """Another password for the user of a session. No session: a token was shown."""

    secret: str | None
    password: str
    new_password: str


OUTCOMES = {
    "LOGIN_REFUSED": "refused",
    "INVITATION_UNKNOWN": "refused",
    "PASSWORD_WRONG": "refused",
    "LOGIN_LATER": "later",
}
"""What becomes of an attempt, by the reason of its refusal. Refused for another reason, it was none."""


def use_cases(
    sessions: Sessions, companies: Callable[[], Sequence[str]], count: Callable[[str], None]
) -> Mapping[str, UseCase]:
    """What each of them does, by the name that its rule has.

    `companies` are those that can be meant; `count` is told what becomes of attempts: opened, refused, later.
    """
    calls = SessionCalls(sessions, companies, count)
    return {
        "sessions/LogIn": calls.log_in,
        "sessions/AcceptInvitation": calls.accept,
        "sessions/GetSession": calls.get,
        "sessions/ChangePassword": calls.change_password,
        "sessions/LogOut": calls.log_out,
    }


class SessionCalls:
    """One method each."""

    def __init__(
        self, sessions: Sessions, companies: Callable[[], Sequence[str]], count: Callable[[str], None]
    ) -> None:
        self._sessions = sessions
        self._companies = companies
        self._count = count

    def log_in(self, actor: Actor, asked: LogIn) -> Opened:
        company_id = asked.company_id or self._only_company()
        with self._counted():
            return self._sessions.log_in(company_id, asked.name, asked.password, actor.source, asked.earlier)

    def accept(self, actor: Actor, asked: Acceptance) -> Opened:
        with self._counted():
            return self._sessions.accept(asked.code, asked.password, actor.source, asked.earlier)

    def get(self, _: Actor, secret: str | None) -> Session | None:
        return None if secret is None else self._sessions.require(secret)

    def change_password(self, actor: Actor, asked: PasswordChange) -> Opened:
        secret = _required(asked.secret)
        with self._counted():
            return self._sessions.change_password(secret, asked.password, asked.new_password, actor.source)

    def log_out(self, actor: Actor, secret: str | None) -> None:
        self._sessions.log_out(_required(secret), actor.source)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Counts an attempt to show who one is, by what became of it."""
        try:
            yield
        except Refusal as refusal:
            if refusal.reason in OUTCOMES:
                self._count(OUTCOMES[refusal.reason])
            raise
        self._count("opened")

    def _only_company(self) -> str:
        """Where there is none yet, a name that nobody has: the login is refused as any other."""
        companies = self._companies()
        if len(companies) > 1:
            raise Invalid("REQUIRED", "there are several companies; name yours", field="company_id")
        return companies[0] if companies else ""


def _required(secret: str | None) -> str:
    if secret is None:
        raise Refusal("NO_SESSION", "a token was shown, which has neither a session nor a password")
    return secret
