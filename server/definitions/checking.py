"""Use cases of what is checked before something comes into force: test carts, analysis, guardrails."""

from collections.abc import Sequence
from typing import Any

from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.definitions.analysis.report import Report
from server.definitions.checks import gate
from server.definitions.checks.expectations import expectation_of
from server.definitions.checks.guardrails import guardrails_of, require_settable
from server.definitions.checks.saving import CartDraft, SavedCarts, save_carts, unknown_test_cart, write_carts
from server.definitions.checks.test_carts import Outcome, require_saveable, run
from server.definitions.conflicts import require_fresh
from server.definitions.preview import ruleset as tried_ruleset
from server.definitions.promotions import newest_versions
from server.definitions.service import snapshot, writing
from server.definitions.store import revisions as revision_store
from server.definitions.store import test_carts as store
from server.definitions.store.test_carts import StoredCart
from server.definitions.validation import require_company_id, require_valid
from server.documents import to_value
from server.runtime.errors import Invalid

Json = dict[str, Any]


class Checks:
    """What the companies in one database check. The company is always the actor's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, actor: Actor, test_cart_id: str) -> StoredCart:
        """A test cart in its newest version."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return _require(connection, actor, test_cart_id)

    def page(self, actor: Actor, after: str = "", size: int | None = None) -> list[StoredCart]:
        """Test carts in their newest versions, those after an id; all of them without a size."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return list(store.newest(connection, actor.company_id, after=after, count=size).values())

    def save(
        self,
        actor: Actor,
        drafts: Sequence[CartDraft],
        *,
        prune: bool = False,
        comment: str = "",
        dry_run: bool = False,
    ) -> SavedCarts:
        """Saves test carts in one transaction, or refuses all of them. Pruning deletes those not given."""
        require_saveable([draft.cart for draft in drafts])
        require_company_id(actor.company_id)
        with writing(self._engine, actor.company_id, dry_run=dry_run) as connection:
            return save_carts(connection, actor, drafts, comment, prune=prune)

    def delete(self, actor: Actor, test_cart_id: str, etag: int | None = None, comment: str = "") -> None:
        """Takes a test cart away."""
        with writing(self._engine, actor.company_id) as connection:
            stored = _require(connection, actor, test_cart_id)
            require_fresh(connection, actor.company_id, "test_cart", test_cart_id, stored, etag)
            write_carts(connection, actor, {test_cart_id: stored}, {test_cart_id: None}, comment)

    def run(
        self,
        actor: Actor,
        ids: Sequence[str] = (),
        *,
        promotion_ids: Sequence[str] = (),
        promotions: Sequence[Promotion] = (),
    ) -> list[Outcome]:
        """What comes out of test carts, all by default, as if drafts of promotions were in force."""
        require_valid(promotions)
        with snapshot(self._engine) as connection:
            return _run(connection, actor, ids, promotion_ids, promotions)

    def accept(
        self, actor: Actor, ids: Sequence[str], *, promotion_ids: Sequence[str] = (), comment: str = ""
    ) -> list[StoredCart]:
        """Makes what comes out what is expected, and gives back the test carts that this changes."""
        if not ids:
            raise Invalid("REQUIRED", "name at least one test cart", field="test_cart_ids")
        with writing(self._engine, actor.company_id) as connection:
            drafts = []
            for outcome in _run(connection, actor, ids, promotion_ids, ()):
                cart = gate.read_cart(_require(connection, actor, outcome.test_cart_id))
                cart.expected.CopyFrom(expectation_of(outcome.result, cart.expected))
                drafts.append(CartDraft(cart))
            saved = save_carts(connection, actor, drafts, comment)
            return list(store.newest(connection, actor.company_id, saved.updated).values())

    def analyse(
        self, actor: Actor, *, promotion_ids: Sequence[str] = (), promotions: Sequence[Promotion] = ()
    ) -> Report:
        """What promotions do to each other, as if drafts were in force; of drafts, only what they bring."""
        require_valid(promotions)
        with snapshot(self._engine) as connection:
            drafts = newest_versions(connection, actor, promotion_ids)
            ruleset = tried_ruleset(connection, actor.company_id, drafts, promotions, alone=False)
            changed = {*promotion_ids, *(promotion.id for promotion in promotions)}
            return gate.analyse_change(connection, actor.company_id, ruleset, changed)

    def guardrails(self, actor: Actor) -> Guardrails:
        """What the company lets nobody bring into force."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return guardrails_of(connection, actor.company_id)

    def set_guardrails(self, actor: Actor, guardrails: Guardrails, *, comment: str = "") -> None:
        """Replaces the guardrails of the company; the audit log has what they were."""
        require_settable(guardrails)
        require_company_id(actor.company_id)
        with writing(self._engine, actor.company_id) as connection:
            before, after = revision_store.guardrails(connection, actor.company_id), to_value(guardrails)
            if before == after:
                return
            change = Event("change", "guardrails", "", comment=comment, before=before, after=after)
            audit.append(connection, actor, [change])
            revision_store.set_guardrails(connection, actor.company_id, after)


def _run(
    connection: Connection,
    actor: Actor,
    ids: Sequence[str],
    promotion_ids: Sequence[str],
    promotions: Sequence[Promotion],
) -> list[Outcome]:
    found = store.newest(connection, actor.company_id)
    for key in ids:
        if key not in found:
            raise unknown_test_cart(key)
    carts = [gate.read_cart(stored) for key, stored in found.items() if not ids or key in ids]
    drafts = newest_versions(connection, actor, promotion_ids)
    return run(carts, tried_ruleset(connection, actor.company_id, drafts, promotions, alone=False))


def _require(connection: Connection, actor: Actor, key: str) -> StoredCart:
    stored = store.newest(connection, actor.company_id, [key]).get(key)
    if stored is None or stored.definition is None:
        raise unknown_test_cart(key)
    return stored
