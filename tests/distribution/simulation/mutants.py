"""Faults put into the protocol on purpose. A simulation that doesn't notice them proves nothing."""

# ruff: noqa: SLF001 - a fault is put where it would be

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dealwright.rule_stream import Compiled, Follower, HighWater, Holding, Uncompilable, Write
from dealwright.rule_stream import admission as admission_module
from dealwright.rule_stream import follower as follower_module
from dealwright.v1.rule_stream_service_pb2 import Delta

from server.definitions.service import Front
from server.distribution.log import Log, Published, Scope
from server.distribution.stream import Stream

Mutant = Callable[[pytest.MonkeyPatch], None]


def removals_are_not_sent(patch: pytest.MonkeyPatch) -> None:
    """Deltas forget what is gone, and tills don't check the root: the missed delete."""
    original = Holding.after

    def after(self: Holding, delta: Delta) -> Holding:
        kept = Delta(changes=delta.changes)
        return original(self, kept)

    patch.setattr(Holding, "after", after)
    patch.setattr(follower_module, "require_root", lambda holding, manifest: None)


def snapshots_merge(patch: pytest.MonkeyPatch) -> None:
    """A snapshot is added to what is there instead of replacing it."""
    original = Follower._snapshot_end

    def merged(self: Follower, end: Any, now: Any) -> Any:
        before = self._holding
        cut = admission_module.cut

        def cut_and_merge(ruleset: bytes) -> Holding:
            fresh = cut(ruleset)
            return fresh if before is None else Holding({**before._fields, **fresh._fields})

        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(follower_module, "cut", cut_and_merge)
            return original(self, end, now)

    patch.setattr(Follower, "_snapshot_end", merged)
    patch.setitem(follower_module.__dict__, "require_root", lambda holding, manifest: None)


def older_revisions_are_let_in(patch: pytest.MonkeyPatch) -> None:
    """Neither side minds a step back: a server that lags sends what it has."""
    patch.setattr(HighWater, "allows", lambda self, manifest, *, same_root: True)
    patch.setattr(Stream, "ahead", property(lambda self: False))


def activated_before_it_is_kept(patch: pytest.MonkeyPatch) -> None:
    """What is in force may be lost with the power."""
    original = Follower.compiled

    def compiled(self: Follower, ticket: int, outcome: Any, now: Any) -> Any:
        effects = original(self, ticket, outcome, now)
        trial = self._revision_trial
        if trial is not None and trial[0] == ticket and not trial[1].kept:
            return [*effects, *self._put_into_force(ticket, trial[1])]
        return effects

    patch.setattr(Follower, "compiled", compiled)


def kills_wait_for_data(patch: pytest.MonkeyPatch) -> None:
    """A kill isn't sent before the till has answered a set."""
    original = Stream._next

    def waiting(self: Stream, now: Any) -> bytes | None:
        sent = self._sent_control
        if self._set is not None and self._set.complete:
            self._sent_control = (2**62, 0)
        frame = original(self, now)
        if self._sent_control == (2**62, 0):
            self._sent_control = sent
        return frame

    patch.setattr(Stream, "_next", waiting)


def kills_are_forgotten_by_the_next_revision(patch: pytest.MonkeyPatch) -> None:
    """A revision that was compiled before a kill comes into force after it."""
    original = Follower._put_into_force

    def compiled(self: Follower, ticket: int, outcome: Any, now: Any) -> Any:
        trial = self._revision_trial
        if trial is not None and trial[0] == ticket and not hasattr(outcome, "detail"):
            if trial[1].kept:
                return original(self, ticket, trial[1])
            return [Write(ticket, self._files_of(*_of(trial[1])))]
        return first(self, ticket, outcome, now)

    def written(self: Follower, ticket: int, ok: bool, now: Any) -> Any:
        trial = self._revision_trial
        if trial is not None and trial[0] == ticket and ok:
            return original(self, ticket, trial[1])
        return second(self, ticket, ok, now)

    first, second = Follower.compiled, Follower.written
    patch.setattr(Follower, "compiled", compiled)
    patch.setattr(Follower, "written", written)


def refused_revisions_are_parked_for_good(patch: pytest.MonkeyPatch) -> None:
    """After a refusal, nothing is sent any more, whatever is published."""
    original = Stream._begin

    def begin(self: Stream, now: Any) -> None:
        if self._refused is None:
            original(self, now)

    patch.setattr(Stream, "_begin", begin)
    patch.setattr(Stream, "end", lambda self, reason, retry_after=0.0: None)


def restores_go_unnoticed(patch: pytest.MonkeyPatch) -> None:
    """A till that is ahead of the database waits for good."""
    patch.setattr(Stream, "proven_ahead", lambda self: False)


def scopes_are_mixed_up(patch: pytest.MonkeyPatch) -> None:
    """The deltas of one scope are sent to another."""
    original = Log.frames

    def frames(self: Log, scope: Scope, from_revision: int | None, now: float) -> tuple[bytes, ...]:
        return original(self, Scope(("aceh",), scope.id), from_revision, now)

    patch.setattr(Log, "frames", frames)
    patch.setattr(follower_module, "require_root", lambda holding, manifest: None)


def candidates_go_everywhere(patch: pytest.MonkeyPatch) -> None:
    """Every till has at once what is rolled out to some."""
    patch.setattr(Front, "leads", lambda self, store_ids: self.cohort is not None)


def tills_of_several_stores_follow_any_of_them(patch: pytest.MonkeyPatch) -> None:
    """One store in the cohort is enough for a till that prices for others too."""

    def leads(self: Front, store_ids: Iterable[str]) -> bool:
        return self.cohort is not None and bool(self.cohort & set(store_ids))

    patch.setattr(Front, "leads", leads)


def ends_of_rollouts_are_missed(patch: pytest.MonkeyPatch) -> None:
    """Servers don't notice that a rollout has ended, until the next one begins."""
    original = Log.publish

    def publish(self: Log, published: Published) -> None:
        if self._candidate is None or published.candidate is not None:
            original(self, published)

    patch.setattr(Log, "publish", publish)


def what_is_not_understood_is_told_once(patch: pytest.MonkeyPatch) -> None:
    """A till doesn't say again on the next stream what it can't apply."""
    patch.setattr(Follower, "_told_anew", lambda self, now: [])


def revisions_that_refuse_old_engines_are_taken(patch: pytest.MonkeyPatch) -> None:
    """A till takes what its engine has refused."""
    original = Follower.compiled

    def compiled(self: Follower, ticket: int, outcome: Any, now: Any) -> Any:
        return original(self, ticket, Compiled() if isinstance(outcome, Uncompilable) else outcome, now)

    patch.setattr(Follower, "compiled", compiled)


def _of(trial: Any) -> tuple[Any, Any, Any]:
    return trial.signed, trial.manifest, trial.holding


MUTANTS: tuple[Mutant, ...] = (
    removals_are_not_sent,
    snapshots_merge,
    older_revisions_are_let_in,
    activated_before_it_is_kept,
    kills_wait_for_data,
    kills_are_forgotten_by_the_next_revision,
    refused_revisions_are_parked_for_good,
    restores_go_unnoticed,
    scopes_are_mixed_up,
    candidates_go_everywhere,
    tills_of_several_stores_follow_any_of_them,
    ends_of_rollouts_are_missed,
    what_is_not_understood_is_told_once,
    revisions_that_refuse_old_engines_are_taken,
)


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The protocol with a fault."""
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        yield
