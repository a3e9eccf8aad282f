"""Use cases of definitions: validate, publish, and rebuild any revision as a ruleset."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import dealwright_engine
import structlog
from dealwright.v1.diagnostic_pb2 import Diagnostic, Diagnostics, Severity
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from sqlalchemy import Connection, Engine

from server.db.engine import plain_errors
from server.definitions import store
from server.definitions.validation import validate
from server.documents import DocumentError, Source, parse_message, to_value

log = structlog.get_logger()

# No engine ever speaks this version, so a promotion that carries it is reported as unsupported.
UNREADABLE_RULE_LANGUAGE = 2**31 - 1


class DefinitionsRefused(Exception):
    """Definitions that can't be published; `diagnostics` says everything that is wrong with them."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(f"{d.promotion_id} {d.field}: {d.message}".strip() for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


class UnknownRevision(LookupError):
    """A company or a revision that doesn't exist."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication asks for."""

    promotions: Sequence[Promotion] = ()
    deleted_ids: Collection[str] = ()
    settings: Ruleset | None = None
    """Policy, stores, categories and calendars; None leaves them as they are."""
    complete: bool = False
    """The promotions given are all that the company has: others are deleted."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did. Without any change `revision` is the one that already was."""

    company_id: str
    revision: int
    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    settings_changed: bool = False
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.written or self.deleted or self.settings_changed)


class Definitions:
    """The definitions of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def companies(self) -> list[str]:
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.companies(connection)

    def head_revision(self, company_id: str) -> int:
        """The last revision of a company; 0 when nothing was published."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.head_revision(connection, company_id) or 0

    def ruleset(self, company_id: str, revision: int | None = None) -> Ruleset:
        """A revision as it was published, the last one by default: the same bytes each time."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            head = store.head_revision(connection, company_id)
            if head is None:
                raise UnknownRevision(f"there is no company {company_id}")
            wanted = head if revision is None else revision
            if not 0 <= wanted <= head:
                raise UnknownRevision(f"{company_id} has revisions up to {head}, not {wanted}")
            return _load(connection, company_id, wanted)

    def publish(self, company_id: str, publication: Publication) -> Published:
        """Publishes in one transaction, or refuses all of it. What is already there makes no new revision."""
        warnings = _check(publication.promotions)
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.lock_company(connection, company_id)
            published = _publish(connection, company_id, publication)
            remarks = _check_whole(_load(connection, company_id, published.revision))
            warnings += [remark for remark in remarks if remark not in warnings]
        log.info("published", company=company_id, revision=published.revision, changed=published.changed)
        return replace(published, warnings=tuple(warnings))


def _check(promotions: Iterable[Promotion]) -> list[Diagnostic]:
    """Refuses promotions with errors and returns the warnings."""
    diagnostics: list[Diagnostic] = []
    seen: set[str] = set()
    for promotion in promotions:
        diagnostics += validate(promotion)
        if promotion.id in seen:
            diagnostics.append(
                Diagnostic(
                    code="duplicate_id",
                    severity=Severity.SEVERITY_ERROR,
                    field="id",
                    message=f"`{promotion.id}` is the id of another promotion of the same publication",
                    promotion_id=promotion.id,
                )
            )
        seen.add(promotion.id)
    if any(diagnostic.severity == Severity.SEVERITY_ERROR for diagnostic in diagnostics):
        raise DefinitionsRefused(diagnostics)
    return diagnostics


def _check_whole(ruleset: Ruleset) -> list[Diagnostic]:
    """Refuses a revision that can't be compiled, and returns the compiler's remarks about promotions."""
    try:
        compiled = dealwright_engine.Ruleset.compile(ruleset.SerializeToString(deterministic=True))
    except dealwright_engine.InvalidRuleset as error:
        raise DefinitionsRefused(Diagnostics.FromString(error.diagnostics).diagnostics) from error
    return list(Diagnostics.FromString(compiled.diagnostics).diagnostics)


def _publish(connection: Connection, company_id: str, publication: Publication) -> Published:
    head = store.head_revision(connection, company_id) or 0
    current = {
        stored.promotion_id: stored.definition for stored in store.promotions_at(connection, company_id, head)
    }
    wanted = {promotion.id: to_value(promotion) for promotion in publication.promotions}
    written = {key: definition for key, definition in wanted.items() if current.get(key) != definition}
    gone = (
        current.keys() - wanted.keys() if publication.complete else current.keys() & publication.deleted_ids
    )
    settings = _settings(publication.settings)
    settings_changed = settings is not None and settings != store.settings_at(connection, company_id, head)
    unchanged = tuple(sorted(wanted.keys() - written.keys()))
    if not (written or gone or settings_changed):
        return Published(company_id, head, unchanged=unchanged)

    versions = store.insert_versions(connection, company_id, written.values())
    revision = store.take_revision(connection, company_id)
    store.append_changes(connection, company_id, revision, versions, sorted(gone))
    if settings is not None and settings_changed:
        store.insert_settings(connection, company_id, revision, settings)
    store.notify(connection, company_id, revision)
    return Published(
        company_id,
        revision,
        tuple(sorted(written)),
        unchanged,
        tuple(sorted(gone)),
        settings_changed=settings_changed,
    )


def _settings(ruleset: Ruleset | None) -> store.Json | None:
    if ruleset is None:
        return None
    value = to_value(ruleset)
    return {name: value.get(name, {} if name == "policy" else []) for name in store.SETTINGS}


def _load(connection: Connection, company_id: str, revision: int) -> Ruleset:
    settings = store.settings_at(connection, company_id, revision) or {}
    ruleset = parse_message(Source(f"the settings of {company_id}", settings), Ruleset)
    ruleset.company_id = company_id
    ruleset.revision = revision
    ruleset.promotions.extend(
        _read(stored) for stored in store.promotions_at(connection, company_id, revision)
    )
    return ruleset


def _read(stored: store.StoredPromotion) -> Promotion:
    """A stored definition as a message. One that only a newer program can read isn't read in part."""
    name = f"{stored.promotion_id}, version {stored.version}"
    try:
        return parse_message(Source(name, stored.definition), Promotion)
    except DocumentError as error:
        log.warning(
            "promotion_unreadable", promotion=stored.promotion_id, version=stored.version, error=str(error)
        )
        return Promotion(id=stored.promotion_id, rule_language=UNREADABLE_RULE_LANGUAGE)
