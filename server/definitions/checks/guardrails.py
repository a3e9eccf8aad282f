"""Guardrails: what a company lets nobody bring into force, and whether they can be set."""

from collections.abc import Iterator

from dealwright.v1.diagnostic_pb2 import Diagnostic
from dealwright.v1.guardrails_pb2 import Guardrails, OnDeviation
from sqlalchemy import Connection

from server.definitions.store import revisions as revision_store
from server.definitions.validation import fault
from server.documents import Source, parse_message
from server.runtime.errors import DefinitionsRefused


def guardrails_of(connection: Connection, company_id: str) -> Guardrails:
    """The guardrails of a company."""
    stored = revision_store.guardrails(connection, company_id)
    return parse_message(Source(f"the guardrails of {company_id}", stored), Guardrails)


def require_settable(guardrails: Guardrails) -> None:
    """Refuses guardrails that mean nothing, with all that is wrong with them."""
    faults = list(_faults(guardrails))
    if faults:
        raise DefinitionsRefused(faults)


def _faults(guardrails: Guardrails) -> Iterator[Diagnostic]:
    if guardrails.on_deviation not in OnDeviation.values():
        value = f"{guardrails.on_deviation} is no value that this version knows."
        yield fault("enum_unknown", "guardrails.on_deviation", value)
