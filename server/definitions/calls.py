"""The methods of DefinitionService: messages to use cases, and what they give back to messages."""

from typing import Any, cast

from dealwright.v1 import definition_service_pb2 as schema
from dealwright.v1.evaluation_service_pb2 import ExplainRequest
from google.protobuf.message import Message

from server.actors import Actor
from server.definitions import messages
from server.definitions.drafts import Draft
from server.definitions.lifecycle import TRANSITIONS, Action, Review, State
from server.definitions.promotions import Promotions
from server.definitions.publishing import Revised
from server.definitions.service import Definitions
from server.definitions.store.promotions import Filter
from server.definitions.transitions import Target
from server.documents import to_value
from server.runtime import paging
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid

ACTIONS = {
    transition.method: action for action, transition in TRANSITIONS.items() if action is not Action.UPDATE
}
"""The methods that do something with promotions."""


def use_cases(promotions: Promotions, definitions: Definitions) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = DefinitionCalls(promotions, definitions)
    return {
        "CreatePromotion": calls.create,
        "UpdatePromotion": calls.update,
        "GetPromotion": calls.get,
        "ListPromotions": calls.list,
        "ValidatePromotion": calls.validate,
        "Preview": calls.preview,
        "Rollback": calls.roll_back,
        "Diff": calls.diff,
        "ListHistory": calls.history,
        "ListRevisions": calls.revisions,
        **{name: calls.doing(name, action) for name, action in ACTIONS.items()},
    }


class DefinitionCalls:
    """What each method does."""

    def __init__(self, promotions: Promotions, definitions: Definitions) -> None:
        self._promotions = promotions
        self._definitions = definitions

    def create(self, actor: Actor, request: schema.CreatePromotionRequest) -> Message:
        draft = Draft(request.promotion, new=True)
        saved = self._promotions.save(actor, [draft], comment=request.comment)
        found = self._promotions.get(actor, request.promotion.id)
        return schema.CreatePromotionResponse(record=messages.record(found), warnings=saved.warnings)

    def update(self, actor: Actor, request: schema.UpdatePromotionRequest) -> Message:
        if not request.etag:
            raise Invalid("REQUIRED", "send the etag of what was read before the edit", field="etag")
        draft = Draft(request.promotion, new=False, etag=etag_number(request.etag))
        saved = self._promotions.save(actor, [draft], comment=request.comment)
        found = self._promotions.get(actor, request.promotion.id)
        return schema.UpdatePromotionResponse(
            record=messages.record(found),
            warnings=saved.warnings,
            differences=map(messages.difference, saved.differences),
        )

    def get(self, actor: Actor, request: schema.GetPromotionRequest) -> Message:
        version = request.version if request.HasField("version") else None
        found = self._promotions.get(actor, request.promotion_id, version)
        return schema.GetPromotionResponse(record=messages.record(found))

    def list(self, actor: Actor, request: schema.ListPromotionsRequest) -> Message:
        states = {value: state for state, value in messages.STATES.items()}
        reviews = {value: review for review, value in messages.REVIEWS.items()}
        wanted = Filter(
            [_named(states, value, "states") for value in request.states],
            [_named(reviews, value, "reviews") for value in request.reviews],
            tuple(request.types),
            request.search,
            [to_value(label) for label in request.labels],
        )
        page = self._promotions.page(actor, wanted, request.page_token, paging.size(request.page_size))
        return schema.ListPromotionsResponse(
            records=map(messages.record, page.records), next_page_token=page.after
        )

    def validate(self, actor: Actor, request: schema.ValidatePromotionRequest) -> Message:
        return schema.ValidatePromotionResponse(diagnostics=self._promotions.validate(request.promotion))

    def preview(self, actor: Actor, request: schema.PreviewRequest) -> Message:
        asked = ExplainRequest(cart=request.cart, language=request.language)
        if request.HasField("evaluate_time"):
            asked.evaluate_time.CopyFrom(request.evaluate_time)
        if request.HasField("limit_state"):
            asked.limit_state.CopyFrom(request.limit_state)
        explained = self._promotions.preview(
            actor,
            asked,
            promotion_ids=request.promotion_ids,
            promotions=request.promotions,
            alone=request.alone,
        )
        return schema.PreviewResponse(result=explained.result, traces=explained.traces)

    def doing(self, name: str, action: Action) -> UseCase:
        """What a method does with promotions."""
        response = getattr(schema, f"{name}Response")

        def do(actor: Actor, request: Any) -> Message:
            targets = [Target(target.promotion_id, etag_number(target.etag)) for target in request.promotions]
            done = self._promotions.act(
                actor,
                action,
                targets,
                comment=request.comment,
                dry_run=request.dry_run,
                accept_deviations=getattr(request, "accept_deviations", ""),
                accept_sizes=getattr(request, "accept_sizes", ""),
            )
            return _done(done, response)

        return do

    def roll_back(self, actor: Actor, request: schema.RollbackRequest) -> Message:
        done = self._definitions.roll_back(
            actor, request.revision, comment=request.comment, dry_run=request.dry_run
        )
        return _done(done, schema.RollbackResponse)

    def diff(self, actor: Actor, request: schema.DiffRequest) -> Message:
        newer = request.newer if request.HasField("newer") else None
        if request.promotion_id:
            found = self._promotions.differences(actor, request.promotion_id, request.older, newer)
        else:
            found = self._definitions.differences(actor.company_id, request.older, newer)
        return schema.DiffResponse(differences=map(messages.difference, found))

    def history(self, actor: Actor, request: schema.ListHistoryRequest) -> Message:
        size = paging.size(request.page_size)
        entries = self._promotions.history(
            actor, request.promotion_id, paging.given_out(request.page_token, "page_token"), size
        )
        more = str(entries[0].number) if len(entries) == size and entries[0].number > 1 else ""
        return schema.ListHistoryResponse(entries=map(messages.history_entry, entries), next_page_token=more)

    def revisions(self, actor: Actor, request: schema.ListRevisionsRequest) -> Message:
        size = paging.size(request.page_size)
        found = self._definitions.revisions(
            actor.company_id, paging.given_out(request.page_token, "page_token"), size
        )
        more = str(found[-1].revision) if found and found[-1].revision > 1 else ""
        return schema.ListRevisionsResponse(revisions=map(messages.revision, found), next_page_token=more)


def _done(done: Revised, response: type[Message]) -> Message:
    answer: Any = response(
        revision=done.revision,
        differences=map(messages.difference, done.differences),
        warnings=done.warnings,
    )
    if done.waiting_ids:
        answer.waiting_ids.extend(done.waiting_ids)
    if done.test_carts:
        answer.test_carts.extend(map(messages.outcome, done.test_carts))
    return cast(Message, answer)


def etag_number(text: str) -> int | None:
    """The number that stands for what was read; None for an empty etag."""
    return paging.given_out(text, "etag")


def _named(known: dict[Any, State] | dict[Any, Review], value: int, field: str) -> Any:
    if value not in known:
        raise Invalid("ENUM_UNKNOWN", f"{value} is no value that this version knows", field=field)
    return known[value]
