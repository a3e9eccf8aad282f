"""Use cases of single promotions: write, review, publish, pause, find, preview, and look back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from dealwright.v1.diagnostic_pb2 import Diagnostic
from dealwright.v1.evaluation_service_pb2 import ExplainRequest, ExplainResponse
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.test_cart_pb2 import TestCart
from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Entry
from server.db.engine import plain_errors
from server.definitions import preview, validation
from server.definitions.checks.gate import Consent, analyse_change
from server.definitions.checks.saving import CartDraft, SavedCarts, save_carts
from server.definitions.checks.test_carts import require_saveable
from server.definitions.differences import Difference, of_one
from server.definitions.drafts import Draft, Saved, save, unknown_promotion
from server.definitions.lifecycle import Action, Standing
from server.definitions.publishing import Revised
from server.definitions.rollouts import Plan
from server.definitions.service import snapshot, writing
from server.definitions.store import promotions as store
from server.definitions.store import revisions as revision_store
from server.definitions.store.promotions import Filter, Head, Version
from server.definitions.transitions import Target, act
from server.runtime.errors import Invalid, Unknown
from server.runtime.paging import PAGE_SIZE, PAGE_SIZE_MAX

__all__ = ["Applied", "Filter", "Page", "Promotions", "Record"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Record:
    """A promotion as it is kept: one of its versions, and where it stands."""

    head: Head
    version: Version


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying files did."""

    saved: Saved
    archived: tuple[str, ...]
    test_carts: SavedCarts


@dataclass(frozen=True, slots=True)
class Page:
    """Some promotions by id. `after` continues behind them; empty at the end."""

    records: tuple[Record, ...]
    after: str


class Promotions:
    """The promotions of all companies in one database. The company is always the actor's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, actor: Actor, promotion_id: str, version: int | None = None) -> Record:
        """A promotion with one of its versions, the newest by default."""
        with snapshot(self._engine) as connection:
            head = self._heads(connection, actor, [promotion_id]).get(promotion_id)
            if head is None:
                raise unknown_promotion(promotion_id)
            return Record(head, _version(connection, actor, head, version))

    def page(
        self, actor: Actor, wanted: Filter | None = None, after: str = "", size: int = PAGE_SIZE
    ) -> Page:
        """Promotions with their newest versions, by id."""
        if not 1 <= size <= PAGE_SIZE_MAX:
            raise Invalid(
                "OUT_OF_RANGE", f"a page has 1 to {PAGE_SIZE_MAX} promotions, not {size}", field="page_size"
            )
        with snapshot(self._engine) as connection:
            now = revision_store.database_time(connection)
            found = store.page(connection, actor.company_id, now, wanted or Filter(), after, size + 1)
        records = tuple(Record(head, version) for head, version in found[:size])
        return Page(records, records[-1].head.promotion_id if len(found) > size else "")

    def all(self, actor: Actor, wanted: Filter | None = None) -> Iterator[Record]:
        """Every promotion that is wanted, by id, page after page."""
        after = ""
        while True:
            page = self.page(actor, wanted, after, PAGE_SIZE_MAX)
            yield from page.records
            if not page.after:
                return
            after = page.after

    def validate(self, promotion: Promotion) -> list[Diagnostic]:
        """Everything that the validator has to say."""
        return validation.validate(promotion)

    def save(
        self, actor: Actor, drafts: Sequence[Draft], *, comment: str = "", dry_run: bool = False
    ) -> Saved:
        """Saves drafts in one transaction, or refuses all of them."""
        return self.take_in(actor, drafts, (), comment=comment, dry_run=dry_run).saved

    def take_in(
        self,
        actor: Actor,
        drafts: Sequence[Draft],
        carts: Sequence[CartDraft],
        *,
        comment: str = "",
        dry_run: bool = False,
    ) -> Applied:
        """Saves drafts and test carts in one transaction, or refuses all of them."""
        warnings = validation.require_valid(draft.promotion for draft in drafts)
        require_saveable([draft.cart for draft in carts])
        validation.require_company_id(actor.company_id)
        with writing(self._engine, actor.company_id, dry_run=dry_run) as connection:
            heads = self._heads(connection, actor, [draft.promotion.id for draft in drafts])
            saved = save(connection, actor, heads, drafts, comment, warnings)
            return Applied(saved, (), save_carts(connection, actor, carts, comment))

    def apply(
        self,
        actor: Actor,
        promotions: Sequence[Promotion],
        carts: Sequence[TestCart] = (),
        *,
        prune: bool = False,
        comment: str = "",
        dry_run: bool = False,
    ) -> Applied:
        """Makes drafts of what files say, new ones or new versions, and saves test carts, in one transaction.

        Pruning archives promotions that the files don't have, as far as their state allows that. It deletes
        test carts only where there are some in the files.
        """
        warnings = validation.require_valid(promotions)
        require_saveable(carts)
        validation.require_company_id(actor.company_id)
        with writing(self._engine, actor.company_id, dry_run=dry_run) as connection:
            heads = self._heads(connection, actor, None)
            drafts = [Draft(promotion) for promotion in promotions]
            saved = save(connection, actor, heads, drafts, comment, warnings)
            given = {promotion.id for promotion in promotions}
            gone = [
                key
                for key, head in heads.items()
                if prune and key not in given and head.standing is not Standing.ARCHIVED
            ]
            if gone:
                act(connection, actor, Action.ARCHIVE, [*map(Target, gone)], heads, comment, Consent())
            kept = [CartDraft(cart) for cart in carts]
            saved_carts = save_carts(connection, actor, kept, comment, prune=prune and bool(carts))
        return Applied(saved, tuple(gone), saved_carts)

    def act(
        self,
        actor: Actor,
        action: Action,
        targets: Sequence[Target],
        *,
        comment: str = "",
        dry_run: bool = False,
        accept_deviations: str = "",
        accept_sizes: str = "",
        rollout: Plan | None = None,
    ) -> Revised:
        """Does something with promotions in one transaction, with all of them or none.

        With a rollout, some stores have what comes of it first.
        """
        with writing(self._engine, actor.company_id, dry_run=dry_run) as connection:
            heads = self._heads(connection, actor, [target.promotion_id for target in targets])
            consent = Consent(accept_deviations, dry_run, accept_sizes)
            done = act(connection, actor, action, targets, heads, comment, consent, rollout)
            if action is Action.SUBMIT:
                done = replace(done, warnings=self._analysed(connection, actor, targets))
        if not dry_run:
            log.info(
                action.value,
                company=actor.company_id,
                revision=done.revision,
                promotions=len(targets),
                actor=actor.name,
            )
        return done

    def preview(
        self,
        actor: Actor,
        request: ExplainRequest,
        *,
        promotion_ids: Sequence[str] = (),
        promotions: Sequence[Promotion] = (),
        alone: bool = False,
    ) -> ExplainResponse:
        """Prices a cart as if the newest versions of some promotions, or unsaved ones, were in force."""
        validation.require_valid(promotions)
        with snapshot(self._engine) as connection:
            drafts = newest_versions(connection, actor, promotion_ids)
            ruleset = preview.ruleset(connection, actor.company_id, drafts, promotions, alone=alone)
        return preview.explain(ruleset, request)

    def history(
        self, actor: Actor, promotion_id: str, below: int | None = None, count: int = 50
    ) -> list[Entry]:
        """What was done with a promotion, the newest entries or the newest below a number, oldest first."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            entries = audit.entries_about(
                connection, actor.company_id, "promotion", promotion_id, before=below, count=count
            )
        if not entries and below is None:
            raise unknown_promotion(promotion_id)
        return entries

    def differences(self, actor: Actor, promotion_id: str, older: int, newer: int | None) -> list[Difference]:
        """What differs between two versions of a promotion; the newer one is the newest by default."""
        before = self.get(actor, promotion_id, older).version
        after = self.get(actor, promotion_id, newer).version
        difference = of_one("promotion", promotion_id, before.definition, after.definition)
        return [difference] if difference else []

    def _analysed(
        self, connection: Connection, actor: Actor, targets: Sequence[Target]
    ) -> tuple[Diagnostic, ...]:
        """What those who review will want to know: what the drafts would do to what is in force."""
        ids = [target.promotion_id for target in targets]
        drafts = newest_versions(connection, actor, ids)
        ruleset = preview.ruleset(connection, actor.company_id, drafts, (), alone=False)
        report = analyse_change(connection, actor.company_id, ruleset, ids)
        return tuple(found.diagnostic for found in report.findings)

    def _heads(self, connection: Connection, actor: Actor, ids: Sequence[str] | None) -> dict[str, Head]:
        return store.heads(connection, actor.company_id, _now(connection), ids)


def newest_versions(connection: Connection, actor: Actor, ids: Sequence[str]) -> list[Version]:
    """The newest versions of promotions, all of which have to exist."""
    heads = store.heads(connection, actor.company_id, _now(connection), ids)
    return [_version(connection, actor, _known(heads, key), None) for key in ids]


def _now(connection: Connection) -> datetime:
    return revision_store.database_time(connection)


def _known(heads: dict[str, Head], promotion_id: str) -> Head:
    head = heads.get(promotion_id)
    if head is None:
        raise unknown_promotion(promotion_id)
    return head


def _version(connection: Connection, actor: Actor, head: Head, version: int | None) -> Version:
    wanted = (head.promotion_id, head.version if version is None else version)
    found = store.versions(connection, actor.company_id, [wanted]).get(wanted)
    if found is None:
        raise Unknown(
            "VERSION_UNKNOWN",
            f"{head.promotion_id} has versions up to {head.version}, not {version}",
            promotion_id=head.promotion_id,
        )
    return found
