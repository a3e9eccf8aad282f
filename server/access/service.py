"""Use cases of access: make, list and revoke tokens."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from server.access.store import tokens as store
from server.access.store.tokens import Token
from server.access.tokens import digest, new_token
from server.access.users import require_whole_company
from server.actors import Actor, Role
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.runtime.errors import Invalid, Refusal, Unknown

__all__ = ["NAME_TOKENS_MAX", "Access", "Token"]

NAME_TOKENS_MAX = 2
"""How many usable tokens a name may have: the one in use, and the one that follows it."""


class Access:
    """The tokens of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self,
        actor: Actor,
        name: str,
        roles: Collection[Role],
        store_ids: Collection[str] = (),
        lifetime: timedelta | None = None,
    ) -> str:
        """Makes a token in the actor's company and returns it; nobody can see it again."""
        if not name.strip() or len(name) > 64:
            raise Invalid("NAME_INVALID", "a token needs a name of 1 to 64 characters", field="name")
        require_whole_company(actor)
        if not roles:
            raise Invalid("REQUIRED", "a token needs at least one role", field="roles")
        token_id, token = new_token()
        kept = {
            "id": token_id,
            "company_id": actor.company_id,
            "name": name,
            "secret_hash": digest(token),
            "roles": sorted(roles),
            "store_ids": sorted(store_ids),
            "expire_time": None if lifetime is None else datetime.now(UTC) + lifetime,
        }
        after = _recorded(name, roles, store_ids)
        with plain_errors(self._engine), self._engine.begin() as connection:
            # The audit log's lock keeps two of the same name from being counted at once.
            audit.append(connection, actor, [Event("create", "token", token_id, after=after)])
            if store.count_usable(connection, actor.company_id, name) >= NAME_TOKENS_MAX:
                raise Refusal(
                    "TOO_MANY_TOKENS",
                    f"{name} has {NAME_TOKENS_MAX} usable tokens; revoke one of them first",
                    name=name,
                )
            store.insert_token(connection, kept)
        return token

    def create_first(self, actor: Actor, name: str) -> str | None:
        """A token for an administrator where nobody has any; None where somebody has."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            if store.count_usable(connection, actor.company_id):
                return None
        return self.create(actor, name, [Role.ADMIN])

    def tokens(self, company_id: str) -> list[Token]:
        """Every token of a company, revoked ones too."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.tokens(connection, company_id)

    def revoke(self, actor: Actor, token_id: str) -> Token:
        """Makes a token useless, everywhere within one refresh."""
        require_whole_company(actor)
        with plain_errors(self._engine), self._engine.begin() as connection:
            revoked = store.revoke(connection, actor.company_id, token_id)
            if revoked is None:
                raise Unknown("TOKEN_UNKNOWN", f"there is no usable token {token_id}", token_id=token_id)
            before = _recorded(revoked.name, revoked.roles, revoked.store_ids)
            audit.append(connection, actor, [Event("revoke", "token", token_id, before=before)])
        return revoked

    def usable(self) -> dict[bytes, Token]:
        """The usable tokens of all companies by the hash of their secret."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.usable(connection)

    def find(self, token: str) -> Token | None:
        """A usable token, asked of the database; servers ask their memory instead."""
        return self.usable().get(digest(token))

    def note_use(self, token_ids: Collection[str]) -> None:
        """Remembers that tokens were used, to the minute."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.note_use(connection, token_ids)


def _recorded(name: str, roles: Collection[str], store_ids: Collection[str]) -> dict[str, object]:
    """What the audit log has of a token: all but its secret."""
    return {"name": name, "roles": sorted(roles), "store_ids": sorted(store_ids)}
