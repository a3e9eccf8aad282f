"""The database of the simulation, and what each store should have, computed the slow and obvious way."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Category, Ruleset, Store

COMPANY = "kopi"
STORES = ("aceh", "bali", "cimahi")
PROMOTIONS = tuple(f"p{number}" for number in range(8))

Items = dict[tuple[str, str], bytes]
"""What is in a ruleset, by kind and id."""


@dataclass
class Company:
    """Revisions and kills, as a database keeps them, and what other databases kept before it was restored."""

    draws: random.Random
    epoch: int = 1
    revisions: list[Ruleset] = field(default_factory=list)
    killed: frozenset[str] = frozenset()
    sequence: int = 0
    history: dict[tuple[int, int], list[Ruleset]] = field(default_factory=dict)
    """Every revision that ever was, by epoch and number. Unnoticed restores make two of one."""

    @property
    def head(self) -> Ruleset:
        return self.revisions[-1]

    def publish(self) -> None:
        """The next revision: some promotions are new, some changed, some gone, some elsewhere."""
        draws = self.draws
        ruleset = Ruleset(company_id=COMPANY, revision=len(self.revisions) + 1)
        kept = {promotion.id: promotion for promotion in self.head.promotions} if self.revisions else {}
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
        self.revisions.append(ruleset)
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
        self.history.setdefault((self.epoch, self.head.revision), []).append(self.head)

    def expected(self, epoch: int, revision: int, store_ids: tuple[str, ...]) -> list[Items]:
        """What a scope holds at a revision."""
        return [_scope(ruleset, store_ids) for ruleset in self.history[epoch, revision]]


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
