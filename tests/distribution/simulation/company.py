"""The database of the simulation, and what each store should have, computed the slow and obvious way."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from dealwright.v1.promotion_pb2 import OnUnsupported, Promotion
from dealwright.v1.ruleset_pb2 import Category, Ruleset, Store

from server.definitions.service import Front, Newest

COMPANY = "kopi"
STORES = ("aceh", "bali", "cimahi")
PROMOTIONS = tuple(f"p{number}" for number in range(8))

Items = dict[tuple[str, str], bytes]
"""What is in a ruleset, by kind and id."""


@dataclass(frozen=True)
class Revision:
    """A revision, and the stores that alone have it; None when it is for all."""

    ruleset: Ruleset
    cohort: frozenset[str] | None = None

    def is_for(self, store_ids: tuple[str, ...]) -> bool:
        """Whether a till of some stores may have it. One of every store names none."""
        return self.cohort is None or (store_ids != () and all(each in self.cohort for each in store_ids))


@dataclass
class Company:
    """Revisions and kills, as a database keeps them, and what other databases kept before it was restored."""

    draws: random.Random
    epoch: int = 1
    revisions: list[Revision] = field(default_factory=list)
    killed: frozenset[str] = frozenset()
    sequence: int = 0
    history: dict[tuple[int, int], list[Revision]] = field(default_factory=dict)
    """Every revision that ever was, by epoch and number. Unnoticed restores make two of one."""

    @property
    def head(self) -> int:
        """The number of the newest revision."""
        return len(self.revisions)

    @property
    def rolling_out(self) -> bool:
        return bool(self.revisions) and self.revisions[-1].cohort is not None

    def newest(self) -> Newest:
        """What is in force, as servers read it."""
        last = self.revisions[-1]
        if last.cohort is None:
            return Newest(Front.of(self.head, None), last.ruleset)
        return Newest(Front.of(self.head, last.cohort), self.revisions[-2].ruleset, last.ruleset)

    @property
    def refused_by_old_engines(self) -> bool:
        """Whether something that is in force has the revision refused by an engine of today."""
        refuses = OnUnsupported.ON_UNSUPPORTED_REFUSE_REVISION
        return any(
            promotion.on_unsupported == refuses
            for each in self.revisions[-2:]
            for promotion in each.ruleset.promotions
        )

    def revision_at(self, store_ids: tuple[str, ...]) -> int:
        """What a till of some stores has to have."""
        return self.head if self.revisions[-1].is_for(store_ids) else self.head - 1

    def publish(self) -> None:
        """The next revision, for all. What is rolled out is promoted or taken back, and nothing else."""
        if self.rolling_out:
            self.end_rollout(promoted=self.draws.random() < 0.5)
        else:
            self._append(Revision(self._next()))

    def start_rollout(self) -> None:
        """The next revision, for some stores."""
        cohort = frozenset(self.draws.sample(STORES, self.draws.randint(1, len(STORES))))
        self._append(Revision(self._next(), cohort))

    def end_rollout(self, *, promoted: bool) -> None:
        """The next revision holds what the cohort has, or what the others have."""
        ruleset = Ruleset()
        ruleset.CopyFrom(self.revisions[-1 if promoted else -2].ruleset)
        ruleset.revision = self.head + 1
        self._append(Revision(ruleset))

    def _next(self) -> Ruleset:
        """Some promotions are new, some changed, some gone, some elsewhere."""
        draws = self.draws
        ruleset = Ruleset(company_id=COMPANY, revision=self.head + 1)
        before = self.revisions[-1].ruleset.promotions if self.revisions else []
        kept = {promotion.id: promotion for promotion in before}
        for promotion_id in draws.sample(PROMOTIONS, draws.randint(1, 3)):
            if promotion_id in kept and draws.random() < 0.4:
                del kept[promotion_id]
            else:
                kept[promotion_id] = self._promotion(promotion_id)
        ruleset.promotions.extend(kept.values())
        for store_id in STORES:
            if draws.random() < 0.9:
                ruleset.stores.append(Store(id=store_id, time_zone="Asia/Jakarta"))
        ruleset.categories.extend(Category(id=f"c{draws.randint(0, 2)}") for _ in range(1))
        if draws.random() < 0.5:
            ruleset.policy.search_nodes_max = draws.randint(1, 3)
        return ruleset

    def _append(self, revision: Revision) -> None:
        self.revisions.append(revision)
        self._record()

    def _promotion(self, promotion_id: str) -> Promotion:
        draws = self.draws
        promotion = Promotion(id=promotion_id, rule_language=1, priority=draws.randint(0, 1000))
        chance = draws.random()
        if chance < 0.4:
            promotion.targeting.store_ids.include.extend(draws.sample(STORES, draws.randint(1, 2)))
        elif chance < 0.5:
            promotion.targeting.store_ids.exclude.append(draws.choice(STORES).upper())
        # Some of it is large, so that snapshots have several chunks and deltas aren't always smaller.
        promotion.code = "x" * draws.choice((0, 0, 20, 200))
        if draws.random() < 0.1:
            # Some tills are too old for it.
            promotion.rule_language = 2
            promotion.on_unsupported = draws.choice(OnUnsupported.values())
        return promotion

    def toggle_kill(self) -> None:
        """Kills a promotion, or takes a kill back."""
        self.sequence += 1
        self.killed ^= {self.draws.choice(PROMOTIONS)}

    def restore(self) -> None:
        """Goes back to a backup; the epoch stays as it was in it."""
        self.revisions = self.revisions[: self.draws.randint(1, len(self.revisions))]
        self._record()

    def begin_epoch(self, after: int) -> None:
        self.epoch = max(self.epoch, after) + 1
        self._record()

    def _record(self) -> None:
        in_force = self.revisions[-2:] if self.rolling_out else self.revisions[-1:]
        for each in in_force:
            self.history.setdefault((self.epoch, each.ruleset.revision), []).append(each)

    def expected(self, epoch: int, revision: int, store_ids: tuple[str, ...]) -> list[Items]:
        """What a scope holds at a revision, if it ever had it."""
        known = self.history[epoch, revision]
        return [_scope(each.ruleset, store_ids) for each in known if each.is_for(store_ids)]


def _scope(ruleset: Ruleset, store_ids: tuple[str, ...]) -> Items:
    found: Items = {}
    if ruleset.HasField("policy"):
        found["policy", ""] = ruleset.policy.SerializeToString()
    for promotion in ruleset.promotions:
        names = promotion.targeting.store_ids
        included = {name.lower() for name in names.include} or set(STORES)
        if not store_ids or set(store_ids) & included - {name.lower() for name in names.exclude}:
            found["promotion", promotion.id] = promotion.SerializeToString()
    for store in ruleset.stores:
        if not store_ids or store.id in store_ids:
            found["store", store.id] = store.SerializeToString()
    for category in ruleset.categories:
        found["category", category.id] = category.SerializeToString()
    return found


def items_of(data: bytes) -> Items:
    """What is in the bytes of a ruleset, by protobuf alone."""
    ruleset = Ruleset.FromString(data)
    found: Items = {}
    if ruleset.HasField("policy"):
        found["policy", ""] = ruleset.policy.SerializeToString()
    for kind, messages in (
        ("promotion", ruleset.promotions),
        ("store", ruleset.stores),
        ("category", ruleset.categories),
    ):
        for message in messages:
            found[kind, message.id] = message.SerializeToString()
    return found
