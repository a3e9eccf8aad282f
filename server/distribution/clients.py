"""The tills that follow, as operators see them: what this process knows, written down every few seconds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from dealwright.v1.rule_stream_service_pb2 import Ack, Nack
from sqlalchemy import Engine

from server.db.engine import DatabaseUnavailable, plain_errors
from server.distribution import store
from server.distribution.store import Client

if TYPE_CHECKING:
    from server.actors import Actor
    from server.distribution.log import Scope

log = structlog.get_logger()

WRITE_SECONDS = 2.0
"""How often what has changed is written down."""

UNSUPPORTED_IDS_MAX = 100
TEXT_LENGTH_MAX = 500

Key = tuple[str, str, str]


class Clients:
    """What is known of tills and isn't written down yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changed: dict[Key, Client] = {}
        self._writing = asyncio.Lock()

    def seen(self, actor: Actor, scope: Scope, device_id: str, *, engine_version: str = "") -> Client:
        """A till that has connected, or reports."""
        return Client(
            company_id=actor.company_id,
            device_id=device_id,
            scope_id=scope.id,
            store_ids=scope.store_ids,
            token_id=actor.token_id,
            engine_version=_storable(engine_version),
            connected=True,
            seen_time=datetime.now(UTC),
            epoch=0,
            revision=0,
            control_sequence=0,
            ack_time=None,
            unsupported_ids=(),
            nack_epoch=None,
            nack_revision=None,
            nack_reason=None,
            nack_detail=None,
        )

    def put(self, client: Client) -> Client:
        """Notes what is known of a till now."""
        now = replace(client, seen_time=datetime.now(UTC))
        self._changed[now.company_id, now.device_id, now.scope_id] = now
        return now

    def disconnected(self, client: Client) -> None:
        """A till has gone."""
        self.put(replace(client, connected=False))

    async def write(self) -> None:
        """Writes down what has changed. When the database is away, it is kept for the next time."""
        async with self._writing:
            changed, self._changed = self._changed, {}
            if not changed:
                return
            try:
                await asyncio.to_thread(self._put, list(changed.values()))
            except DatabaseUnavailable:
                self._changed = changed | self._changed

    def _put(self, clients: list[Client]) -> None:
        # In one order, so that two processes never wait for each other.
        ordered = sorted(clients, key=lambda client: (client.company_id, client.device_id, client.scope_id))
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.put_clients(connection, ordered)


def acked(client: Client, ack: Ack) -> Client:
    """With what a till has said that it has."""
    behind = client.nack_revision is not None and (ack.epoch, ack.revision) < (
        client.nack_epoch,
        client.nack_revision,
    )
    return replace(
        client,
        epoch=ack.epoch,
        revision=ack.revision,
        control_sequence=ack.control_sequence,
        ack_time=datetime.now(UTC),
        unsupported_ids=tuple(map(_storable, ack.unsupported_ids[:UNSUPPORTED_IDS_MAX])),
        nack_epoch=client.nack_epoch if behind else None,
        nack_revision=client.nack_revision if behind else None,
        nack_reason=client.nack_reason if behind else None,
        nack_detail=client.nack_detail if behind else None,
    )


def refused(client: Client, nack: Nack) -> Client:
    """With what a till has refused."""
    return replace(
        client,
        nack_epoch=nack.epoch,
        nack_revision=nack.revision,
        nack_reason=nack.reason,
        nack_detail=_storable(nack.detail),
    )


def _storable(text: str) -> str:
    """What a till says, as the database takes it: one that can't be stored would keep all others from it."""
    return text.replace("\0", "")[:TEXT_LENGTH_MAX]
