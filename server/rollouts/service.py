"""Use cases of rollouts: start, look, promote and stop; and what the worker does of that by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine

from server.actors import Actor, Role
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.publishing import Revised
from server.definitions.service import Definitions, Plan, StoredRollout
from server.definitions.transitions import Target
from server.distribution.operations import Operations, Reports
from server.journals.service import Journals
from server.runtime.errors import DefinitionsRefused, Refusal, Unknown

__all__ = ["Advanced", "Plan", "Progress", "Rollouts", "StoredRollout"]

log = structlog.get_logger()

RUNNING_MAX = 10_000
"""How many rollouts are looked after; a company has one at most."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the tills of a cohort have said of a revision."""

    reports: Reports
    sales_drifted: int

    @property
    def failures(self) -> int:
        return self.reports.refusing + self.reports.unsupporting + self.sales_drifted

    def __str__(self) -> str:
        return (
            f"{self.reports.refusing} tills refuse it, {self.reports.unsupporting} can't use what it changed,"
            f" {self.sales_drifted} sales drifted"
        )


@dataclass(slots=True)
class Advanced:
    """What a look at all rollouts found and did."""

    running: int = 0
    """Still, afterwards."""
    waiting: int = 0
    """Of these, have baked, and wait for tills."""
    promoted: int = 0
    stopped: int = 0


class Rollouts:
    """The rollouts of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._promotions = Promotions(engine)
        self._definitions = Definitions(engine)
        self._operations = Operations(engine, self._definitions)
        self._journals = Journals(engine)

    def start(
        self,
        actor: Actor,
        targets: Sequence[Target],
        plan: Plan,
        *,
        comment: str = "",
        dry_run: bool = False,
        accept_deviations: str = "",
        accept_sizes: str = "",
    ) -> Revised:
        """Publishes approved promotions for a cohort."""
        return self._promotions.act(
            actor,
            Action.PUBLISH,
            targets,
            comment=comment,
            dry_run=dry_run,
            accept_deviations=accept_deviations,
            accept_sizes=accept_sizes,
            rollout=plan,
        )

    def get(self, actor: Actor, revision: int | None = None) -> tuple[StoredRollout, Progress]:
        """A rollout, the newest by default, with what its tills say."""
        found = self._definitions.rollouts(actor.company_id, number=revision, count=1)
        if not found:
            what = "nothing was ever rolled out" if revision is None else f"{revision} was not rolled out"
            raise Unknown("ROLLOUT_UNKNOWN", what, field="revision")
        return found[0], self._progress(found[0])

    def page(self, actor: Actor, below: int | None, count: int) -> list[StoredRollout]:
        """The newest rollouts, or the newest below a revision."""
        return self._definitions.rollouts(actor.company_id, below=below, count=count)

    def promote(
        self, actor: Actor, revision: int | None = None, *, comment: str = "", dry_run: bool = False
    ) -> Revised:
        """Brings to all stores what the cohort has."""
        return self._definitions.promote(actor, revision, comment=comment, dry_run=dry_run)

    def stop(
        self, actor: Actor, revision: int | None = None, *, comment: str = "", dry_run: bool = False
    ) -> Revised:
        """Takes back from the cohort what the others don't have."""
        return self._definitions.stop_rollout(actor, revision, comment=comment, dry_run=dry_run)

    def advance(self) -> Advanced:
        """Ends what has to end: stops what fails, and promotes what has baked.

        All that it goes by is in the database, so it heals after an outage, and whoever is first does it.
        """
        done = Advanced()
        for rollout in self._definitions.rollouts(running=True, count=RUNNING_MAX):
            try:
                self._advance(rollout, done)
            except (Refusal, DefinitionsRefused) as error:
                # Somebody was quicker, or it can't be; the next look finds out.
                done.running += 1
                log.warning(
                    "rollout_not_ended",
                    company=rollout.company_id,
                    revision=rollout.revision,
                    error=str(error),
                )
        return done

    def _advance(self, rollout: StoredRollout, done: Advanced) -> None:
        progress = self._progress(rollout)
        actor = Actor("rollout", rollout.company_id, frozenset({Role.PUBLISHER}), "worker")
        if progress.failures > rollout.failures_max:
            self.stop(actor, rollout.revision, comment=str(progress))
            done.stopped += 1
        elif rollout.baked and progress.reports.at_revision >= rollout.tills_min:
            baked = f"baked for {rollout.bake_seconds} s; {progress}"
            self.promote(actor, rollout.revision, comment=baked)
            done.promoted += 1
        else:
            done.running += 1
            done.waiting += rollout.baked

    def _progress(self, rollout: StoredRollout) -> Progress:
        changed = self._definitions.changed(rollout.company_id, rollout.revision)
        return Progress(
            self._operations.reports(rollout.company_id, rollout.front, changed),
            self._journals.drifted(rollout.company_id, rollout.revision),
        )
