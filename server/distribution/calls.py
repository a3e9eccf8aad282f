"""The methods of RuleStreamService that ask the database: messages to use cases, and back."""

from collections.abc import Callable

from dealwright.v1 import rule_stream_service_pb2 as schema
from google.protobuf.message import Message

from server.actors import Actor
from server.distribution.files import File, Files
from server.distribution.log import Scope
from server.distribution.messages import client_message, client_token, parse_token
from server.distribution.operations import Operations
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid

PAGE_SIZE, PAGE_SIZE_MAX = 100, 1000


def use_cases(operations: Operations) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = OperatorCalls(operations)
    return {
        "ListClients": calls.list_clients,
        "KillPromotions": calls.kill,
        "ReleasePromotions": calls.release,
    }


def file_use_cases(files: Callable[[], Files]) -> dict[str, UseCase]:
    """What is offered over HTTP alone: the bundle of the actor's stores, unless the etag is known."""

    def get_bundle(actor: Actor, known_etag: str) -> File:
        return files().get(actor.company_id, Scope.of(actor.store_ids), known_etag)

    return {"bundles/GetBundle": get_bundle}


class OperatorCalls:
    """What each method does."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def list_clients(self, actor: Actor, request: schema.ListClientsRequest) -> Message:
        if not 0 <= request.page_size <= PAGE_SIZE_MAX:
            raise Invalid("OUT_OF_RANGE", f"a page has 1 to {PAGE_SIZE_MAX} items", field="page_size")
        count = request.page_size or PAGE_SIZE
        head = self._operations.head(actor.company_id)
        found = self._operations.clients(
            actor,
            store_ids=request.store_ids,
            lacking=head if request.behind_only else None,
            after=parse_token(request.page_token),
            count=count,
        )
        return schema.ListClientsResponse(
            clients=map(client_message, found),
            revision=head[1],
            next_page_token=client_token(found[-1]) if len(found) == count else "",
        )

    def kill(self, actor: Actor, request: schema.KillPromotionsRequest) -> Message:
        killed = self._operations.kill(actor, request.promotion_ids, request.comment)
        return schema.KillPromotionsResponse(
            control_sequence=killed.sequence, killed_ids=killed.promotion_ids
        )

    def release(self, actor: Actor, request: schema.ReleasePromotionsRequest) -> Message:
        killed = self._operations.release(actor, request.promotion_ids, request.comment)
        return schema.ReleasePromotionsResponse(
            control_sequence=killed.sequence, killed_ids=killed.promotion_ids
        )
