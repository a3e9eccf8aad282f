"""People log in, look who they are, choose another password and log out. Their session is a cookie."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from admin.api import cookie
from admin.api.answers import Answer, Asked
from admin.api.routes import Json, Methods, Shaped
from server.access.roles import role_name
from server.access.session_calls import Acceptance, LogIn, PasswordChange
from server.access.sessions import Opened, csrf_token
from server.actors import Actor

PATH = "/api/v1/session"


def _object(required: Json, **optional: Json) -> Json:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def _text(description: str) -> Json:
    return {"type": "string", "description": description}


_NEW_PASSWORD = _text("The password from now on: 12 to 128 characters, of which five differ.")
_LOG_IN = _object(
    {"name": _text("The user's name, in any case."), "password": _text("The user's password.")},
    company_id=_text("The user's company. Unset: the only one that there is."),
)
_ACCEPTANCE = _object(
    {"code": _text("The code of the invitation. It is good once."), "password": _NEW_PASSWORD}
)
_PASSWORD_CHANGE = _object({"password": _text("The password until now."), "new_password": _NEW_PASSWORD})
_SESSION = _object(
    {
        "name": _text("Who calls: a user, or whose token it is."),
        "company_id": _text("Their company."),
        "roles": {
            "type": "array",
            "description": "What they may do, as roles of the schema.",
            "items": {"type": "string"},
        },
        "store_ids": {
            "type": "array",
            "description": "The only stores that they may act for. Empty: all of the company.",
            "items": {"type": "string"},
        },
    },
    expire_time={
        **_text("When the session is over however busy it is. Unset: a token was shown."),
        "format": "date-time",
    },
    csrf_token=_text("What to send as X-CSRF-Token with what changes something. Unset: a token was shown."),
)


def _opening(method: str, request_of: Callable[[Asked], Any]) -> Callable[[Methods, Actor, Asked], Answer]:
    """Answers with a new session, which the browser keeps as a cookie."""

    def answer(methods: Methods, actor: Actor, asked: Asked) -> Answer:
        opened: Opened = methods[method](actor, request_of(asked))
        value = _shown(opened.actor, opened.secret, opened.expire_time)
        return Answer(json.dumps(value).encode(), headers={"set-cookie": cookie.keeping(opened)})

    return answer


def _get(methods: Methods, actor: Actor, asked: Asked) -> Answer:
    secret = asked.session
    session = methods["sessions/GetSession"](actor, secret)
    value = _shown(actor, secret, session.expire_time if session else None)
    return Answer(json.dumps(value).encode())


def _log_out(methods: Methods, actor: Actor, asked: Asked) -> Answer:
    methods["sessions/LogOut"](actor, asked.session)
    return Answer(b"{}", headers={"set-cookie": cookie.CLEARING})


def _shown(actor: Actor, secret: str | None, expire_time: datetime | None) -> Json:
    value: Json = {
        "name": actor.name,
        "company_id": actor.company_id,
        "roles": [role_name(role) for role in sorted(actor.roles)],
        "store_ids": sorted(actor.store_ids),
    }
    if secret is not None and expire_time is not None:
        value |= {"expire_time": expire_time.isoformat(), "csrf_token": csrf_token(secret)}
    return value


def _log_in_of(asked: Asked) -> LogIn:
    body: Any = asked.body
    return LogIn(body.get("company_id", ""), body["name"], body["password"], asked.session)


def _acceptance_of(asked: Asked) -> Acceptance:
    body: Any = asked.body
    return Acceptance(body["code"], body["password"], asked.session)


def _password_change_of(asked: Asked) -> PasswordChange:
    body: Any = asked.body
    return PasswordChange(asked.session, body["password"], body["new_password"])


SESSIONS = (
    Shaped(
        "POST",
        PATH,
        "sessions/LogIn",
        "LogIn",
        "Open a session with a password. The session is a cookie, and ends one that was there. Attempts are "
        "slowed down when there are many, and what is wrong with one isn't told.",
        _opening("sessions/LogIn", _log_in_of),
        _SESSION,
        request=_LOG_IN,
        hashes=True,
    ),
    Shaped(
        "GET",
        PATH,
        "sessions/GetSession",
        "GetSession",
        "Who calls, with a session or a token.",
        _get,
        _SESSION,
    ),
    Shaped(
        "DELETE",
        PATH,
        "sessions/LogOut",
        "LogOut",
        "End the session.",
        _log_out,
        _object({}),
    ),
    Shaped(
        "POST",
        f"{PATH}:accept-invitation",
        "sessions/AcceptInvitation",
        "AcceptInvitation",
        "Choose a password with the code of an invitation, which opens a session.",
        _opening("sessions/AcceptInvitation", _acceptance_of),
        _SESSION,
        request=_ACCEPTANCE,
        hashes=True,
    ),
    Shaped(
        "POST",
        f"{PATH}:change-password",
        "sessions/ChangePassword",
        "ChangePassword",
        "Choose another password. Every session of the user ends, and a new one is opened.",
        _opening("sessions/ChangePassword", _password_change_of),
        _SESSION,
        request=_PASSWORD_CHANGE,
        hashes=True,
    ),
)
