"""Audit by replay: what tills granted is priced again at its revision, and must give the same bytes."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum

import dealwright_engine
import structlog
from dealwright.rule_stream import Holding
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.journal_pb2 import JournalRecord, JournalSale
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection, Engine

from server.db.engine import DatabaseUnavailable, plain_errors
from server.definitions.service import Definitions, UnknownRevision
from server.distribution.catalogue import Catalogue
from server.journals import store
from server.journals.store import Pending
from server.runtime.metrics import Metrics

log = structlog.get_logger()

SALES_AT_ONCE = 100
"""Sales of one transaction."""

RULESETS_MAX = 4
"""How many rulesets of the past stay compiled."""


class Outcome(StrEnum):
    """What a replay found."""

    SAME = "same"
    DRIFTED = "drifted"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Found:
    """What a replay found, and how it differs."""

    outcome: Outcome
    detail: str = ""
    hash: bytes = b""


Which = tuple[str, int, tuple[str, ...], tuple[str, ...]]
"""A ruleset: of a company, at a revision, for some stores, without some promotions."""


class Replays:
    """Prices uploaded sales again. Several processes share the work."""

    def __init__(self, engine: Engine, definitions: Definitions, metrics: Metrics) -> None:
        self._engine = engine
        self._definitions = definitions
        self._metrics = metrics
        self._rulesets: OrderedDict[Which, dealwright_engine.Ruleset] = OrderedDict()
        self._failing = False

    def run(self) -> Counter[Outcome]:
        """Prices everything again that waits for it. Without the database it waits on."""
        found: Counter[Outcome] = Counter()
        try:
            while (some := self._run_some()).total():
                found += some
            self._tell_counts()
            self._failing = False
        except DatabaseUnavailable as error:
            if not self._failing:
                log.error("journal_replays_failed", error=str(error))
            self._failing = True
        return found

    def _run_some(self) -> Counter[Outcome]:
        outcomes: Counter[Outcome] = Counter()
        with plain_errors(self._engine), self._engine.begin() as connection:
            for pending in store.take_pending(connection, SALES_AT_ONCE):
                found = self._replayed(pending)
                store.forget_pending(connection, pending)
                outcomes[found.outcome] += 1
                if found.outcome is not Outcome.SAME:
                    _keep(pending, found, connection)
        for outcome, count in outcomes.items():
            self._metrics.journal_replays.labels(outcome.value).inc(count)
        return outcomes

    def _replayed(self, pending: Pending) -> Found:
        sale = JournalRecord.FromString(pending.record).sale
        try:
            ruleset = self._ruleset(pending.name.company_id, sale)
            answer = ruleset.evaluate(sale.request.SerializeToString(), 0)
        except UnknownRevision:
            return Found(Outcome.UNVERIFIED, f"there is no revision {sale.result.revision}")
        except dealwright_engine.EngineError as error:
            return Found(Outcome.DRIFTED, f"the sale is refused here: {error}")
        result = EvaluateResponse.FromString(answer).result
        if result.result_hash == sale.result.result_hash and result == sale.result:
            return Found(Outcome.SAME)
        return Found(Outcome.DRIFTED, _difference(sale, result.totals.payable_minor), result.result_hash)

    def _ruleset(self, company_id: str, sale: JournalSale) -> dealwright_engine.Ruleset:
        which = company_id, sale.result.revision, tuple(sale.store_ids), tuple(sale.left_out_ids)
        if which in self._rulesets:
            self._rulesets.move_to_end(which)
            return self._rulesets[which]
        message = self._definitions.ruleset(company_id, sale.result.revision)
        ruleset = dealwright_engine.Ruleset.compile(_at_the_till(message, sale))
        self._rulesets[which] = ruleset
        while len(self._rulesets) > RULESETS_MAX:
            self._rulesets.popitem(last=False)
        return ruleset

    def _tell_counts(self) -> None:
        with plain_errors(self._engine), self._engine.connect() as connection:
            pending, drifts, alarms = store.counts(connection)
        self._metrics.journal_pending.set(pending)
        self._metrics.journal_drifts.set(drifts)
        self._metrics.journal_alarms.set(alarms)


def _keep(pending: Pending, found: Found, connection: Connection) -> None:
    revision = JournalRecord.FromString(pending.record).sale.result.revision
    log.warning(
        "journal_drift",
        company=pending.name.company_id,
        device=pending.name.device_id,
        sequence=pending.sequence,
        outcome=found.outcome.value,
        detail=found.detail,
    )
    store.insert_drift(
        connection,
        pending,
        {
            "outcome": found.outcome.value,
            "revision": revision,
            "detail": found.detail,
            "found_hash": found.hash,
        },
    )


def _at_the_till(ruleset: Ruleset, sale: JournalSale) -> bytes:
    """What the till had in force: the scope of its stores, without what it left out."""
    whole = b"".join(part.fields for part in Catalogue(ruleset).parts(sale.store_ids))
    return Holding.of(whole).ruleset(ruleset.company_id, ruleset.revision, sale.left_out_ids)


def _difference(sale: JournalSale, payable_minor: int) -> str:
    there = sale.result.totals.payable_minor
    if there == payable_minor:
        return f"the same {there} to pay, but another result"
    return f"{there} to pay at the till, {payable_minor} here"
