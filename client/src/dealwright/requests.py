"""Requests from what people have at hand: carts as messages or mappings, instants as datetimes or texts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from dealwright.errors import Invalid
from dealwright.v1.cart_pb2 import Cart, LimitState
from dealwright.v1.evaluation_service_pb2 import EvaluateOptions, EvaluateRequest, ExplainRequest, Sale
from dealwright.v1.result_pb2 import Result

M = TypeVar("M", bound=Message)

CartLike = Cart | Mapping[str, Any]
"""A cart as a message, or as the same in a mapping, with the names of the schema."""

Instant = datetime | Timestamp | str
"""An instant: a datetime with a time zone, a Timestamp, or a text such as 2026-11-21T09:00:00Z."""


def evaluate_request(
    cart: CartLike,
    *,
    at: Instant | None = None,
    limit_state: LimitState | None = None,
    language: str = "",
    near_misses: int = 0,
    suggestions: int = 0,
) -> EvaluateRequest:
    """An EvaluateRequest; what is left out has the schema's default."""
    request = EvaluateRequest(cart=message(cart, Cart, "cart"), limit_state=limit_state)
    options = EvaluateOptions(language=language, near_misses_max=near_misses, suggestions_max=suggestions)
    if options.ByteSize():
        request.options.CopyFrom(options)
    if at is not None:
        request.evaluate_time.CopyFrom(timestamp(at))
    return request


def explain_request(
    cart: CartLike, *, at: Instant | None = None, limit_state: LimitState | None = None, language: str = ""
) -> ExplainRequest:
    """An ExplainRequest; what is left out has the schema's default."""
    request = ExplainRequest(cart=message(cart, Cart, "cart"), limit_state=limit_state, language=language)
    if at is not None:
        request.evaluate_time.CopyFrom(timestamp(at))
    return request


def sale(cart: CartLike, result: Result, *, limit_state: LimitState | None = None) -> Sale:
    """What was sold, for a refund: the cart, and the result that it was paid by."""
    request = evaluate_request(cart, limit_state=limit_state)
    request.evaluate_time.CopyFrom(result.evaluate_time)
    return Sale(revision=result.revision, request=request, result=result)


def message(given: Message | Mapping[str, Any], kind: type[M], name: str) -> M:
    """A message from itself or from a mapping; raises Invalid."""
    if isinstance(given, kind):
        return given
    if isinstance(given, Message):
        raise Invalid(f"{name}: give a {kind.DESCRIPTOR.name} or a mapping", reason="NOT_A_MESSAGE")
    try:
        return ParseDict(dict(given), kind())
    except ParseError as error:
        raise Invalid(f"{name}: {error}", reason="NOT_A_MESSAGE") from error


def timestamp(instant: Instant) -> Timestamp:
    """A Timestamp; raises Invalid for a datetime without a zone and for a text that is no instant."""
    if isinstance(instant, Timestamp):
        return instant
    found = Timestamp()
    if isinstance(instant, str):
        try:
            found.FromJsonString(instant)
        except ValueError as error:
            raise Invalid(f"{instant!r} is no instant such as 2026-11-21T09:00:00Z") from error
        return found
    if instant.tzinfo is None:
        raise Invalid("an instant needs its time zone, such as datetime.now(UTC)")
    found.FromDatetime(instant)
    return found
