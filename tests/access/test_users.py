"""Users and sessions: who gets in, for how long, and that guessing gets nobody anywhere."""

import threading
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, text

from server.access import backoff, passwords
from server.access.backoff import NAME_FREE, SOURCE_FREE
from server.access.service import Access
from server.access.sessions import Sessions, csrf_token
from server.access.users import Users
from server.actors import Actor, Role
from server.audit.service import Audit
from server.definitions.service import Definitions
from server.runtime.errors import AlreadyThere, Denied, Invalid, Refusal, TooMany, Unauthenticated, Unknown
from tests.access.calls import owner

PASSWORD = "a long walk in the rain"
OTHER = "another walk in the sun"
HERE = "192.0.2.7"


@pytest.fixture
def users(database: Engine) -> Users:
    Definitions(database).create_company(owner())
    return Users(database)


@pytest.fixture
def sessions(database: Engine) -> Sessions:
    return Sessions(database)


def joined(users: Users, sessions: Sessions, name: str = "ann", *roles: Role) -> str:
    """A user with a password, and the secret of their session."""
    return sessions.accept(users.create(owner(), name, roles or (Role.AUTHOR,)), PASSWORD, HERE).secret


AN_HOUR = timedelta(hours=1)


def later(database: Engine, table: str, column: str, by: timedelta) -> None:
    """As if something had happened so much earlier."""
    with database.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {column} = {column} - :by"), {"by": by})


def longest_wait(database: Engine) -> timedelta:
    """For how long the last attempt under a name, or from a place, shuts it."""
    with database.connect() as connection:
        longest = connection.scalar(text("SELECT max(open_time - failure_time) FROM login_failure"))
    assert isinstance(longest, timedelta)
    return longest


def refused(sessions: Sessions, name: str, password: str, source: str = HERE) -> tuple[str, str, str]:
    with pytest.raises(Refusal) as found:
        sessions.log_in("kopi", name, password, source)
    return type(found.value).__name__, found.value.reason, str(found.value)


def test_an_invitation_lets_one_password_be_chosen_once(users: Users, sessions: Sessions) -> None:
    code = users.create(owner(), "Ann@example.org", [Role.AUTHOR])
    with pytest.raises(Invalid):
        sessions.accept(code, "short", HERE)
    opened = sessions.accept(code, PASSWORD, HERE)
    assert (opened.actor.name, opened.actor.company_id) == ("ann@example.org", "kopi")
    with pytest.raises(Unauthenticated, match="unknown, used or expired"):
        sessions.accept(code, OTHER, HERE)
    again = sessions.log_in("kopi", " ANN@example.org ", PASSWORD, HERE)
    assert sessions.actor(again.secret, "there") == Actor(
        "ann@example.org", "kopi", frozenset({Role.AUTHOR}), "there", again.secret[4:14]
    )


def test_an_invitation_expires_and_a_newer_one_replaces_it(
    users: Users, sessions: Sessions, database: Engine
) -> None:
    first = users.create(owner(), "ann", [Role.AUTHOR])
    second = users.invite(owner(), "ann")
    with pytest.raises(Unauthenticated):
        sessions.accept(first, PASSWORD, HERE)
    later(database, "staff_user", "invitation_expire_time", timedelta(hours=24))
    with pytest.raises(Unauthenticated):
        sessions.accept(second, PASSWORD, HERE)
    for lifetime in (timedelta(), timedelta(days=31)):
        with pytest.raises(Invalid):
            users.invite(owner(), "ann", lifetime)


def test_whatever_is_wrong_with_a_login_looks_the_same_and_costs_the_same(
    users: Users, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(users, sessions, "ann")
    joined(users, sessions, "gone")
    users.disable(owner(), "gone")
    users.create(owner(), "new", [Role.AUTHOR])
    work: list[str] = []
    verify = PasswordHasher.verify

    def noting(self: PasswordHasher, hashed: str, password: str) -> bool:
        work.append(hashed.rpartition("$")[0].rpartition("$")[0])
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", noting)
    wrong = [("ann", OTHER), ("gone", PASSWORD), ("new", PASSWORD), ("nobody", PASSWORD), ("x" * 5000, "")]
    answers = {refused(sessions, name, password) for name, password in wrong}

    assert answers == {("Unauthenticated", "LOGIN_REFUSED", "the name or the password is wrong")}
    # One hash each, with the same parameters.
    assert len(work) == len(wrong)
    assert set(work) == {f"$argon2id$v=19$m={passwords.MEMORY_KIB},t={passwords.PASSES},p={passwords.LANES}"}


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_guessing_is_slowed_down_whether_the_name_exists_or_not(
    users: Users, sessions: Sessions, database: Engine, name: str
) -> None:
    joined(users, sessions, "ann")
    for _ in range(NAME_FREE):
        assert refused(sessions, name, OTHER)[1] == "LOGIN_REFUSED"
    assert longest_wait(database) == timedelta(seconds=1)
    # A wait that a slow machine doesn't outlast.
    later(database, "login_failure", "open_time", -AN_HOUR)
    assert refused(sessions, name, PASSWORD)[:2] == ("TooMany", "LOGIN_LATER")
    # From elsewhere too, since it is the name that is guarded.
    assert refused(sessions, name, PASSWORD, "198.51.100.1")[:2] == ("TooMany", "LOGIN_LATER")

    later(database, "login_failure", "open_time", 2 * AN_HOUR)
    assert refused(sessions, name, OTHER)[1] == "LOGIN_REFUSED"
    assert longest_wait(database) == timedelta(seconds=2)
    later(database, "login_failure", "open_time", -AN_HOUR)
    with pytest.raises(TooMany) as slower:
        sessions.log_in("kopi", name, OTHER, HERE)
    assert 0 < slower.value.retry_seconds <= AN_HOUR.total_seconds() + 2
    slowed = [entry.subject_id for entry in Audit(database).entries("kopi") if "slow" in entry.action]
    assert slowed == (["ann"] if name == "ann" else [])


def test_the_right_password_clears_what_was_held_against_a_name(users: Users, sessions: Sessions) -> None:
    joined(users, sessions, "ann")
    for _ in range(2):
        for _ in range(NAME_FREE - 1):
            refused(sessions, "ann", OTHER)
        sessions.log_in("kopi", "ann", PASSWORD, HERE)


def test_one_place_that_tries_many_names_is_slowed_down(users: Users, database: Engine) -> None:
    def attempt(name: str) -> None:
        with database.begin() as connection:
            backoff.take(connection, [backoff.of_name("kopi", name), backoff.of_source(HERE)])

    for number in range(SOURCE_FREE):
        attempt(f"name{number}")
    with pytest.raises(TooMany):
        attempt("yet another")
    later(database, "login_failure", "failure_time", backoff.FORGOTTEN + timedelta(seconds=1))
    later(database, "login_failure", "open_time", backoff.FORGOTTEN)
    attempt("tomorrow")
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM login_failure")) == 2


def test_the_longest_wait_is_bounded(users: Users, database: Engine) -> None:
    subject = backoff.of_name("kopi", "ann")
    for _ in range(NAME_FREE + 40):
        later(database, "login_failure", "open_time", backoff.WAIT_MAX)
        with database.begin() as connection:
            backoff.take(connection, [subject])
    with pytest.raises(TooMany) as waiting, database.begin() as connection:
        backoff.take(connection, [subject])
    assert 890 < waiting.value.retry_seconds <= backoff.WAIT_MAX.total_seconds()


def test_many_guesses_at_once_are_counted_one_by_one(users: Users, sessions: Sessions) -> None:
    joined(users, sessions, "ann")
    reasons: list[str] = []
    threads = [
        threading.Thread(target=lambda: reasons.append(refused(sessions, "ann", OTHER)[1]))
        for _ in range(2 * NAME_FREE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reasons) == len(threads)
    # The first wait is a second, which a slow machine may spend on the first guesses.
    assert NAME_FREE <= reasons.count("LOGIN_REFUSED") < len(threads)


def test_a_session_ends_when_it_is_idle_old_or_logged_out(
    users: Users, sessions: Sessions, database: Engine
) -> None:
    joined(users, sessions, "ann")

    def over(secret: str) -> None:
        with pytest.raises(Unauthenticated) as found:
            sessions.actor(secret, HERE)
        assert found.value.reason == "SESSION_OVER"

    idle = sessions.log_in("kopi", "ann", PASSWORD, HERE).secret
    later(database, "staff_session", "use_time", timedelta(minutes=59))
    sessions.actor(idle, HERE)
    later(database, "staff_session", "use_time", timedelta(minutes=59))
    sessions.actor(idle, HERE)
    later(database, "staff_session", "use_time", timedelta(hours=1))
    over(idle)

    old = sessions.log_in("kopi", "ann", PASSWORD, HERE).secret
    later(database, "staff_session", "expire_time", timedelta(hours=12))
    over(old)

    left = sessions.log_in("kopi", "ann", PASSWORD, HERE).secret
    sessions.log_out(left, HERE)
    sessions.log_out(left, HERE)
    over(left)
    over("dws_aaaaaaaaaa_" + "A" * 43)
    over("\ud800")


def test_a_login_ends_the_session_that_was_there(users: Users, sessions: Sessions) -> None:
    first = joined(users, sessions, "ann")
    second = sessions.log_in("kopi", "ann", PASSWORD, HERE, earlier=first).secret
    assert second != first
    with pytest.raises(Unauthenticated):
        sessions.actor(first, HERE)
    sessions.actor(second, HERE)


def test_another_password_ends_every_session(users: Users, sessions: Sessions) -> None:
    first = joined(users, sessions, "ann")
    second = sessions.log_in("kopi", "ann", PASSWORD, HERE).secret
    with pytest.raises(Refusal) as wrong:
        sessions.change_password(second, OTHER, OTHER, HERE)
    assert wrong.value.reason == "PASSWORD_WRONG"
    with pytest.raises(Invalid):
        sessions.change_password(second, PASSWORD, "too short", HERE)
    third = sessions.change_password(second, PASSWORD, OTHER, HERE).secret
    for secret in (first, second):
        with pytest.raises(Unauthenticated):
            sessions.actor(secret, HERE)
    sessions.actor(third, HERE)
    assert refused(sessions, "ann", PASSWORD)[1] == "LOGIN_REFUSED"
    sessions.log_in("kopi", "ann", OTHER, HERE)


def test_a_disabled_user_is_out_at_once_and_enabled_in_again(users: Users, sessions: Sessions) -> None:
    secret = joined(users, sessions, "ann")
    assert users.disable(owner(), "ann").disable_time is not None
    with pytest.raises(Unauthenticated):
        sessions.actor(secret, HERE)
    with pytest.raises(Refusal, match="enable them first"):
        users.invite(owner(), "ann")
    assert users.enable(owner(), "ann").disable_time is None
    with pytest.raises(Unauthenticated):
        sessions.actor(secret, HERE)
    sessions.log_in("kopi", "ann", PASSWORD, HERE)


def test_roles_hold_from_the_next_call_on_and_sessions_can_be_ended(users: Users, sessions: Sessions) -> None:
    secret = joined(users, sessions, "ann", Role.ADMIN)
    users.set_roles(owner(), "ann", [Role.VIEWER])
    assert sessions.actor(secret, HERE).roles == {Role.VIEWER}
    assert users.end_sessions(owner(), "ann") == 1
    assert users.end_sessions(owner(), "ann") == 0
    with pytest.raises(Unauthenticated):
        sessions.actor(secret, HERE)


def test_users_belong_to_a_company(users: Users, sessions: Sessions, database: Engine) -> None:
    Definitions(database).create_company(owner("roti"))
    joined(users, sessions, "ann")
    assert users.users(owner("roti")) == []
    for use_case in (users.disable, users.enable, users.invite, users.end_sessions):
        with pytest.raises(Unknown):
            use_case(owner("roti"), "ann")
    with pytest.raises(Unauthenticated):
        sessions.log_in("roti", "ann", PASSWORD, HERE)
    users.create(owner("roti"), "ann", [Role.VIEWER])
    with pytest.raises(AlreadyThere):
        users.create(owner(), "Ann", [Role.VIEWER])


@pytest.mark.parametrize(
    ("name", "roles", "reason"),
    [
        ("", [Role.VIEWER], "NAME_INVALID"),
        ("a b", [Role.VIEWER], "NAME_INVALID"),
        ("x" * 65, [Role.VIEWER], "NAME_INVALID"),
        ("ann", [], "REQUIRED"),
        ("till", [Role.DEVICE], "ROLE_OF_TILLS"),
    ],
)
def test_a_user_needs_a_name_and_roles(users: Users, name: str, roles: list[Role], reason: str) -> None:
    with pytest.raises(Invalid) as found:
        users.create(owner(), name, roles)
    assert found.value.reason == reason


def test_who_acts_for_some_stores_gives_nobody_access(users: Users, database: Engine) -> None:
    bound = Actor("till", "kopi", frozenset({Role.ADMIN}), "here", store_ids=frozenset({"menteng"}))
    with pytest.raises(Denied):
        users.create(bound, "ann", [Role.ADMIN])
    with pytest.raises(Denied):
        Access(database).create(bound, "ann", [Role.ADMIN])


@pytest.mark.parametrize(
    "password", ["", "elevenchars", "x" * 129, "aaaaaaaaaaaa", "ab" * 6, "annannannann", "ann1annannann"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.require_good(password, "ann")


def test_a_password_is_the_same_in_every_writing_and_never_kept(
    users: Users, sessions: Sessions, database: Engine
) -> None:
    secret = sessions.accept(
        users.create(owner(), "ann", [Role.ADMIN]), "caf\u00e9 at the corner", HERE
    ).secret
    sessions.log_in("kopi", "ann", "cafe\u0301 at the corner", HERE)
    with database.connect() as connection:
        tables = connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).all()
        kept = [str(row) for table in tables for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
    assert not any("corner" in row or secret[15:] in row or csrf_token(secret) in row for row in kept)
    assert any("$argon2id$" in row for row in kept)


def test_a_password_of_earlier_parameters_is_hashed_anew(
    users: Users, sessions: Sessions, database: Engine
) -> None:
    joined(users, sessions, "ann")
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with database.begin() as connection:
        connection.execute(text("UPDATE staff_user SET password_hash = :weak"), {"weak": weak})
    sessions.log_in("kopi", "ann", PASSWORD, HERE)
    with database.connect() as connection:
        kept = connection.scalar(text("SELECT password_hash FROM staff_user"))
    assert f"m={passwords.MEMORY_KIB}," in str(kept)


def test_what_happens_is_in_the_audit_log(users: Users, sessions: Sessions, database: Engine) -> None:
    secret = joined(users, sessions, "ann")
    sessions.log_out(sessions.change_password(secret, PASSWORD, OTHER, HERE).secret, HERE)
    users.set_roles(owner(), "ann", [Role.VIEWER])
    users.invite(owner(), "ann")
    users.disable(owner(), "ann")
    users.disable(owner(), "ann")
    users.enable(owner(), "ann")
    entries = Audit(database).entries("kopi")
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("root", "create"),
        ("ann", "choose_password"),
        ("ann", "choose_password"),
        ("ann", "log_out"),
        ("root", "change"),
        ("root", "invite"),
        ("root", "disable"),
        ("root", "enable"),
    ]
    assert entries[4].before == {"roles": ["author"]}
    assert entries[4].after == {"roles": ["viewer"]}
    assert not Audit(database).verify("kopi").problem
