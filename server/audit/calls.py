"""The methods of AuditService: messages to use cases, and what they give back to messages."""

import json

from dealwright.v1 import audit_service_pb2 as schema
from google.protobuf.message import Message

from server.actors import Actor
from server.audit.service import Audit, Entry, Json
from server.runtime import paging
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid
from server.runtime.instants import timestamp


def use_cases(audit: Audit) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = AuditCalls(audit)
    return {"ListAuditEntries": calls.list, "VerifyAudit": calls.verify}


class AuditCalls:
    """What each method does."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def list(self, actor: Actor, request: schema.ListAuditEntriesRequest) -> Message:
        size = paging.size(request.page_size)
        entries = self._audit.page(
            actor.company_id,
            below=paging.given_out(request.page_token, "page_token"),
            count=size,
            subject=request.subject,
            subject_id=request.subject_id,
            actor=request.actor,
        )
        more = len(entries) == size and entries[-1].number > 1
        return schema.ListAuditEntriesResponse(
            entries=map(_message, entries), next_page_token=str(entries[-1].number) if more else ""
        )

    def verify(self, actor: Actor, request: schema.VerifyAuditRequest) -> Message:
        if bool(request.kept_number) != bool(request.kept_hash) or request.kept_number < 0:
            raise Invalid("REQUIRED", "give both the number and the hash of an entry", field="kept_hash")
        kept = (request.kept_number, request.kept_hash.lower()) if request.kept_number else None
        found = self._audit.verify(actor.company_id, kept)
        return schema.VerifyAuditResponse(
            entries=found.entries, head_hash=found.head_hash, problem=found.problem
        )


def _message(entry: Entry) -> schema.AuditEntry:
    return schema.AuditEntry(
        number=entry.number,
        time=timestamp(entry.time),
        actor=entry.actor,
        token_id=entry.token_id,
        source=entry.source,
        action=entry.action,
        subject=entry.subject,
        subject_id=entry.subject_id,
        version=entry.version,
        revision=entry.revision,
        comment=entry.comment,
        before=_json(entry.before),
        after=_json(entry.after),
        hash=entry.hash.hex(),
    )


def _json(value: Json | None) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
