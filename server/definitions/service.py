"""Use cases of definitions as a whole: publish from files, rebuild, compare and return to any revision."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection, Engine

from server.actors import Actor, local_actor
from server.audit import service as audit
from server.audit.service import Event
from server.db.engine import plain_errors
from server.db.listening import listen
from server.definitions.checks.gate import Consent
from server.definitions.contents import RULESET_FIELDS, Contents, contents_at
from server.definitions.differences import Difference, between
from server.definitions.direct import Publication, Published, publish_directly
from server.definitions.ending import promote, stop
from server.definitions.following import Follower
from server.definitions.front import Front, Newest
from server.definitions.publishing import Revised
from server.definitions.rollback import roll_back
from server.definitions.rollouts import Plan
from server.definitions.store import revisions as store
from server.definitions.store import rollouts as rollout_store
from server.definitions.store.revisions import Revision
from server.definitions.store.rollouts import StoredRollout
from server.definitions.validation import fault, require_company_id, require_valid
from server.runtime.errors import DefinitionsRefused, Unknown

__all__ = [
    "Definitions",
    "DefinitionsRefused",
    "Follower",
    "Front",
    "Newest",
    "Plan",
    "Publication",
    "Published",
    "StoredRollout",
    "UnknownRevision",
]

log = structlog.get_logger()


class UnknownRevision(Unknown):
    """A company or a revision that doesn't exist."""

    def __init__(self, message: str) -> None:
        super().__init__("REVISION_NOT_FOUND", message)


class Definitions:
    """The definitions of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def companies(self) -> list[str]:
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.companies(connection)

    async def listen(self, heard: Callable[[], None], told: Callable[[bool], None]) -> None:
        """Calls `heard` when somebody publishes; `told` learns whether there is a connection for that."""
        await listen(self._engine, store.NOTIFY_CHANNEL, heard, told)

    def head_revision(self, company_id: str) -> int:
        """The last revision of a company; 0 when nothing was published."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.head_revision(connection, company_id) or 0

    def ruleset(self, company_id: str, revision: int | None = None) -> Ruleset:
        """A revision as it was published, the last one by default: the same bytes each time."""
        with snapshot(self._engine) as connection:
            wanted = require_revision(connection, company_id, revision)
            return contents_at(connection, company_id, wanted, RULESET_FIELDS).ruleset()

    def newer(self, follower: Follower, company_id: str, than: Front | None) -> Newest | None:
        """What is in force at a company, unless that is as given; a follower remembers what it read."""
        with snapshot(self._engine) as connection:
            return follower.newer(connection, company_id, than)

    def front(self, company_id: str) -> Front:
        """Which revision is in force where."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return rollout_store.front(connection, company_id) or Front(0)

    def changed(self, company_id: str, revision: int) -> frozenset[str]:
        """The promotions that a revision changed."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            changes = store.changes_between(connection, company_id, revision - 1, revision)
        return frozenset(change.promotion_id for change in changes)

    def contents(self, company_id: str, revision: int | None = None) -> Contents:
        """All that a revision holds, reference data that no evaluation needs included."""
        with snapshot(self._engine) as connection:
            return contents_at(connection, company_id, require_revision(connection, company_id, revision))

    def revisions(self, company_id: str, below: int | None = None, count: int = 50) -> list[Revision]:
        """The newest publications, or the newest below a revision: who, when and why."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.revisions(connection, company_id, below, count)

    def differences(self, company_id: str, older: int, newer: int | None = None) -> list[Difference]:
        """What differs between two revisions."""
        with snapshot(self._engine) as connection:
            before = contents_at(connection, company_id, require_revision(connection, company_id, older))
            after = contents_at(connection, company_id, require_revision(connection, company_id, newer))
        return between(before, after)

    def publish(self, company_id: str, publication: Publication) -> Published:
        """Publishes from files in one transaction, or refuses all of it. No change makes no revision.

        There is no review: it is for administrators, and the audit log says that it was done this way.
        """
        require_company_id(company_id)
        actor = publication.actor or local_actor(company_id)
        _require_own(company_id, publication.settings)
        warnings = require_valid(publication.promotions)
        with writing(self._engine, company_id, dry_run=publication.dry_run) as connection:
            published = publish_directly(connection, actor, publication)
        warnings += [remark for remark in published.warnings if remark not in warnings]
        if not publication.dry_run:
            log.info("published", company=company_id, revision=published.revision, changed=published.changed)
        return replace(published, warnings=tuple(warnings))

    def create_company(self, actor: Actor) -> None:
        """Makes sure that the actor's company exists."""
        require_company_id(actor.company_id)
        with writing(self._engine, actor.company_id):
            pass

    def roll_back(self, actor: Actor, revision: int, *, comment: str = "", dry_run: bool = False) -> Revised:
        """Makes a new revision that holds exactly what an earlier one held."""
        with writing(self._engine, actor.company_id, dry_run=dry_run) as connection:
            require_revision(connection, actor.company_id, revision)
            done = roll_back(connection, actor, revision, comment, Consent(dry_run=dry_run))
        if not dry_run:
            log.info("rolled_back", company=actor.company_id, revision=done.revision, to=revision)
        return done

    def rollouts(
        self,
        company_id: str | None = None,
        *,
        running: bool = False,
        number: int | None = None,
        below: int | None = None,
        count: int = 50,
    ) -> list[StoredRollout]:
        """Rollouts of a company, or of all, the newest first."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return rollout_store.rollouts(
                connection, company_id, running=running, number=number, below=below, count=count
            )

    def promote(
        self, actor: Actor, revision: int | None, *, comment: str = "", dry_run: bool = False
    ) -> Revised:
        """Brings everywhere what is rolled out, as a new revision that holds the same."""
        with writing(self._engine, actor.company_id, dry_run=dry_run) as connection:
            done = promote(connection, actor, revision, comment)
        if not dry_run:
            log.info("rollout_promoted", company=actor.company_id, revision=done.revision, actor=actor.name)
        return done

    def stop_rollout(
        self, actor: Actor, revision: int | None, *, comment: str = "", dry_run: bool = False
    ) -> Revised:
        """Takes back what is rolled out, as a new revision that holds what the other stores have."""
        with writing(self._engine, actor.company_id, dry_run=dry_run) as connection:
            done = stop(connection, actor, revision, comment)
        if not dry_run:
            log.warning("rollout_stopped", company=actor.company_id, revision=done.revision, actor=actor.name)
        return done

    def set_self_approval(self, actor: Actor, *, allowed: bool) -> None:
        """Says whether people of the company may approve what they wrote: for shops of one person."""
        require_company_id(actor.company_id)
        with writing(self._engine, actor.company_id) as connection:
            before = store.self_approval(connection, actor.company_id)
            if before == allowed:
                return
            audit.append(
                connection,
                actor,
                [
                    Event(
                        "change",
                        "company",
                        actor.company_id,
                        before={"self_approval": before},
                        after={"self_approval": allowed},
                    )
                ],
            )
            store.set_self_approval(connection, actor.company_id, allowed)


def tell_servers(connection: Connection, company_id: str) -> None:
    """Makes servers look for what is new of a company as soon as the transaction is committed."""
    store.notify(connection, company_id, store.head_revision(connection, company_id) or 0)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one state of the database, whatever is published meanwhile."""
    with plain_errors(engine), engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def writing(engine: Engine, company_id: str, *, dry_run: bool = False) -> Iterator[Connection]:
    """A transaction that alone changes a company. A dry run is the same, and then undone."""
    with plain_errors(engine), engine.connect() as connection, connection.begin() as transaction:
        store.lock_company(connection, company_id)
        yield connection
        if dry_run:
            transaction.rollback()


def require_revision(connection: Connection, company_id: str, revision: int | None) -> int:
    """The revision asked for, the last one by default, or a refusal when there is none."""
    head = store.head_revision(connection, company_id)
    if head is None:
        raise UnknownRevision(f"there is no company {company_id}")
    wanted = head if revision is None else revision
    if not 0 <= wanted <= head:
        raise UnknownRevision(f"{company_id} has revisions up to {head}, not {wanted}")
    return wanted


def _require_own(company_id: str, settings: Ruleset | None) -> None:
    if settings is not None and settings.company_id not in ("", company_id):
        message = f"the document is that of {settings.company_id}, and is to be published for {company_id}"
        raise DefinitionsRefused([fault("company_differs", "company_id", message)])
