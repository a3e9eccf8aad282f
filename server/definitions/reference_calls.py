"""The methods of ReferenceService: messages to use cases, and what they give back to messages."""

from dealwright.v1 import reference_service_pb2 as schema
from google.protobuf.message import Message
from sqlalchemy import Engine

from server.actors import Actor
from server.definitions import messages
from server.definitions.contents import KINDS
from server.definitions.references import RowsRefused, import_references, reference_page
from server.definitions.validation import fault
from server.runtime import paging
from server.runtime.calls import UseCase
from server.runtime.errors import DefinitionsRefused, Invalid

_FIELDS = {
    field.message_type.name: field.name
    for field in schema.References.DESCRIPTOR.fields
    if field.message_type is not None
}

LISTS = {
    schema.ReferenceKind.Value(f"REFERENCE_KIND_{kind.upper()}"): (kind, _FIELDS[message.DESCRIPTOR.name])
    for kind, message in KINDS.items()
}
"""The kinds and the fields of References that hold them, by the values of the schema."""


def use_cases(engine: Engine) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = ReferenceCalls(engine)
    return {"ListReferences": calls.list, "ImportReferences": calls.import_}


class ReferenceCalls:
    """What each method does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, actor: Actor, request: schema.ListReferencesRequest) -> Message:
        kind, field = _kind(request.kind)
        size = paging.size(request.page_size)
        found, after = reference_page(self._engine, actor.company_id, kind, request.page_token, size)
        response = schema.ListReferencesResponse(next_page_token=after)
        getattr(response.references, field).extend(found)
        return response

    def import_(self, actor: Actor, request: schema.ImportReferencesRequest) -> Message:
        kind, field = _kind(request.kind)
        others = [known.name for known, _ in request.references.ListFields() if known.name != field]
        if others:
            raise Invalid("NOT_ALLOWED", f"only {field} may be given", field=f"references.{others[0]}")
        try:
            done = import_references(
                self._engine,
                actor,
                kind,
                getattr(request.references, field),
                complete=request.complete,
                dry_run=request.dry_run,
                comment=request.comment,
                accept_deviations=request.accept_deviations,
                accept_sizes=request.accept_sizes,
            )
        except RowsRefused as error:
            raise DefinitionsRefused(
                [
                    fault(
                        "reference_invalid", f"references.{field}[{wrong.index}].{wrong.field}", wrong.message
                    )
                    for wrong in error.faults
                ]
            ) from error
        return schema.ImportReferencesResponse(
            revision=done.revision,
            written=done.written,
            unchanged=done.unchanged,
            deleted=done.deleted,
            differences=map(messages.difference, done.differences),
            test_carts=map(messages.outcome, done.test_carts),
            warnings=done.warnings,
        )


def _kind(value: schema.ReferenceKind.ValueType) -> tuple[str, str]:
    if value not in LISTS:
        raise Invalid("REQUIRED", "say which kind of reference data is meant", field="kind")
    return LISTS[value]
