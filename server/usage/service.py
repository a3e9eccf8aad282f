"""Use cases of uploads: good items are kept, once each, and bad ones are told."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table

from server.actors import Actor
from server.db.engine import plain_errors
from server.definitions.tills import Tills
from server.runtime.errors import Invalid
from server.usage import store
from server.usage.reading import Item, Premises, log_of, usage_of
from server.usage.tables import bill_log, usage

__all__ = ["Uploaded", "Usage"]

ITEMS_MAX = 1000
"""How many items an upload has at most."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What came of an upload."""

    created: int
    """Those that weren't there yet."""
    errors: tuple[Json, ...]
    """Those that can't be kept, each with what is wrong with it."""
    total: int


class Usage:
    """The uploads of all companies in one database. Company and stores are those of the token."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tills = Tills(engine)

    def upload_usages(self, actor: Actor, items: Sequence[Any]) -> Uploaded:
        """Keeps which promotions were granted. What a bill has of a promotion already stays."""
        return self._upload(actor, items, usage_of, usage)

    def upload_logs(self, actor: Actor, items: Sequence[Any]) -> Uploaded:
        """Keeps what became of promotions on bills. What was said before in the same words stays."""
        return self._upload(actor, items, log_of, bill_log)

    def counts(self, company_id: str, promotion_ids: Collection[str]) -> dict[str, int]:
        """How often some promotions were used, as far as tills have told."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.counts(connection, company_id, promotion_ids)

    def _upload(
        self, actor: Actor, items: Sequence[Any], read: Callable[[Item, Premises], Json], table: Table
    ) -> Uploaded:
        if len(items) > ITEMS_MAX:
            raise Invalid("TOO_MANY_ITEMS", f"an upload has at most {ITEMS_MAX} items")
        named = {item["promotion_id"] for item in items if isinstance(item, dict) and _named(item)}
        premises = Premises(
            self._tills.currencies(actor.company_id),
            self._tills.known(actor.company_id, named).__contains__,
            actor.store_ids,
        )
        rows, errors = [], []
        for given in items:
            item = Item(given) if isinstance(given, dict) else None
            row = read(item, premises) if item else {}
            if item is None:
                errors.append({"data": given, "error": "must be an object"})
            elif item.errors:
                errors.append({"data": given, "errors": item.errors})
            else:
                row |= {"company_id": actor.company_id, "token_id": actor.token_id}
                rows.append((given, row))
        created = 0
        with plain_errors(self._engine), self._engine.begin() as connection:
            # In one order, so that no two uploads wait for each other.
            for given, row in sorted(rows, key=lambda pair: (pair[1]["store_id"], *_key(pair[1]))):
                if store.add(connection, table, row):
                    created += 1
                elif table is usage and not _same(connection, row):
                    errors.append({"data": given, "error": CONFLICT})
        return Uploaded(created, tuple(errors), len(items))


CONFLICT = "another usage of this promotion was uploaded for this bill; it stays as it was"


def _key(row: Json) -> tuple[str, str, bytes]:
    return row["bill_id"], row["promotion_id"], row.get("content_hash", b"")


def _same(connection: Connection, row: Json) -> bool:
    """Whether the usage that is there says the same. Who uploaded it doesn't matter: tokens are rotated."""
    kept = store.usage_like(connection, row)
    return all(kept[name] == value for name, value in row.items() if name != "token_id")


def _named(item: Json) -> bool:
    return isinstance(item.get("promotion_id"), str) and "\0" not in item["promotion_id"]
