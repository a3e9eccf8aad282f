"""The methods of CheckService: messages to use cases, and what they give back to messages."""

from dealwright.v1 import check_service_pb2 as schema
from google.protobuf.message import Message

from server.actors import Actor
from server.definitions import messages
from server.definitions.calls import etag_number
from server.definitions.checking import Checks
from server.definitions.checks.saving import CartDraft
from server.runtime import paging
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid


def use_cases(checks: Checks) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = CheckCalls(checks)
    return {
        "CreateTestCart": calls.create,
        "UpdateTestCart": calls.update,
        "GetTestCart": calls.get,
        "ListTestCarts": calls.list,
        "DeleteTestCart": calls.delete,
        "RunTestCarts": calls.run,
        "AcceptTestCarts": calls.accept,
        "Analyse": calls.analyse,
        "GetGuardrails": calls.guardrails,
        "SetGuardrails": calls.set_guardrails,
    }


class CheckCalls:
    """What each method does."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    def create(self, actor: Actor, request: schema.CreateTestCartRequest) -> Message:
        self._checks.save(actor, [CartDraft(request.test_cart, new=True)], comment=request.comment)
        found = self._checks.get(actor, request.test_cart.id)
        return schema.CreateTestCartResponse(record=messages.test_cart_record(found))

    def update(self, actor: Actor, request: schema.UpdateTestCartRequest) -> Message:
        if not request.etag:
            raise Invalid("REQUIRED", "send the etag of what was read before the edit", field="etag")
        draft = CartDraft(request.test_cart, new=False, etag=etag_number(request.etag))
        self._checks.save(actor, [draft], comment=request.comment)
        found = self._checks.get(actor, request.test_cart.id)
        return schema.UpdateTestCartResponse(record=messages.test_cart_record(found))

    def get(self, actor: Actor, request: schema.GetTestCartRequest) -> Message:
        found = self._checks.get(actor, request.test_cart_id)
        return schema.GetTestCartResponse(record=messages.test_cart_record(found))

    def list(self, actor: Actor, request: schema.ListTestCartsRequest) -> Message:
        size = paging.size(request.page_size)
        found = self._checks.page(actor, request.page_token, size + 1)
        more = found[size - 1].test_cart_id if len(found) > size else ""
        return schema.ListTestCartsResponse(
            records=map(messages.test_cart_record, found[:size]), next_page_token=more
        )

    def delete(self, actor: Actor, request: schema.DeleteTestCartRequest) -> Message:
        self._checks.delete(actor, request.test_cart_id, etag_number(request.etag), request.comment)
        return schema.DeleteTestCartResponse()

    def run(self, actor: Actor, request: schema.RunTestCartsRequest) -> Message:
        outcomes = self._checks.run(
            actor,
            request.test_cart_ids,
            promotion_ids=request.promotion_ids,
            promotions=request.promotions,
        )
        return schema.RunTestCartsResponse(outcomes=map(messages.outcome, outcomes))

    def accept(self, actor: Actor, request: schema.AcceptTestCartsRequest) -> Message:
        accepted = self._checks.accept(
            actor, request.test_cart_ids, promotion_ids=request.promotion_ids, comment=request.comment
        )
        return schema.AcceptTestCartsResponse(records=map(messages.test_cart_record, accepted))

    def analyse(self, actor: Actor, request: schema.AnalyseRequest) -> Message:
        report = self._checks.analyse(
            actor, promotion_ids=request.promotion_ids, promotions=request.promotions
        )
        return schema.AnalyseResponse(
            findings=map(messages.finding, report.findings),
            promotion_count=report.promotions,
            unwitnessed=report.unwitnessed,
        )

    def guardrails(self, actor: Actor, request: schema.GetGuardrailsRequest) -> Message:
        del request  # it says nothing
        return schema.GetGuardrailsResponse(guardrails=self._checks.guardrails(actor))

    def set_guardrails(self, actor: Actor, request: schema.SetGuardrailsRequest) -> Message:
        self._checks.set_guardrails(actor, request.guardrails, comment=request.comment)
        return schema.SetGuardrailsResponse(guardrails=self._checks.guardrails(actor))
