"""The methods of AccessService about tokens: messages to use cases, and what they give back to messages."""

from datetime import timedelta

from dealwright.v1 import access_service_pb2 as schema
from google.protobuf.message import Message

from server.access.roles import roles_of, told
from server.access.service import Access, Token
from server.actors import Actor
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid
from server.runtime.instants import timestamp

LIFETIME_DAYS_MAX = 36500


def use_cases(access: Access) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = AccessCalls(access)
    return {"CreateToken": calls.create, "ListTokens": calls.list, "RevokeToken": calls.revoke}


class AccessCalls:
    """What each method does."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def create(self, actor: Actor, request: schema.CreateTokenRequest) -> Message:
        roles = roles_of(request.roles)
        if not 0 <= request.lifetime_days <= LIFETIME_DAYS_MAX:
            raise Invalid(
                "OUT_OF_RANGE", f"a token lives 1 to {LIFETIME_DAYS_MAX} days", field="lifetime_days"
            )
        lifetime = timedelta(days=request.lifetime_days) if request.lifetime_days else None
        token = self._access.create(actor, request.name, roles, set(request.store_ids), lifetime)
        return schema.CreateTokenResponse(token=token)

    def list(self, actor: Actor, request: schema.ListTokensRequest) -> Message:
        return schema.ListTokensResponse(tokens=map(_message, self._access.tokens(actor.company_id)))

    def revoke(self, actor: Actor, request: schema.RevokeTokenRequest) -> Message:
        return schema.RevokeTokenResponse(token=_message(self._access.revoke(actor, request.token_id)))


def _message(token: Token) -> schema.ApiToken:
    return schema.ApiToken(
        id=token.id,
        name=token.name,
        roles=told(token.roles),
        store_ids=token.store_ids,
        create_time=timestamp(token.create_time),
        expire_time=timestamp(token.expire_time),
        revoke_time=timestamp(token.revoke_time),
        last_use_time=timestamp(token.last_use_time),
    )
