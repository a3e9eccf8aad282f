"""Saving test carts: each save is a new version, and a stale one is a conflict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dealwright.v1.test_cart_pb2 import TestCart
from sqlalchemy import Connection

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.definitions.conflicts import require_fresh
from server.definitions.store import test_carts as store
from server.definitions.store.test_carts import StoredCart
from server.documents import to_value
from server.runtime.errors import AlreadyThere, Invalid, Unknown

Json = dict[str, Any]

TEST_CARTS_MAX = 500
"""How many test carts a company has at most: each publication waits for all of them."""


@dataclass(frozen=True, slots=True)
class CartDraft:
    """A test cart to be saved, and what it was based on."""

    cart: TestCart
    new: bool | None = None
    """True: it has to be new. False: it has to exist. None: either, as when files are applied."""
    etag: int | None = None
    """The etag of what was read before it was edited. None: whatever is there is replaced."""


@dataclass(frozen=True, slots=True)
class SavedCarts:
    """What saving did, by test cart id."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...] = ()


def save_carts(
    connection: Connection, actor: Actor, drafts: Sequence[CartDraft], comment: str, *, prune: bool = False
) -> SavedCarts:
    """Saves all of them or refuses. Pruning deletes those that aren't given."""
    if not drafts and not prune:
        return SavedCarts((), (), ())
    known = store.newest(connection, actor.company_id, [draft.cart.id for draft in drafts])
    for draft in drafts:
        _require_possible(connection, actor, draft, known.get(draft.cart.id))
    wanted = {draft.cart.id: to_value(draft.cart) for draft in drafts}
    there = {key for key, stored in known.items() if stored.definition is not None}
    written: dict[str, Json | None] = {
        key: value for key, value in wanted.items() if key not in there or known[key].definition != value
    }
    others = {
        key: stored for key, stored in store.newest(connection, actor.company_id).items() if key not in wanted
    }
    _require_room(len(wanted) + (0 if prune else len(others)))
    gone: dict[str, Json | None] = dict.fromkeys(others if prune else ())
    write_carts(connection, actor, known | others, written | gone, comment)
    return SavedCarts(
        tuple(key for key in written if key not in there),
        tuple(key for key in written if key in there),
        tuple(key for key in wanted if key not in written),
        tuple(gone),
    )


def write_carts(
    connection: Connection,
    actor: Actor,
    known: Mapping[str, StoredCart],
    definitions: Mapping[str, Json | None],
    comment: str,
) -> None:
    """Writes the next version of each, with its audit entry. None deletes."""
    versions = {key: known[key].version + 1 if key in known else 1 for key in definitions}
    events = []
    for key, definition in definitions.items():
        before = known[key].definition if key in known else None
        action = "delete" if definition is None else "create" if before is None else "update"
        events.append(
            Event(action, "test_cart", key, versions[key], None, comment, before=before, after=definition)
        )
    entries = audit.append(connection, actor, events)
    rows = [
        (key, versions[key], definition, entry)
        for (key, definition), entry in zip(definitions.items(), entries, strict=True)
    ]
    store.insert_versions(connection, actor.company_id, rows, actor.name, comment)


def _require_possible(
    connection: Connection, actor: Actor, draft: CartDraft, stored: StoredCart | None
) -> None:
    key = draft.cart.id
    if stored is None or stored.definition is None:
        if draft.new is False:
            raise unknown_test_cart(key)
        return
    if draft.new:
        raise AlreadyThere(
            "TEST_CART_EXISTS",
            f"there is a test cart {key} already",
            field="test_cart.id",
            test_cart_id=key,
        )
    require_fresh(connection, actor.company_id, "test_cart", key, stored, draft.etag)


def _require_room(count: int) -> None:
    if count > TEST_CARTS_MAX:
        raise Invalid(
            "TOO_MANY",
            f"a company has at most {TEST_CARTS_MAX} test carts, not {count}",
            field="test_cart",
            limit=str(TEST_CARTS_MAX),
        )


def unknown_test_cart(test_cart_id: str) -> Unknown:
    return Unknown("TEST_CART_UNKNOWN", f"there is no test cart {test_cart_id}", test_cart_id=test_cart_id)
