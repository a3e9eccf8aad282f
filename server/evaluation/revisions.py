"""Compiled rulesets by revision: the active one, and a few of the past that were asked for lately."""

import asyncio
from collections import OrderedDict

import dealwright_engine

from server.definitions.service import Definitions, UnknownRevision
from server.evaluation.service import Active, RulesetHolder
from server.runtime.errors import NotReady, RevisionNotFound
from server.runtime.metrics import Metrics

PAST_MAX = 4
"""How many past revisions stay compiled. Returns and disputes ask for few, and each may be as large as the
active one."""


class Revisions:
    """Finds the ruleset of a revision in memory, or rebuilds it from the database."""

    def __init__(self, holder: RulesetHolder, definitions: Definitions, metrics: Metrics) -> None:
        self._holder = holder
        self._looked_up = metrics.revision_lookups.labels
        self._definitions = definitions
        self._past: OrderedDict[tuple[str, int], Active] = OrderedDict()
        # One at a time: rebuilding is heavy, and callers often ask for the same one.
        self._rebuilding = asyncio.Lock()

    async def ruleset(self, revision: int) -> dealwright_engine.Ruleset:
        """The ruleset of a revision; raises NotReady, RevisionNotFound or DatabaseUnavailable."""
        return (await self.find(revision)).ruleset

    async def find(self, revision: int) -> Active:
        """The ruleset of a revision with its limits; raises what `ruleset` does."""
        active = self._holder.active
        if active is None:
            raise NotReady
        if revision == 0:
            # It is no revision of a database; the engine then says which field lacks one.
            return active
        # What is in force is as it was published unless something of it is killed.
        for one in filter(None, (active, self._holder.candidate)):
            if revision == one.revision and not one.killed.promotion_ids:
                self._looked_up("active").inc()
                return one
        return self._remembered(active, revision) or await self._rebuilt(active, revision)

    def _remembered(self, active: Active, revision: int) -> Active | None:
        key = (active.company_id, revision)
        if key in self._past:
            self._looked_up("past").inc()
            self._past.move_to_end(key)
        return self._past.get(key)

    async def _rebuilt(self, active: Active, revision: int) -> Active:
        async with self._rebuilding:
            past = self._remembered(active, revision)
            if past is None:
                self._looked_up("rebuilt").inc()
                past = await asyncio.to_thread(self._rebuild, active.company_id, revision)
                self._past[active.company_id, revision] = past
                while len(self._past) > PAST_MAX:
                    self._past.popitem(last=False)
            return past

    def _rebuild(self, company_id: str, revision: int) -> Active:
        try:
            return Active.of(self._definitions.ruleset(company_id, revision))
        except UnknownRevision as error:
            raise RevisionNotFound(revision) from error
