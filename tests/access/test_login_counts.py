"""Attempts to log in are counted by what became of them, and by nothing that names anybody."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from server.access.backoff import NAME_FREE
from server.access.session_calls import Acceptance, LogIn, PasswordChange
from server.access.users import Users
from server.actors import Actor, Role
from server.definitions.service import Definitions
from server.methods import methods
from server.runtime.errors import Refusal
from server.runtime.metrics import Metrics
from server.runtime.settings import Settings
from tests.access.calls import owner

PASSWORD = "a long walk home"
OTHER = "another long walk"
STRANGER = Actor("", "", frozenset(), "127.0.0.1")


def test_attempts_are_counted_by_their_outcome(database: Engine) -> None:
    metrics = Metrics()
    calls = methods(database, Settings(), metrics)
    Definitions(database).create_company(owner())
    code = Users(database).create(owner(), "joe", [Role.VIEWER])

    def counts() -> tuple[float, ...]:
        outcomes = ("opened", "refused", "later")
        found = (
            metrics.registry.get_sample_value("dealwright_logins_total", {"outcome": each})
            for each in outcomes
        )
        return tuple(count or 0 for count in found)

    def refused(call: Callable[[], object]) -> str:
        with pytest.raises(Refusal) as refusal:
            call()
        return refusal.value.reason

    def log_in(password: str) -> object:
        return calls["sessions/LogIn"](STRANGER, LogIn("kopi", "joe", password, None))

    opened = calls["sessions/AcceptInvitation"](STRANGER, Acceptance(code, PASSWORD, None))
    again = Acceptance(code, PASSWORD, None)
    assert refused(lambda: calls["sessions/AcceptInvitation"](STRANGER, again)) == "INVITATION_UNKNOWN"
    log_in(PASSWORD)
    assert counts() == (2, 1, 0)
    wrong = PasswordChange(opened.secret, OTHER, OTHER)
    assert refused(lambda: calls["sessions/ChangePassword"](STRANGER, wrong)) == "PASSWORD_WRONG"
    assert counts() == (2, 2, 0)
    reasons = [refused(lambda: log_in(OTHER))]
    # A wait may be over before a busy machine tries again, but each one is twice as long.
    while reasons[-1] != "LOGIN_LATER" and len(reasons) < 3 * NAME_FREE:
        reasons.append(refused(lambda: log_in(OTHER)))
    assert reasons[-1] == "LOGIN_LATER"
    assert counts() == (2, 1 + len(reasons), 1)
    # What makes no sense is no attempt.
    assert refused(lambda: calls["sessions/LogOut"](STRANGER, None)) == "NO_SESSION"
    assert sum(counts()) == 4 + len(reasons)
