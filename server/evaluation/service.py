"""Use cases of evaluation: keep the newest ruleset in memory, and price carts with it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import dealwright_engine
import structlog
from dealwright.v1.cart_pb2 import LimitState
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse, ExplainResponse
from dealwright.v1.ruleset_pb2 import Ruleset
from google.protobuf.message import DecodeError

from server.db.engine import DatabaseUnavailable
from server.definitions.service import Definitions, Follower, Front, Newest
from server.evaluation.limits import RulesetLimits
from server.evaluation.threads import in_engine_thread
from server.kills import NOTHING_KILLED, Killed
from server.runtime.errors import NotReady
from server.runtime.metrics import Metrics

log = structlog.get_logger()

INLINE_BYTES_MAX = 16 * 1024
"""Requests up to this size are evaluated on the event loop; a hop to a thread would cost more."""


COMPANIES_NAMED_MAX = 10
"""How many companies are named to somebody who has to choose one."""


class CompanyUnclear(Exception):
    """The settings name a company that the database doesn't have, or none where it has several."""


@dataclass(frozen=True, slots=True)
class Active:
    """A ruleset that answers."""

    company_id: str
    revision: int
    ruleset: dealwright_engine.Ruleset
    limits: RulesetLimits
    killed: Killed = NOTHING_KILLED
    """What was left out of the revision."""

    @classmethod
    def of(cls, message: Ruleset, killed: Killed = NOTHING_KILLED) -> "Active":
        left = message
        if killed.promotion_ids:
            left = Ruleset()
            left.CopyFrom(message)
            del left.promotions[:]
            out = frozenset(killed.promotion_ids)
            left.promotions.extend(each for each in message.promotions if each.id not in out)
        compiled = dealwright_engine.Ruleset.compile(left.SerializeToString(deterministic=True))
        return cls(message.company_id, message.revision, compiled, RulesetLimits.of(left), killed)


class RulesetHolder:
    """Holds the active ruleset of one company and replaces it whole; calls in flight finish on theirs."""

    def __init__(
        self,
        definitions: Definitions,
        metrics: Metrics,
        company: str | None,
        *,
        killed: Callable[[str], Killed] = lambda company_id: NOTHING_KILLED,
        prepare: Callable[[Newest], Callable[[], None]] = lambda newest: lambda: None,
    ) -> None:
        """`killed` says what is out of force; `prepare` gets what is in force before it is active."""
        self.active: Active | None = None
        """In force everywhere or, while a revision is rolled out, outside of its cohort."""
        self.candidate: Active | None = None
        """In force in the cohort, while a revision is rolled out."""
        self.loaded = asyncio.Event()
        self.last_error: str | None = None
        self.database_away = False
        self._definitions = definitions
        self._metrics = metrics
        self._company = company
        self._killed = killed
        self._prepare = prepare
        self._refreshing = asyncio.Lock()
        self._follower = Follower()
        self._front: Front | None = None
        """Who has what of that which is active."""
        self.newest: Newest | None = None
        """What is in force, as it was published."""
        self.known_at = 0.0
        """Unix time until which what is active is known to be the newest."""
        self._publish: Callable[[], None] | None = None
        """Hands what was prepared to who follows, when it becomes active."""

    def at(self, store_id: str) -> Active:
        """What carts of a store are priced with; raises NotReady."""
        return self.among(_named(store_id))

    def among(self, store_ids: Iterable[str]) -> Active:
        """What a till of some stores prices with; raises NotReady."""
        if self.active is None:
            raise NotReady
        if self.candidate is not None and self._front is not None and self._front.leads(store_ids):
            return self.candidate
        return self.active

    def pricing(self, request: bytes) -> Active:
        """What a request is priced with; raises NotReady. Only while a rollout runs it is read for that.

        The cart has the same number in both requests that price one.
        """
        if self.candidate is None:
            return self.at("")
        try:
            return self.at(EvaluateRequest.FromString(request).cart.store_id)
        except DecodeError:
            # The engine says what is wrong with it.
            return self.at("")

    async def refresh(self) -> None:
        """Loads a newer revision when there is one. A failure keeps what is active, and is logged once."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            newer = await asyncio.to_thread(self._load_if_newer)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, what is active goes on
            self._metrics.refresh_failures.inc()
            plain = isinstance(error, (CompanyUnclear, DatabaseUnavailable))
            text = str(error) if plain else f"{type(error).__name__}: {error}"
            if text != self.last_error:
                log.error(
                    "ruleset_refresh_failed", error=text, active=self.active.revision if self.active else None
                )
            self.last_error = text
            self.database_away = isinstance(error, DatabaseUnavailable)
            return
        self.database_away = False
        if self.last_error is not None:
            log.info("ruleset_refresh_recovered")
            self.last_error = None
        if newer is not None:
            self._activate(*newer)
        if self.active is not None:
            self._know(time.time())

    def restore(self, newest: Newest, killed: Killed, known_at: float) -> None:
        """Takes what was kept elsewhere, until the database has something newer."""
        self._publish = self._prepare(newest)
        self.newest = newest
        self._activate(*_actives(newest, killed))
        self._know(known_at)

    def _know(self, at: float) -> None:
        self.known_at = at
        self._metrics.refresh_time.set(at)

    def _load_if_newer(self) -> tuple[Active, Active | None] | None:
        company_id = self._chosen_company()
        if company_id is None:
            return None
        killed = self._killed(company_id)
        newer = self._definitions.newer(self._follower, company_id, self._front)
        newest = newer or self.newest
        if newest is None or (newer is None and self.active and self.active.killed == killed):
            return None
        begin = time.perf_counter()
        try:
            active, candidate = _actives(newest, killed)
        except dealwright_engine.InvalidRuleset:
            if newer is None or self.newest is None or self.active is None or self.active.killed == killed:
                raise
            # What is killed waits for no revision that this engine refuses.
            return _actives(self.newest, killed)
        self._metrics.ruleset_compile_seconds.set(time.perf_counter() - begin)
        if newer is not None:
            self.newest, self._publish = newer, self._prepare(newer)
        return active, candidate

    def _chosen_company(self) -> str | None:
        """The company that is served; None as long as nothing at all has been published."""
        if self.active is not None:
            return self.active.company_id
        companies = self._definitions.companies()
        if self._company in companies or not companies:
            return self._company
        if self._company is None and len(companies) == 1:
            return companies[0]
        named = ", ".join(companies[:COMPANIES_NAMED_MAX])
        more = len(companies) - COMPANIES_NAMED_MAX
        known = f"{named} and {more} more" if more > 0 else named
        if self._company is None:
            raise CompanyUnclear(f"the database has {known}: set DEALWRIGHT_COMPANY to one of them")
        raise CompanyUnclear(
            f"DEALWRIGHT_COMPANY={self._company}: nothing is published for it, only for {known}"
        )

    def _activate(self, general: Active, candidate: Active | None) -> None:
        self.active, self.candidate = general, candidate
        self._front = self.newest.front if self.newest else None
        publish, self._publish = self._publish, None
        if publish is not None:
            publish()
        self.loaded.set()
        self._metrics.ruleset_revision.set(general.revision)
        self._metrics.ruleset_candidate_revision.set(candidate.revision if candidate else 0)
        self._metrics.ruleset_activation_time.set(time.time())
        self._metrics.ruleset_promotions.set(general.ruleset.promotion_count)
        self._metrics.ruleset_unsupported.set(len(general.ruleset.unsupported))
        for active in filter(None, (general, candidate)):
            _tell(active)


def _tell(active: Active) -> None:
    """Says in the log what became active."""
    ruleset = active.ruleset
    for diagnostic in Diagnostics.FromString(ruleset.diagnostics).diagnostics:
        log.warning(
            "promotion_unsupported",
            promotion=diagnostic.promotion_id,
            code=diagnostic.code,
            field=diagnostic.field,
            message=diagnostic.message,
        )
    log.info(
        "ruleset_active",
        company=active.company_id,
        revision=active.revision,
        promotions=ruleset.promotion_count,
        unsupported=len(ruleset.unsupported),
    )


def _actives(newest: Newest, killed: Killed) -> tuple[Active, Active | None]:
    """What is in force in general, and in the cohort of a rollout."""
    return Active.of(newest.general, killed), newest.candidate and Active.of(newest.candidate, killed)


def _named(store_id: str) -> tuple[str, ...]:
    return (store_id,) if store_id else ()


class Added:
    """A limit state that is added to requests, and told in responses, as bytes of each."""

    def __init__(self, limit_state: LimitState | None = None) -> None:
        self.request = self.evaluated = self.explained = b""
        if limit_state is not None and limit_state.promotions:
            # The field has the same number in both requests.
            self.request = EvaluateRequest(limit_state=limit_state).SerializeToString(deterministic=True)
            self.evaluated = EvaluateResponse(limit_state=limit_state).SerializeToString(deterministic=True)
            self.explained = ExplainResponse(limit_state=limit_state).SerializeToString(deterministic=True)


NOTHING_ADDED = Added()


class Evaluation:
    """Prices carts: bytes of a request in, bytes of a response out.

    What has run out stands behind the caller's bytes, as another limit state: messages that come again add to
    themselves. The answer says in the same way what was added.
    """

    def __init__(
        self,
        holder: RulesetHolder,
        metrics: Metrics,
        added: Callable[[Active], Added] = lambda active: NOTHING_ADDED,
    ) -> None:
        self._holder = holder
        self._added = added
        self._evaluate_seconds = metrics.evaluation_seconds.timer("Evaluate")
        self._explain_seconds = metrics.evaluation_seconds.timer("Explain")

    async def evaluate(self, request: bytes) -> bytes:
        active = self._holder.pricing(request)
        ruleset, added = active.ruleset, self._added(active)
        request += added.request
        begin = time.perf_counter()
        if len(request) <= INLINE_BYTES_MAX:
            response = ruleset.evaluate(request, time.time_ns())
        else:
            response = await in_engine_thread(ruleset.evaluate, request, time.time_ns())
        self._evaluate_seconds.observe(time.perf_counter() - begin)
        return response + added.evaluated

    async def explain(self, request: bytes) -> bytes:
        active = self._holder.pricing(request)
        ruleset, added = active.ruleset, self._added(active)
        begin = time.perf_counter()
        response = await in_engine_thread(ruleset.explain, request + added.request, time.time_ns())
        self._explain_seconds.observe(time.perf_counter() - begin)
        return response + added.explained
