"""The tokens in memory: a call costs one look-up, and no SQL."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

import structlog

from server.access.service import Access, Token
from server.access.tokens import digest
from server.actors import Actor, Role
from server.db.engine import DatabaseUnavailable
from server.runtime.errors import Unauthenticated

log = structlog.get_logger()

NOTE_USE_SECONDS = 60.0
"""How often it is written down which tokens were used."""

CLOSE_SECONDS = 2.0
"""How long an ending server waits for that."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows."""

    token_id: str
    name: str
    company_id: str
    roles: frozenset[Role]
    store_ids: frozenset[str]
    expires_at: float
    """Unix time in seconds."""

    def actor(self, source: str) -> Actor:
        """Whoever shows the token, from somewhere."""
        return Actor(self.name, self.company_id, self.roles, source, self.token_id, self.store_ids)


class Grants:
    """What all usable tokens allow, as of the last refresh. A revoked one is forgotten with the next."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.usable: dict[bytes, Token] = {}
        """The tokens by the hash of their secret."""
        self._by_digest: dict[bytes, Grant] = {}
        self._by_id: dict[str, Grant] = {}
        self._used: set[str] = set()
        self._noted_at = time.monotonic()
        self._failing = False
        self._refreshing = asyncio.Lock()
        """What was read earlier must not replace what was read later."""

    def grant(self, token: str) -> Grant:
        """What a token allows, or a refusal."""
        found = self._by_digest.get(digest(token))
        if found is None:
            raise Unauthenticated("TOKEN_UNKNOWN", "the token is unknown, expired or revoked")
        if found.expires_at <= time.time():
            raise Unauthenticated("TOKEN_EXPIRED", f"the token {found.token_id} has expired")
        self._used.add(found.token_id)
        return found

    def holds(self, actor: Actor) -> bool:
        """Whether the token that somebody showed a while ago still allows what it did then."""
        grant = self._by_id.get(actor.token_id)
        return grant is not None and grant.expires_at > time.time() and grant.actor(actor.source) == actor

    async def refresh(self) -> None:
        """Reads the usable tokens. When the database is away, those known go on until they expire."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            usable = await asyncio.to_thread(self._access.usable)
            if time.monotonic() - self._noted_at >= NOTE_USE_SECONDS:
                await self.note_use()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the tokens known go on
            if not self._failing:
                log.error("tokens_refresh_failed", error=f"{type(error).__name__}: {error}")
            self._failing = True
            return
        if self._failing:
            log.info("tokens_refresh_recovered")
            self._failing = False
        self.restore(usable)

    def restore(self, usable: dict[bytes, Token]) -> None:
        """Takes tokens for those that there are."""
        self.usable = usable
        self._by_digest = {secret_hash: _grant(token) for secret_hash, token in usable.items()}
        self._by_id = {grant.token_id: grant for grant in self._by_digest.values()}

    async def close(self) -> None:
        """Writes down the last uses, if the database is there."""
        with contextlib.suppress(DatabaseUnavailable, TimeoutError):
            await asyncio.wait_for(self.note_use(), CLOSE_SECONDS)

    async def note_use(self) -> None:
        """Writes down which tokens were used since the last time."""
        used, self._used = self._used, set()
        self._noted_at = time.monotonic()
        if used:
            await asyncio.to_thread(self._access.note_use, used)


def _grant(token: Token) -> Grant:
    return Grant(
        token.id,
        token.name,
        token.company_id,
        # One that only a newer program knows allows nothing here.
        frozenset(role for role in Role if role.value in token.roles),
        frozenset(token.store_ids),
        token.expire_time.timestamp() if token.expire_time else float("inf"),
    )
