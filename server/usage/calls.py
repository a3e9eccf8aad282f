"""What tills over HTTP may ask: plain values to use cases, and what these give back to plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.actors import Actor
from server.definitions.tills import Reader, Tills, UnknownStore
from server.runtime.calls import UseCase
from server.runtime.errors import Denied, Invalid, Unknown
from server.usage.service import Uploaded, Usage

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes a till asks for."""

    store_id: str
    brand_id: str
    last_sync: str
    reader: Reader


@dataclass(frozen=True, slots=True)
class WantedDocuments:
    """Which documents a till asks for."""

    promotion_ids: Any
    reader: Reader


def reader_of(extensions: str, currency_code: str) -> Reader:
    """What a till says of how it reads: extensions with commas between them, or `all`."""
    named = frozenset(filter(None, (name.strip() for name in extensions.split(","))))
    return Reader(None if named == {"all"} else named, currency_code)


def use_cases(tills: Tills, usage: Usage) -> Mapping[str, UseCase]:
    """What each of them does, by the name that its rule has."""
    calls = TillCalls(tills, usage)
    return {
        "sync/GetChanges": calls.changes,
        "sync/GetDocument": calls.document,
        "sync/GetDocuments": calls.documents,
        "sync/GetVersion": calls.version,
        "sync/UploadUsages": calls.upload_usages,
        "sync/UploadLogs": calls.upload_logs,
    }


class TillCalls:
    """One method each. The company and the stores are those of the token."""

    def __init__(self, tills: Tills, usage: Usage) -> None:
        self._tills = tills
        self._usage = usage

    def changes(self, actor: Actor, wanted: Wanted) -> Json:
        if not wanted.store_id:
            raise Invalid("REQUIRED", "store_id is required", field="store_id")
        if actor.store_ids and wanted.store_id not in actor.store_ids:
            raise Denied("OTHER_STORE", "the token is for other stores", field="store_id")
        since = _instant(wanted.last_sync) if wanted.last_sync else None
        try:
            changes = self._tills.changes(
                actor.company_id, wanted.store_id, wanted.brand_id, since, wanted.reader
            )
        except UnknownStore:
            # As the prescribed answer is: nothing for a store that nobody knows, with the time to go on from.
            raise Unknown("STORE_UNKNOWN", "Store not found", field="store_id") from None
        promotions = self._counted(actor, list(changes.promotions))
        return {
            "promotions": promotions,
            "deleted_promotion_ids": list(changes.deleted_ids),
            "deleted_ids": list(changes.deleted_ids),
            "sync_timestamp": _text(changes.time),
            "count": len(promotions),
        }

    def document(self, actor: Actor, wanted: WantedDocuments) -> Json:
        found = self._some(actor, wanted.promotion_ids, wanted.reader)
        if not found:
            raise Unknown("PROMOTION_UNKNOWN", "Promotion not found")
        return found[0]

    def documents(self, actor: Actor, wanted: WantedDocuments) -> Json:
        if not isinstance(wanted.promotion_ids, list):
            raise Invalid("REQUIRED", "promotion_ids is required", field="promotion_ids")
        named = [key for key in wanted.promotion_ids if isinstance(key, str)]
        found = self._some(actor, named, wanted.reader)
        return {"promotions": found, "count": len(found)}

    def version(self, actor: Actor, _: None) -> Json:
        version, updated, force_update = self._tills.version(actor.company_id)
        return {
            "version": version,
            "last_updated": _text(updated) if updated else None,
            "force_update": force_update,
        }

    def upload_usages(self, actor: Actor, usages: Any) -> Json:
        if not isinstance(usages, list):
            raise Invalid("REQUIRED", "usages array is required", field="usages")
        return _uploaded(self._usage.upload_usages(actor, usages))

    def upload_logs(self, actor: Actor, logs: Any) -> Json:
        if not isinstance(logs, list):
            raise Invalid("REQUIRED", "logs array is required", field="logs")
        return _uploaded(self._usage.upload_logs(actor, logs))

    def _some(self, actor: Actor, promotion_ids: list[str], reader: Reader) -> list[Json]:
        found = self._tills.some(actor.company_id, sorted(actor.store_ids), promotion_ids, reader)
        return self._counted(actor, found)

    def _counted(self, actor: Actor, documents: list[Json]) -> list[Json]:
        """Documents with the number of uses as tills have told it until now."""
        counts = self._usage.counts(actor.company_id, [document["id"] for document in documents])
        return [
            {**document, "limits": {**document["limits"], "current_uses": counts.get(document["id"], 0)}}
            for document in documents
        ]


def _uploaded(uploaded: Uploaded) -> Json:
    return {"created": uploaded.created, "errors": list(uploaded.errors), "total": uploaded.total}


def _instant(text: str) -> datetime:
    try:
        # A plus that wasn't escaped arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(
            "UNREADABLE", "last_sync must be an instant such as 2026-01-27T10:00:00Z", field="last_sync"
        )
    return moment


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
