"""Rolling a revision out: some stores have it first, and the next revision is for all again.

That one either brings everywhere what the cohort has, or takes it back. Meanwhile no other is made.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import dealwright_engine
from sqlalchemy import Connection

from server.definitions.front import Front
from server.definitions.store import rollouts as store
from server.definitions.store.rollouts import PROMOTE, StoredRollout
from server.runtime.errors import Invalid, Refusal, Unknown

__all__ = ["PROMOTE", "STOP", "Plan", "RolloutRunning", "StoredRollout"]

ROLL_BACK = "roll_back"
STOP = "stop_rollout"
"""The action of a revision that takes back what was rolled out."""

ENDING = frozenset({PROMOTE, STOP, ROLL_BACK})
"""The actions that a rollout doesn't keep from making a revision."""

STORES_MAX = 10_000
"""How many stores a cohort has at most."""

BAKE_SECONDS_MAX = 30 * 86_400
TILLS_MAX = 1_000_000
WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How a revision is to be rolled out."""

    store_ids: tuple[str, ...] = ()
    """The cohort."""
    share_ppm: int = 0
    """Or the share of all stores that are drawn for it."""
    bake_seconds: int | None = None
    """After so long it is promoted. None: somebody promotes it."""
    failures_max: int = 0
    """More tills that refuse it, and sales that drift, stop it."""
    tills_min: int = 0
    """So many tills have to have it before it is promoted by itself."""

    def __post_init__(self) -> None:
        if bool(self.store_ids) == bool(self.share_ppm):
            raise Invalid("REQUIRED", "name the stores of the cohort, or its share of all", field="store_ids")
        if len(self.store_ids) > STORES_MAX:
            raise Invalid("TOO_MANY", f"a cohort has up to {STORES_MAX} stores", field="store_ids")
        _require_within("share_ppm", self.share_ppm, WHOLE_PPM)
        _require_within("bake", self.bake_seconds or 0, BAKE_SECONDS_MAX)
        _require_within("failures_max", self.failures_max, TILLS_MAX)
        _require_within("tills_min", self.tills_min, TILLS_MAX)


class RolloutRunning(Refusal):
    """While a revision is rolled out, no other is made."""

    def __init__(self, front: Front) -> None:
        super().__init__(
            "ROLLOUT_RUNNING",
            f"revision {front.head} is in force in some stores only: promote or stop its rollout first; what"
            " must go at once can be killed",
            revision=str(front.head),
        )


def require_settled(connection: Connection, company_id: str, action: str, plan: Plan | None) -> None:
    """Refuses a revision while another is rolled out, and a rollout where there is nothing to go back to."""
    front = store.front(connection, company_id) or Front(0)
    if front.cohort is not None and action not in ENDING:
        raise RolloutRunning(front)
    if plan is not None and front.head == 0:
        raise Refusal("NOTHING_PUBLISHED", "the first revision of a company is for all stores")


def require_running(connection: Connection, company_id: str, revision: int | None) -> Front:
    """What is being rolled out; a refusal when nothing is, or not the revision that was meant."""
    front = store.front(connection, company_id) or Front(0)
    if front.cohort is None:
        raise Refusal("NO_ROLLOUT", "no rollout is running")
    if revision not in (None, front.head):
        raise Refusal(
            "ROLLOUT_OVER",
            f"the rollout that runs is of revision {front.head}, not {revision}",
            field="revision",
            revision=str(front.head),
        )
    return front


def cohort(plan: Plan, company_id: str, revision: int, known: Iterable[str]) -> list[str]:
    """The stores that have a revision first, out of those that the company has."""
    by_name = {dealwright_engine.fold(store_id): store_id for store_id in known}
    if plan.share_ppm:
        drawn = sorted(by_name.values(), key=lambda store_id: _draw(company_id, revision, store_id))
        count = -(-len(drawn) * plan.share_ppm // WHOLE_PPM)
        if not drawn:
            raise Refusal("NO_STORES", "the company has no stores to draw from", field="share_ppm")
        return sorted(drawn[:count])
    for store_id in plan.store_ids:
        if dealwright_engine.fold(store_id) not in by_name:
            raise Unknown(
                "STORE_UNKNOWN", f"there is no store {store_id}", field="store_ids", store_id=store_id
            )
    return sorted({by_name[dealwright_engine.fold(store_id)] for store_id in plan.store_ids})


def begin(connection: Connection, company_id: str, revision: int, plan: Plan, store_ids: list[str]) -> None:
    """Makes a revision that was just taken one for a cohort."""
    store.insert_rollout(
        connection,
        company_id,
        revision,
        store_ids,
        bake_seconds=plan.bake_seconds,
        failures_max=plan.failures_max,
        tills_min=plan.tills_min,
    )


def in_force_at(connection: Connection, company_id: str, revision: int, store_id: str) -> int:
    """The revision that a store has, or had, when this one was the newest."""
    return Front.of(revision, store.cohort(connection, company_id, revision)).at([store_id])


def _draw(company_id: str, revision: int, store_id: str) -> bytes:
    """Another order of stores for each revision, and the same one whoever asks."""
    return hashlib.sha256(f"{company_id}\n{revision}\n{store_id}".encode()).digest()


def _require_within(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise Invalid("OUT_OF_RANGE", f"it is 0 to {most}", field=name)
