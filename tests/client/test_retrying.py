"""Which calls are made again, and when."""

import grpc
import pytest
from dealwright.errors import CallFailed, Unavailable
from dealwright.retrying import ATTEMPTS_MAX, has_key, keyed, repeatable, wait_seconds
from dealwright.v1.definition_service_pb2 import PublishPromotionsRequest
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.descriptor_pool import Default

EVALUATION = "dealwright.v1.EvaluationService"
DEFINITIONS = "dealwright.v1.DefinitionService"


def unavailable(reason: str = "", retry_after: float | None = None) -> CallFailed:
    return Unavailable("away", code=grpc.StatusCode.UNAVAILABLE, reason=reason, retry_after=retry_after)


@pytest.mark.parametrize("method", ["Evaluate", "Explain", "Replay", "Compare", "Refund"])
def test_what_only_computes_is_repeatable(method: str) -> None:
    assert repeatable(f"/{EVALUATION}/{method}")


@pytest.mark.parametrize(
    ("method", "safe"),
    [
        ("GetPromotion", True),
        ("ListPromotions", True),
        ("Diff", True),
        ("Preview", True),
        ("ValidatePromotion", True),
        ("PublishPromotions", False),
        ("CreatePromotion", False),
        ("Rollback", False),
        ("NoSuchMethod", False),
    ],
)
def test_what_changes_something_is_not(method: str, safe: bool) -> None:
    assert repeatable(f"/{DEFINITIONS}/{method}") == safe


def test_reading_methods_of_definitions_say_so_in_the_schema() -> None:
    methods = Default().FindServiceByName(DEFINITIONS).methods
    reading = {
        method.name
        for method in methods
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    }
    assert reading == {
        method.name
        for method in methods
        if method.name.startswith(("Get", "List", "Diff", "Preview", "Validate"))
    }


def test_a_safe_call_is_repeated_after_a_growing_wait() -> None:
    waits = [wait_seconds(unavailable(), attempt, 0.5, 60, safe=True) for attempt in (1, 2, 3)]
    assert waits == pytest.approx([0.075, 0.15, 0.3])


def test_what_a_full_queue_refuses_is_repeated_if_it_may_be() -> None:
    refused = Unavailable("cancelled", code=grpc.StatusCode.CANCELLED)
    assert wait_seconds(refused, 1, 0.5, 60, safe=True) == pytest.approx(0.075)
    assert wait_seconds(refused, 1, 0.5, 60, safe=False) is None


def test_the_last_attempt_is_the_last() -> None:
    assert wait_seconds(unavailable(), ATTEMPTS_MAX - 1, 0, 60, safe=True) is not None
    assert wait_seconds(unavailable(), ATTEMPTS_MAX, 0, 60, safe=True) is None


def test_the_service_says_how_long_to_wait_at_least() -> None:
    assert wait_seconds(unavailable("NO_RULESET", 1.0), 1, 0.5, 60, safe=True) == pytest.approx(1.075)


def test_there_is_no_wait_beyond_the_deadline() -> None:
    assert wait_seconds(unavailable("NO_RULESET", 1.0), 1, 0, 0.9, safe=True) is None


def test_what_changes_something_is_repeated_only_if_it_was_not_begun() -> None:
    assert wait_seconds(unavailable("STOPPING", 1.0), 1, 0, 60, safe=False) == 1.05
    assert wait_seconds(unavailable("DATABASE_UNAVAILABLE", 1.0), 1, 0, 60, safe=False) is None
    assert wait_seconds(unavailable(), 1, 0, 60, safe=False) is None


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAUTHENTICATED,
    ],
)
def test_what_will_not_pass_is_not_repeated(code: grpc.StatusCode) -> None:
    assert wait_seconds(CallFailed("no", code=code), 1, 0, 60, safe=True) is None


def test_a_throttled_call_waits_and_a_message_that_is_too_large_does_not() -> None:
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    assert wait_seconds(CallFailed("slow", code=code, retry_after=2.0), 1, 0, 60, safe=True) == 2.05
    assert wait_seconds(CallFailed("large", code=code), 1, 0, 60, safe=True) is None


def test_a_request_without_a_place_for_a_key_stays_as_it_is() -> None:
    request = PublishPromotionsRequest(comment="now")
    assert keyed(request, "k") is request
    assert not has_key(request)
    assert not has_key(b"bytes")
