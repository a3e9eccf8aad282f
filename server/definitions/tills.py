"""Use cases of tills that evaluate POS documents by themselves: all for a store, and what changed since."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.definitions.compiling import editions
from server.definitions.contents import contents_at, read_promotion
from server.definitions.pos import Edition, understood
from server.definitions.rollouts import in_force_at
from server.definitions.service import require_revision, snapshot, writing
from server.definitions.store import pos as store
from server.definitions.store.pos import PosDocument
from server.definitions.store.revisions import policy_at
from server.runtime.errors import Invalid, Unknown

__all__ = ["READS_ALL", "READS_PLAIN", "Changes", "PosDocument", "Reader", "Tills", "UnknownStore"]

LOOK_AHEAD = timedelta(days=14)
"""How long before its first day a promotion is sent, so that a till without a network has it then."""

Json = dict[str, Any]


class UnknownStore(Unknown):
    """A store that the company doesn't have."""

    def __init__(self, store_id: str) -> None:
        message = f"there is no store {store_id}"
        super().__init__("STORE_UNKNOWN", message, field="store_id", store_id=store_id)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a till that was up to date at a time has to do to be so again."""

    promotions: tuple[Json, ...]
    deleted_ids: tuple[str, ...]
    time: datetime
    """What to ask with next time."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What a till says of how it reads documents."""

    extensions: frozenset[str] | None = frozenset()
    """The extensions that it understands; None is all. A document that has another one isn't for it."""
    currency_code: str = ""
    """Where it sells, for companies that keep no stores. Empty: there is one."""


READS_ALL = Reader(None)
READS_PLAIN = Reader()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where and when documents are wanted: the store as it was at a revision, and the day there."""

    store_id: str
    brand_id: str
    currency_code: str
    today: date
    reader: Reader

    def wants(self, document: Json) -> bool:
        """Whether a document is sent: it holds in the store, and isn't over or too far ahead."""
        first, last = document["validity"]["start_date"], document["validity"]["end_date"]
        begins = first is None or first <= str(self.today + LOOK_AHEAD)
        return begins and (last is None or last >= str(self.today)) and self.is_in(document)

    def is_in(self, document: Json) -> bool:
        """Whether a document holds in the store, at whatever time, and its till can read it."""
        targeting = document["targeting"]
        return (
            understood(document, self.reader.extensions)
            and _among(self.store_id, targeting["stores"])
            and _among(self.brand_id, targeting["brands"])
            and not (self.brand_id and _among(self.brand_id, targeting.get("exclude_brands", ())))
        )


class Tills:
    """The POS documents of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def changes(
        self,
        company_id: str,
        store_id: str,
        brand_id: str = "",
        since: datetime | None = None,
        reader: Reader = READS_PLAIN,
    ) -> Changes:
        """What changed for a store since a time that an earlier answer gave; all of it without one."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            newest, now = store.settled_head(connection, company_id)
            head = in_force_at(connection, company_id, newest, store_id)
            place = _place(connection, company_id, store_id, brand_id, reader, head, now)
            if place is None:
                raise UnknownStore(store_id)
            current = _wanted(connection, company_id, head, place)
            if since is None or since > now:
                return Changes(_documents(current), (), now)
            last = store.revision_before(connection, company_id, since)
            then = in_force_at(connection, company_id, last, store_id)
            earlier = _place(connection, company_id, store_id, brand_id, reader, then, since)
            known = _wanted(connection, company_id, then, earlier)
            news = {key: found for key, found in current.items() if known.get(key) != found}
            passing = [
                found.promotion_id
                for found in store.written_between(connection, company_id, place.currency_code, then, head)
                if found.document is not None and place.is_in(found.document)
            ]
            gone = {*known, *passing} - current.keys()
        return Changes(_documents(news), tuple(sorted(gone)), now)

    def some(
        self,
        company_id: str,
        store_ids: Sequence[str],
        promotion_ids: Sequence[str],
        reader: Reader = READS_PLAIN,
    ) -> list[Json]:
        """The documents of some promotions, if they hold in one of the stores; in any, when none is named."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            newest, now = store.settled_head(connection, company_id)
            found: dict[str, Json] = {}
            for store_id in store_ids or store.currencies_at(connection, company_id, newest) or [""]:
                head = in_force_at(connection, company_id, newest, store_id)
                place = _place(connection, company_id, store_id, "", reader, head, now)
                for key, written in _wanted(connection, company_id, head, place).items():
                    if key in promotion_ids and written.document is not None:
                        found.setdefault(key, written.document)
        return [found[key] for key in sorted(found)]

    def edition(self, company_id: str, currency_code: str = "", language: str = "en") -> Edition:
        """What the documents of a company are written for. Its stores may leave but one currency."""
        with snapshot(self._engine) as connection:
            head = require_revision(connection, company_id, None)
            contents = contents_at(connection, company_id, head)
            found = editions(contents, map(read_promotion, contents.promotions.values()))
        if currency_code:
            found = [replace(found[0], currency_code=currency_code)]
        if len(found) != 1 or not found[0].currency_code:
            known = ", ".join(filter(None, (edition.currency_code for edition in found)))
            known = known or "nothing says in which the company sells"
            message = f"say in which currency the amounts are: {known}"
            raise Invalid("REQUIRED", message, field="currency_code")
        return replace(found[0], language=language)

    def set_force_update(self, actor: Actor, *, forced: bool) -> None:
        """Says whether tills are to load everything anew, until it is taken back."""
        with writing(self._engine, actor.company_id) as connection:
            before = store.force_update(connection, actor.company_id)
            if before != forced:
                change = ({"force_update": before}, {"force_update": forced})
                event = Event("change", "company", actor.company_id, before=change[0], after=change[1])
                audit.append(connection, actor, [event])
                store.set_force_update(connection, actor.company_id, forced)

    def currencies(self, company_id: str) -> dict[str, str]:
        """The currency of each store of a company, by its id."""
        with snapshot(self._engine) as connection:
            head = require_revision(connection, company_id, None)
            return store.currencies_at(connection, company_id, head)

    def known(self, company_id: str, promotion_ids: Collection[str]) -> set[str]:
        """Those of some promotions that the company has or had."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.known(connection, company_id, promotion_ids)

    def version(self, company_id: str) -> tuple[int, datetime | None, bool]:
        """The last revision, when it was published, and whether tills are to load everything anew."""
        with snapshot(self._engine) as connection:
            head = require_revision(connection, company_id, None)
            return (
                head,
                store.publish_time(connection, company_id, head),
                store.force_update(connection, company_id),
            )

    def of_store(
        self, company_id: str, store_id: str, reader: Reader = READS_ALL
    ) -> tuple[Mapping[str, PosDocument], Mapping[str, PosDocument]]:
        """The documents of a store, and the promotions in force for which there is none, by id."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            newest, now = store.settled_head(connection, company_id)
            head = in_force_at(connection, company_id, newest, store_id)
            place = _place(connection, company_id, store_id, "", reader, head, now)
            if place is None:
                raise UnknownStore(store_id)
            every = store.documents_at(connection, company_id, place.currency_code, head)
        return _in_scope(every, place), {key: found for key, found in every.items() if found.document is None}


def _wanted(
    connection: Connection, company_id: str, revision: int, place: _Place | None
) -> dict[str, PosDocument]:
    if place is None:
        return {}
    return _in_scope(store.documents_at(connection, company_id, place.currency_code, revision), place)


def _in_scope(every: Mapping[str, PosDocument], place: _Place) -> dict[str, PosDocument]:
    return {key: found for key, found in every.items() if found.document and place.wants(found.document)}


def _documents(found: Mapping[str, PosDocument]) -> tuple[Json, ...]:
    return tuple(written.document for written in found.values() if written.document is not None)


def _place(
    connection: Connection,
    company_id: str,
    store_id: str,
    brand_id: str,
    reader: Reader,
    revision: int,
    moment: datetime,
) -> _Place | None:
    kept = store.store_at(connection, company_id, store_id, revision)
    if kept is None:
        return _place_without_stores(connection, company_id, store_id, brand_id, reader, revision, moment)
    today = moment.astimezone(ZoneInfo(kept["time_zone"])).date()
    brand_id = brand_id or kept.get("brand_id", "")
    return _Place(store_id, brand_id, kept.get("currency_code", ""), today, reader)


def _place_without_stores(
    connection: Connection,
    company_id: str,
    store_id: str,
    brand_id: str,
    reader: Reader,
    revision: int,
    moment: datetime,
) -> _Place | None:
    """Any store of a company that keeps none; None when it keeps some, or has published nothing."""
    if store.currencies_at(connection, company_id, revision):
        return None
    written = store.currencies_written(connection, company_id)
    if not written:
        return None
    currencies = [reader.currency_code] if reader.currency_code else sorted(written - {""}) or [""]
    if len(currencies) > 1:
        message = f"say in which currency the till sells: {', '.join(currencies)}"
        raise Invalid("REQUIRED", message, field="currency")
    zone = (policy_at(connection, company_id, revision) or {}).get("time_zone") or "UTC"
    today = moment.astimezone(ZoneInfo(zone)).date()
    return _Place(store_id, brand_id, currencies[0], today, reader)


def _among(name: str, names: str | Sequence[str]) -> bool:
    """Names are compared without regard to case, as everywhere."""
    return names == "all" or name.casefold() in (known.casefold() for known in names)
