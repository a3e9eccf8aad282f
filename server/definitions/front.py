"""Which revision is in force where: the newest one everywhere or, while it is rolled out, in some stores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dealwright_engine
from dealwright.v1.ruleset_pb2 import Ruleset


@dataclass(frozen=True, slots=True)
class Front:
    """The newest revision of a company, and who has it."""

    head: int
    cohort: frozenset[str] | None = None
    """The folded ids of the stores that have the newest revision; others have the one before. None: all have
    it."""

    @classmethod
    def of(cls, head: int, store_ids: Iterable[str] | None) -> Front:
        return cls(head, None if store_ids is None else frozenset(map(dealwright_engine.fold, store_ids)))

    @property
    def general(self) -> int:
        """What is in force outside of the cohort."""
        return self.head if self.cohort is None else self.head - 1

    def leads(self, store_ids: Iterable[str]) -> bool:
        """Whether a till or a cart of some stores has what others don't have yet.

        All of them have to be in the cohort: a till of several stores has one ruleset. One that is for every
        store names none.
        """
        if self.cohort is None:
            return False
        places = {dealwright_engine.fold(store_id) for store_id in store_ids}
        return bool(places) and places <= self.cohort

    def at(self, store_ids: Iterable[str]) -> int:
        """The revision that is in force at some stores."""
        return self.head if self.leads(store_ids) else self.general


@dataclass(frozen=True, slots=True)
class Newest:
    """What is in force now, as rulesets."""

    front: Front
    general: Ruleset
    """In force outside of the cohort."""
    candidate: Ruleset | None = None
    """In force in the cohort, while there is one."""
