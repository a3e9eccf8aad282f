"""Importing reference data: brands, stores, products, categories and holiday calendars, in bulk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostic, Diagnostics
from dealwright.v1.ruleset_pb2 import Ruleset
from google.protobuf.message import Message
from sqlalchemy import Engine

from server.actors import Actor
from server.audit import service as audit
from server.definitions.checks.gate import Consent
from server.definitions.checks.test_carts import Outcome
from server.definitions.contents import RULESET_FIELDS, Contents, read_reference
from server.definitions.differences import Difference
from server.definitions.publishing import (
    Revising,
    head_contents,
    reference_changes,
    revise,
    settings_events,
)
from server.definitions.service import snapshot, writing
from server.definitions.store import references as store
from server.definitions.store import revisions as revision_store
from server.definitions.validation import require_company_id
from server.documents import to_value
from server.runtime.settings import COMPANY_ID, COMPANY_ID_NEEDS

Json = dict[str, Any]

REFERRED = {"brand_id": "brand", "parent_id": "category", "category_ids": "category"}
"""The fields that name other reference data, and its kind."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one of the rows given; `index` counts them from 0."""

    index: int
    field: str
    message: str


class RowsRefused(Exception):
    """Reference data that can't be imported; says everything that is wrong with it."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        super().__init__(
            "; ".join(f"row {fault.index + 1}: {fault.field}: {fault.message}" for fault in faults)
        )
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. Without any change `revision` is the one that already was."""

    company_id: str
    revision: int
    written: int
    unchanged: int
    deleted: int
    differences: tuple[Difference, ...] = ()
    test_carts: tuple[Outcome, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def import_references(
    engine: Engine,
    actor: Actor,
    kind: str,
    messages: Sequence[Message],
    *,
    complete: bool = False,
    dry_run: bool = False,
    comment: str = "",
    accept_deviations: str = "",
    accept_sizes: str = "",
) -> Imported:
    """Makes reference data of one kind as given, as one new revision; all of it or nothing.

    What isn't given stays, unless the rows are complete. No change makes no revision.
    """
    require_company_id(actor.company_id)
    faults = [*_faults_alone(kind, messages)]
    if faults:
        raise RowsRefused(faults)
    wanted = {definition["id"]: definition for definition in map(to_value, messages)}
    with writing(engine, actor.company_id, dry_run=dry_run) as connection:
        before = head_contents(connection, actor.company_id)
        faults = [*_faults_together(before, wanted)]
        if faults:
            raise RowsRefused(faults)
        changes = reference_changes(before.references[kind], wanted, complete=complete)
        written = sum(definition is not None for definition in changes.values())
        unchanged, gone = len(wanted) - written, len(changes) - written
        if not changes:
            return Imported(actor.company_id, before.revision, 0, unchanged, 0)
        consent = Consent(accept_deviations, dry_run, accept_sizes)
        step = Revising("import", comment, consent, references={kind: changes})
        audit.append(connection, actor, settings_events(before, step))
        revised = revise(connection, actor, before, step)
    return Imported(
        actor.company_id,
        revised.revision,
        written,
        unchanged,
        gone,
        revised.differences,
        revised.test_carts,
        revised.warnings,
    )


def reference_page(
    engine: Engine, company_id: str, kind: str, after: str, count: int
) -> tuple[list[Message], str]:
    """Reference data of a kind as of the last revision, by id from behind one; and what continues."""
    with snapshot(engine) as connection:
        head = revision_store.head_revision(connection, company_id) or 0
        found = store.reference_page(connection, company_id, head, kind, after, count + 1)
    more = list(found)[count - 1] if len(found) > count else ""
    return [read_reference(kind, definition) for definition in list(found.values())[:count]], more


def _faults_alone(kind: str, messages: Sequence[Message]) -> Iterator[RowFault]:
    """What is wrong with rows whatever else there is."""
    seen: dict[str, int] = {}
    for index, message in enumerate(messages):
        key = getattr(message, "id", "")
        if not COMPANY_ID.fullmatch(key):
            yield RowFault(index, "id", f"it needs {COMPANY_ID_NEEDS}")
        elif key in seen:
            yield RowFault(index, "id", f"{key} stands in row {seen[key] + 1} already")
        seen.setdefault(key, index)
    if kind in RULESET_FIELDS:
        yield from _faults_of_the_engine(RULESET_FIELDS[kind], messages)


def _faults_of_the_engine(field: str, messages: Sequence[Message]) -> Iterator[RowFault]:
    """What the engine has to say about the rows as a ruleset of their own."""
    ruleset = Ruleset(company_id="rows")
    getattr(ruleset, field).extend(messages)
    try:
        dealwright_engine.Ruleset.compile(ruleset.SerializeToString())
    except dealwright_engine.InvalidRuleset as error:
        for diagnostic in Diagnostics.FromString(error.diagnostics).diagnostics:
            place, _, rest = diagnostic.field.removeprefix(f"{field}[").partition("]")
            if place.isdigit() and rest != ".id":
                yield RowFault(int(place), rest.lstrip("."), diagnostic.message)


def _faults_together(before: Contents, wanted: Mapping[str, Json]) -> Iterator[RowFault]:
    """References to what exists neither here nor there. A kind of which nothing is listed isn't looked up."""
    known = {
        field: before.references[kind].keys() | (wanted.keys() if field == "parent_id" else set())
        for field, kind in REFERRED.items()
    }
    for index, definition in enumerate(wanted.values()):
        for field, kind in REFERRED.items():
            names = definition.get(field, [])
            for name in [names] if isinstance(names, str) else names:
                if known[field] and name not in known[field]:
                    yield RowFault(index, field, f"there is no {kind} {name}")
