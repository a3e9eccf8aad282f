"""The methods of AccessService about users: messages to use cases, and what they give back to messages."""

from datetime import timedelta

from dealwright.v1 import access_service_pb2 as schema
from google.protobuf.message import Message

from server.access.roles import roles_of, told
from server.access.sessions import Session
from server.access.users import INVITATION_LIFETIME, User, Users
from server.actors import Actor
from server.runtime.calls import UseCase
from server.runtime.instants import timestamp


def use_cases(users: Users) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = UserCalls(users)
    return {
        "CreateUser": calls.create,
        "ListUsers": calls.list,
        "SetUserRoles": calls.set_roles,
        "SetUserStores": calls.set_stores,
        "DisableUser": calls.disable,
        "EnableUser": calls.enable,
        "InviteUser": calls.invite,
        "ResetPassword": calls.reset_password,
        "ListSessions": calls.sessions,
        "EndSessions": calls.end_sessions,
    }


class UserCalls:
    """What each method does."""

    def __init__(self, users: Users) -> None:
        self._users = users

    def create(self, actor: Actor, request: schema.CreateUserRequest) -> Message:
        code = self._users.create(
            actor,
            request.name,
            roles_of(request.roles),
            set(request.store_ids),
            _lifetime(request.invitation_hours),
        )
        return schema.CreateUserResponse(invitation_code=code)

    def list(self, actor: Actor, _: schema.ListUsersRequest) -> Message:
        return schema.ListUsersResponse(users=map(_message, self._users.users(actor)))

    def set_roles(self, actor: Actor, request: schema.SetUserRolesRequest) -> Message:
        user = self._users.set_roles(actor, request.name, roles_of(request.roles))
        return schema.SetUserRolesResponse(user=_message(user))

    def set_stores(self, actor: Actor, request: schema.SetUserStoresRequest) -> Message:
        user = self._users.set_stores(actor, request.name, set(request.store_ids))
        return schema.SetUserStoresResponse(user=_message(user))

    def disable(self, actor: Actor, request: schema.DisableUserRequest) -> Message:
        return schema.DisableUserResponse(user=_message(self._users.disable(actor, request.name)))

    def enable(self, actor: Actor, request: schema.EnableUserRequest) -> Message:
        return schema.EnableUserResponse(user=_message(self._users.enable(actor, request.name)))

    def invite(self, actor: Actor, request: schema.InviteUserRequest) -> Message:
        code = self._users.invite(actor, request.name, _lifetime(request.invitation_hours))
        return schema.InviteUserResponse(invitation_code=code)

    def reset_password(self, actor: Actor, request: schema.ResetPasswordRequest) -> Message:
        code = self._users.reset_password(actor, request.name, _lifetime(request.invitation_hours))
        return schema.ResetPasswordResponse(invitation_code=code)

    def sessions(self, actor: Actor, request: schema.ListSessionsRequest) -> Message:
        found = self._users.sessions(actor, request.name)
        return schema.ListSessionsResponse(sessions=map(_session, found))

    def end_sessions(self, actor: Actor, request: schema.EndSessionsRequest) -> Message:
        return schema.EndSessionsResponse(ended=self._users.end_sessions(actor, request.name))


def _lifetime(hours: int) -> timedelta:
    return timedelta(hours=hours) if hours else INVITATION_LIFETIME


def _message(user: User) -> schema.User:
    return schema.User(
        name=user.name,
        roles=told(user.roles),
        store_ids=user.store_ids,
        create_time=timestamp(user.create_time),
        password_time=timestamp(user.password_time),
        invitation_expire_time=timestamp(user.invitation_expire_time),
        login_time=timestamp(user.login_time),
        disable_time=timestamp(user.disable_time),
    )


def _session(session: Session) -> schema.UserSession:
    return schema.UserSession(
        id=session.id,
        source=session.source,
        create_time=timestamp(session.create_time),
        use_time=timestamp(session.use_time),
        expire_time=timestamp(session.expire_time),
    )
