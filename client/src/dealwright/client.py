"""The client for threads."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from dealwright.calling import Calls
from dealwright.connection import DEFAULT_SECONDS, Connection
from dealwright.errors import CallFailed
from dealwright.redemptions import Redemptions
from dealwright.requests import CartLike, Instant, evaluate_request, explain_request
from dealwright.v1.definition_service_pb2_grpc import DefinitionServiceStub
from dealwright.v1.evaluation_service_pb2 import (
    CompareRequest,
    CompareResponse,
    EvaluateRequest,
    ExplainResponse,
    RefundRequest,
    RefundResponse,
    ReplayRequest,
    ReplayResponse,
)
from dealwright.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from dealwright.v1.result_pb2 import Result

if TYPE_CHECKING:
    import grpc

    from dealwright.v1.cart_pb2 import LimitState

EVALUATE = "/dealwright.v1.EvaluationService/Evaluate"

AT_ONCE_MAX = 16
"""How many carts of a batch are under way at the same time."""


class Client:
    """Asks a server, over one connection that is opened with the first call. Any thread may use it.

    Every call has a deadline, and is made again where that is safe. A failed one raises `CallFailed`.

        with Client("localhost:7070") as client:
            print(client.evaluate(cart).totals.payable_minor)
    """

    def __init__(
        self,
        address: str = "localhost:7070",
        *,
        token: str = "",
        timeout: float = DEFAULT_SECONDS,
        plaintext: bool | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._calls = Calls(Connection(address, token, plaintext, credentials), timeout)
        self._evaluate: Any = self._calls.unary_unary(EVALUATE)
        channel = cast("grpc.Channel", self._calls)
        self.evaluation = EvaluationServiceStub(channel)
        """The methods of EvaluationService with their own messages."""
        self.definitions = DefinitionServiceStub(channel)
        """The methods of DefinitionService: drafts, reviews, publication, history. They need a token."""
        self.redemptions = Redemptions(channel)
        """Granting promotions to orders. It needs a token."""

    def evaluate(
        self,
        cart: CartLike,
        *,
        at: Instant | None = None,
        limit_state: LimitState | None = None,
        language: str = "",
        near_misses: int = 0,
        suggestions: int = 0,
        timeout: float | None = None,
    ) -> Result:
        """Prices a cart. With a language, such as en, the result has texts."""
        request = evaluate_request(
            cart,
            at=at,
            limit_state=limit_state,
            language=language,
            near_misses=near_misses,
            suggestions=suggestions,
        )
        return self.evaluation.Evaluate(request, timeout=timeout).result

    def evaluate_bytes(self, request: bytes, *, timeout: float | None = None) -> bytes:
        """Answers a serialized EvaluateRequest with a serialized EvaluateResponse, bytes as they travel."""
        answer: bytes = self._evaluate(request, timeout=timeout)
        return answer

    def evaluate_batch(
        self, carts: Iterable[CartLike], *, language: str = "", timeout: float | None = None
    ) -> list[Result | CallFailed]:
        """Prices carts, some at the same time; the answers are in their order.

        A cart that can't be priced has its error in its place, and the others are priced.
        """

        def priced(cart: CartLike) -> Result | CallFailed:
            try:
                return self.evaluate(cart, language=language, timeout=timeout)
            except CallFailed as failed:
                return failed

        with ThreadPoolExecutor(AT_ONCE_MAX) as threads:
            return list(threads.map(priced, carts))

    def explain(
        self,
        cart: CartLike,
        *,
        at: Instant | None = None,
        limit_state: LimitState | None = None,
        language: str = "",
        timeout: float | None = None,
    ) -> ExplainResponse:
        """Prices a cart and says how the price came about, and what the customer could add to get more."""
        request = explain_request(cart, at=at, limit_state=limit_state, language=language)
        return self.evaluation.Explain(request, timeout=timeout)

    def refund(self, request: RefundRequest, *, timeout: float | None = None) -> RefundResponse:
        """Says what is due for what comes back of a sale. `requests.sale` makes the sale."""
        return self.evaluation.Refund(request, timeout=timeout)

    def replay(
        self,
        revision: int,
        request: EvaluateRequest,
        *,
        result_hash: bytes = b"",
        timeout: float | None = None,
    ) -> ReplayResponse:
        """Prices a recorded request again at its revision; with a hash, `matches` compares it."""
        asked = ReplayRequest(revision=revision, request=request, result_hash=result_hash)
        return self.evaluation.Replay(asked, timeout=timeout)

    def compare(
        self,
        revision_before: int,
        revision_after: int,
        cart: CartLike,
        *,
        at: Instant | None = None,
        language: str = "",
        timeout: float | None = None,
    ) -> CompareResponse:
        """Prices a cart at two revisions and says what differs."""
        request = evaluate_request(cart, at=at, language=language)
        asked = CompareRequest(
            revision_before=revision_before, revision_after=revision_after, request=request
        )
        return self.evaluation.Compare(asked, timeout=timeout)

    def close(self) -> None:
        """Ends the connection. Calls under way are cancelled."""
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
