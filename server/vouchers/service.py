"""Use cases of vouchers: make, import, export, find, disable and check codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, Engine, func

from server.actors import Actor, Role
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.definitions.promotions import Promotions
from server.events import service as events
from server.runtime.errors import Invalid, Refusal, Unknown
from server.vouchers import batches, checks, offline
from server.vouchers.applying import Given, applying
from server.vouchers.applying import Refusal as VoucherRefusal
from server.vouchers.batches import BatchSpec, Code, Maker
from server.vouchers.checks import Checked, Throttle
from server.vouchers.code import LAST_CHARS, Codes, skeleton
from server.vouchers.importing import GivenRow, Report, import_rows
from server.vouchers.store import batches as store
from server.vouchers.store import guessers
from server.vouchers.store import vouchers as rows
from server.vouchers.store.batches import Batch
from server.vouchers.store.vouchers import Voucher

if TYPE_CHECKING:
    from server.keys.service import Pepper
    from server.vouchers.throttling import Subject

__all__ = [
    "Batch",
    "BatchSpec",
    "Code",
    "Given",
    "GivenRow",
    "Voucher",
    "VoucherRefusal",
    "Vouchers",
]

log = structlog.get_logger()

PAGE_SIZE = 50
PAGE_SIZE_MAX = 500
FOUND_MAX = 100
"""How many vouchers a look-up by customer gives."""

SEAL_DAYS = 30
"""How long the codes of a batch can be had again after it is complete, if nobody seals it before."""

KEEP_DAYS = 400
"""How long vouchers that ended unused are kept, so that support can still say what became of them."""

DELETE_CHUNK = 20_000


class Vouchers:
    """The vouchers of all companies in one database."""

    def __init__(self, engine: Engine, pepper: Pepper) -> None:
        self._engine = engine
        self._pepper = pepper
        self._promotions = Promotions(engine)
        self.throttle = Throttle(engine, pepper)

    def create_batch(self, actor: Actor, spec: BatchSpec) -> Batch:
        """Makes a batch without any codes yet; `make` makes them, and so does the worker if nobody else
        does."""
        values = batches.checked(spec)
        self._require_voucher_promotion(actor, spec.promotion_id)
        # Nothing is made under a pepper that isn't this database's.
        self._codes(actor.company_id)
        with plain_errors(self._engine), self._engine.begin() as connection:
            batch = _inserted(
                connection, actor, "generate", values, origin="generated", salt=batches.new_salt()
            )
            if batch.offline:
                offline.require_room(connection, actor.company_id)
            return batch

    def make(self, company_id: str, batch_id: int) -> Iterator[Batch]:
        """Makes the codes of a batch that aren't there yet, and gives the batch after each part of them."""
        while True:
            with plain_errors(self._engine), self._engine.begin() as connection:
                batch = batches.make_some(connection, self._pepper, company_id, batch_id)
            if batch is None:
                raise unknown_batch(batch_id)
            yield batch
            if batch.complete_time is not None:
                return

    def make_unfinished(self) -> None:
        """Makes what is missing of every batch, such as after a process died."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            unfinished = store.unfinished(connection)
        for company_id, batch_id in unfinished:
            for batch in self.make(company_id, batch_id):
                log.info("codes_made", company=company_id, batch=batch_id, made=batch.made)

    def import_codes(
        self, actor: Actor, spec: BatchSpec, given: Iterable[GivenRow], *, partial: bool = False
    ) -> tuple[Batch | None, Report]:
        """Imports codes as a batch. One wrong row refuses all, unless the right ones are wanted even so."""
        terms = batches.checked_terms(spec)
        self._require_voucher_promotion(actor, spec.promotion_id)
        codes = self._codes(actor.company_id)
        with plain_errors(self._engine), self._engine.connect() as connection:
            with connection.begin() as transaction:
                values = {**_IMPORTED, **terms, "promotion_id": spec.promotion_id}
                batch = _inserted(connection, actor, "import", values, origin="imported", salt=None)
                report = import_rows(connection, codes, batch, given)
                if not report.imported or (report.refused and not partial):
                    transaction.rollback()
                    return None, replace(report, imported=0)
                batch = store.change_batch(
                    connection,
                    batch.id,
                    quantity=report.imported,
                    made=report.imported,
                    complete_time=func.clock_timestamp(),
                )
                events.record(connection, actor.company_id, [batches.created(batch)])
            return batch, report

    def export(self, actor: Actor, batch_id: int, skip: int = 0) -> tuple[Batch, Iterator[Code]]:
        """The codes of a batch in plain letters, as long as it isn't sealed. The audit log has who took
        them."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            batch = _required(connection, actor, batch_id, lock=True)
            if batch.origin == "imported":
                raise Refusal("BATCH_IMPORTED", "the codes were imported: who gave them has them")
            if batch.salt is None:
                raise Refusal("BATCH_SEALED", f"batch {batch_id} is sealed: its codes can't be had again")
            audit.append(connection, actor, [_event("export", batch, after={"codes": batch.made})])
        return batch, Maker(self._pepper, batch, batch.salt).all(skip)

    def seal(self, actor: Actor, batch_id: int) -> Batch:
        """Forgets what the codes of a batch could be made again from. They go on working."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            batch = _required(connection, actor, batch_id, lock=True)
            if batch.complete_time is None:
                raise Refusal("BATCH_UNFINISHED", f"batch {batch_id} doesn't have all of its codes yet")
            if batch.salt is None:
                return batch
            audit.append(connection, actor, [_event("seal", batch)])
            return store.change_batch(connection, batch_id, salt=None)

    def disable_batch(self, actor: Actor, batch_id: int) -> Batch:
        """Makes every code of a batch useless, at once and for good."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            batch = _required(connection, actor, batch_id, lock=True)
            if batch.disable_time is not None:
                return batch
            audit.append(connection, actor, [_event("disable", batch)])
            return store.change_batch(connection, batch_id, disable_time=func.clock_timestamp())

    def disable_code(self, actor: Actor, code: str) -> Voucher:
        """Makes one code useless, for good."""
        voucher_id = self._codes(actor.company_id).voucher_id(skeleton(code))
        with plain_errors(self._engine), self._engine.begin() as connection:
            voucher = rows.find(connection, actor.company_id, [voucher_id], lock=True).get(voucher_id)
            if voucher is None:
                raise Unknown("VOUCHER_UNKNOWN", "there is no voucher with this code", field="code")
            if rows.disable(connection, actor.company_id, voucher_id):
                after = {"batch_id": voucher.batch_id, "last_four": voucher.last_four}
                audit.append(connection, actor, [Event("disable", "voucher", voucher_id.hex(), after=after)])
        return replace(voucher, disabled=True)

    def batch(self, actor: Actor, batch_id: int) -> tuple[Batch, int, int | None]:
        """A batch, how many of its codes have been used, and how many uses of it are at risk, where that is
        capped."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            found = _required(connection, actor, batch_id)
            at_risk = None if found.risk_cap is None else offline.at_risk(connection, batch_id)
            return found, store.count_used(connection, batch_id), at_risk

    def batches(self, actor: Actor, below: int | None = None, count: int = PAGE_SIZE) -> list[Batch]:
        """The newest batches, or the newest below a number."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.batches(connection, actor.company_id, below, count)

    def look_up(
        self, actor: Actor, *, code: str = "", customer_id: str = "", last_four: str = ""
    ) -> list[Voucher]:
        """Vouchers for support: by the whole code, or by their customer, perhaps with the end of the code."""
        if bool(code) == bool(customer_id):
            raise Invalid("REQUIRED", "give a code, or a customer_id with or without last_four", field="code")
        with plain_errors(self._engine), self._engine.connect() as connection:
            if code:
                voucher_id = self._codes(actor.company_id).voucher_id(skeleton(code))
                return list(rows.find(connection, actor.company_id, [voucher_id]).values())
            end = skeleton(last_four).upper()
            if last_four and len(end) != LAST_CHARS:
                raise Invalid("OUT_OF_RANGE", f"last_four has {LAST_CHARS} letters", field="last_four")
            return rows.of_customer(connection, actor.company_id, customer_id, end, FOUND_MAX)

    def check(
        self, actor: Actor, typed: Sequence[str], customer_id: str, subjects: Sequence[Subject]
    ) -> list[Checked]:
        """Says which codes apply to a customer now, to callers who may be guessing."""
        codes = self._codes(actor.company_id)
        return checks.check(self._engine, self.throttle, codes, actor, typed, customer_id, subjects)

    def apply(self, actor: Actor, given: Sequence[Given], customer_id: str) -> list[Voucher | VoucherRefusal]:
        """For each voucher of an order that which applies now, or why none does; unknown ones are counted."""
        codes = self._codes(actor.company_id)
        return checks.apply(self._engine, self.throttle, codes, actor, given, customer_id)

    def applying(
        self,
        connection: Connection,
        company_id: str,
        given: Sequence[Given],
        customer_id: str,
        *,
        lock: bool = False,
    ) -> list[Voucher | VoucherRefusal]:
        """The same in the caller's transaction, uncounted. Until its end nobody disables what is locked."""
        now = guessers.clock(connection)
        return applying(connection, self._codes(company_id), company_id, given, customer_id, now, lock=lock)

    def till_key(self, company_id: str, batch_id: int) -> bytes:
        """By which tills recognise the codes of a batch."""
        return self._codes(company_id).till_key(batch_id)

    def masked(self, company_id: str, code: str) -> str:
        """What stands for a code where it is kept: nobody can use it, and the same code has the same."""
        return self._codes(company_id).masked(skeleton(code))

    def clean_up(self) -> int:
        """Seals batches that were handed out long ago, and deletes what ended unused. Returns how many
        vouchers."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            now = guessers.clock(connection)
            guessers.forget(connection, now - timedelta(days=KEEP_DAYS))
            old = store.sealable(connection, now - timedelta(days=SEAL_DAYS))
        for company_id, batch_id in old:
            self.seal(Actor("worker", company_id, frozenset({Role.ADMIN}), "clean-up"), batch_id)
        deleted = 0
        while True:
            with plain_errors(self._engine), self._engine.begin() as connection:
                some = rows.delete_unused(connection, now - timedelta(days=KEEP_DAYS), DELETE_CHUNK)
            deleted += some
            if some < DELETE_CHUNK:
                return deleted

    def _codes(self, company_id: str) -> Codes:
        return Codes(self._pepper, company_id)

    def _require_voucher_promotion(self, actor: Actor, promotion_id: str) -> None:
        definition = self._promotions.get(actor, promotion_id).version.definition
        if "voucher" not in definition.get("trigger", {}):
            raise Refusal(
                "VOUCHER_NOT_ACCEPTED",
                f"{promotion_id} isn't set off by vouchers: give it `trigger: {{voucher: {{}}}}`",
                field="promotion_id",
            )


_IMPORTED: dict[str, object] = {"prefix": "", "random_chars": 0, "quantity": 0, "customer_ids": []}


def unknown_batch(batch_id: int) -> Unknown:
    return Unknown("BATCH_UNKNOWN", f"there is no batch {batch_id}", batch_id=str(batch_id))


def _inserted(
    connection: Connection, actor: Actor, action: str, values: dict[str, object], **more: object
) -> Batch:
    named = {"company_id": actor.company_id, "author": actor.name}
    batch = store.insert_batch(connection, {**values, **more, **named})
    after: dict[str, object] = {
        "promotion_id": batch.promotion_id,
        "quantity": batch.quantity,
        "prefix": batch.prefix,
    }
    if batch.offline:
        after |= {"home_store_id": batch.home_store_id, "risk_cap": batch.risk_cap}
    audit.append(connection, actor, [_event(action, batch, after=after)])
    return batch


def _required(connection: Connection, actor: Actor, batch_id: int, *, lock: bool = False) -> Batch:
    batch = store.batch(connection, actor.company_id, batch_id, lock=lock)
    if batch is None:
        raise unknown_batch(batch_id)
    return batch


def _event(action: str, batch: Batch, after: dict[str, object] | None = None) -> Event:
    return Event(action, "voucher_batch", str(batch.id), after=after)
