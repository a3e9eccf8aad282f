"""The methods of RolloutService: messages to use cases, and what they give back to messages."""

from dealwright.v1 import rollout_service_pb2 as schema
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from server.actors import Actor
from server.definitions import messages
from server.definitions.calls import etag_number
from server.definitions.transitions import Target
from server.rollouts.service import Plan, Progress, Rollouts, StoredRollout
from server.runtime import paging
from server.runtime.calls import UseCase
from server.runtime.errors import Invalid
from server.runtime.instants import timestamp


def use_cases(rollouts: Rollouts) -> dict[str, UseCase]:
    """What each method does, by its name."""
    calls = RolloutCalls(rollouts)
    return {
        "StartRollout": calls.start,
        "GetRollout": calls.get,
        "ListRollouts": calls.list,
        "PromoteRollout": calls.promote,
        "StopRollout": calls.stop,
    }


class RolloutCalls:
    """What each method does."""

    def __init__(self, rollouts: Rollouts) -> None:
        self._rollouts = rollouts

    def start(self, actor: Actor, request: schema.StartRolloutRequest) -> Message:
        plan = Plan(
            tuple(request.store_ids),
            request.share_ppm,
            _whole_seconds(request.bake) if request.HasField("bake") else None,
            request.failures_max,
            request.tills_min,
        )
        done = self._rollouts.start(
            actor,
            [Target(target.promotion_id, etag_number(target.etag)) for target in request.promotions],
            plan,
            comment=request.comment,
            dry_run=request.dry_run,
            accept_deviations=request.accept_deviations,
            accept_sizes=request.accept_sizes,
        )
        return schema.StartRolloutResponse(
            revision=done.revision,
            differences=map(messages.difference, done.differences),
            warnings=done.warnings,
            test_carts=map(messages.outcome, done.test_carts),
        )

    def get(self, actor: Actor, request: schema.GetRolloutRequest) -> Message:
        found, progress = self._rollouts.get(actor, _meant(request))
        return schema.GetRolloutResponse(rollout=rollout_message(found), progress=progress_message(progress))

    def list(self, actor: Actor, request: schema.ListRolloutsRequest) -> Message:
        size = paging.size(request.page_size)
        found = self._rollouts.page(actor, paging.given_out(request.page_token, "page_token"), size)
        more = str(found[-1].revision) if len(found) == size else ""
        return schema.ListRolloutsResponse(rollouts=map(rollout_message, found), next_page_token=more)

    def promote(self, actor: Actor, request: schema.PromoteRolloutRequest) -> Message:
        done = self._rollouts.promote(
            actor, _meant(request), comment=request.comment, dry_run=request.dry_run
        )
        return schema.PromoteRolloutResponse(
            revision=done.revision, differences=map(messages.difference, done.differences)
        )

    def stop(self, actor: Actor, request: schema.StopRolloutRequest) -> Message:
        done = self._rollouts.stop(actor, _meant(request), comment=request.comment, dry_run=request.dry_run)
        return schema.StopRolloutResponse(
            revision=done.revision, differences=map(messages.difference, done.differences)
        )


def rollout_message(found: StoredRollout) -> schema.Rollout:
    """A rollout as the schema has it."""
    message = schema.Rollout(
        revision=found.revision,
        store_ids=found.store_ids,
        state=_state(found),
        author=found.author,
        comment=found.comment,
        start_time=timestamp(found.start_time),
        failures_max=found.failures_max,
        tills_min=found.tills_min,
        end_revision=found.end_revision or 0,
        end_author=found.end_author or "",
        end_comment=found.end_comment or "",
        end_time=timestamp(found.end_time),
    )
    if found.bake_seconds is not None:
        message.bake.CopyFrom(Duration(seconds=found.bake_seconds))
    return message


def progress_message(progress: Progress) -> schema.RolloutProgress:
    """What tills say, as the schema has it."""
    return schema.RolloutProgress(
        tills=progress.reports.tills,
        tills_at_revision=progress.reports.at_revision,
        tills_refusing=progress.reports.refusing,
        tills_unsupporting=progress.reports.unsupporting,
        sales_drifted=progress.sales_drifted,
    )


def _state(found: StoredRollout) -> schema.RolloutState.ValueType:
    if found.running:
        return schema.ROLLOUT_STATE_RUNNING
    return schema.ROLLOUT_STATE_PROMOTED if found.promoted else schema.ROLLOUT_STATE_STOPPED


def _meant(
    request: schema.GetRolloutRequest | schema.PromoteRolloutRequest | schema.StopRolloutRequest,
) -> int | None:
    return request.revision if request.HasField("revision") else None


def _whole_seconds(duration: Duration) -> int:
    if duration.nanos or duration.seconds < 0:
        raise Invalid("OUT_OF_RANGE", "it is whole seconds, from 0 on", field="bake")
    return duration.seconds
