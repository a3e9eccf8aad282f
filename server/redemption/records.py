"""Use cases about redemptions that ask for no ruleset: look at them, and give reservations back."""

from datetime import datetime
from uuid import UUID

from dealwright.v1 import redemption_service_pb2 as schema
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, Sale
from dealwright.v1.redemption_pb2 import Redemption
from dealwright.v1.result_pb2 import Result
from google.protobuf.message import Message
from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.db.engine import plain_errors
from server.redemption import messages, settling, store
from server.redemption.answering import Call, require_id
from server.redemption.store import Record
from server.runtime.errors import Invalid, Unknown

PAGE_SIZE, PAGE_SIZE_MAX = 50, 500


class Records:
    """The redemptions of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, actor: Actor, request: schema.GetRedemptionRequest) -> schema.GetRedemptionResponse:
        """One redemption with the sale that it is about."""
        redemption_id = require_id(request.redemption_id)
        with plain_errors(self._engine), self._engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            record = own(store.find(connection, actor.company_id, redemption_id), actor)
            granted = store.granted(connection, [redemption_id])[redemption_id]
            request_bytes, result_bytes = store.sale(connection, redemption_id)
            operations = store.operations(connection, redemption_id)
        sale = Sale(
            revision=record.revision,
            request=EvaluateRequest.FromString(request_bytes),
            result=Result.FromString(result_bytes),
        )
        return schema.GetRedemptionResponse(
            redemption=messages.redemption(record, granted),
            sale=sale,
            operations=[messages.operation(*each) for each in operations],
        )

    def page(self, actor: Actor, request: schema.ListRedemptionsRequest) -> schema.ListRedemptionsResponse:
        """The newest redemptions that meet what is asked, a page at a time."""
        size = request.page_size or PAGE_SIZE
        if not 1 <= size <= PAGE_SIZE_MAX:
            raise Invalid("OUT_OF_RANGE", f"page_size lies between 1 and {PAGE_SIZE_MAX}", field="page_size")
        names = {value: name for name, value in messages.STATES.items()}
        if any(value not in names for value in request.states):
            raise Invalid("ENUM_UNKNOWN", "states has a value that isn't known", field="states")

        def given(*fields: str) -> dict[str, str]:
            return {field: getattr(request, field) for field in fields if getattr(request, field)}

        with plain_errors(self._engine), self._engine.connect() as connection:
            records = store.page(
                connection,
                actor.company_id,
                equal=given("order_id", "customer_id", "store_id"),
                granted=given("promotion_id", "voucher_id"),
                states=[names[value] for value in request.states],
                store_ids=actor.store_ids,
                before=_place_of(request.page_token) if request.page_token else None,
                count=size + 1,
            )
            shown = records[:size]
            granted = store.granted(connection, [record.id for record in shown])
        return schema.ListRedemptionsResponse(
            redemptions=[messages.redemption(record, granted[record.id]) for record in shown],
            next_page_token=_token_of(shown[-1]) if len(records) > size else "",
        )

    def release(self, actor: Actor, request: schema.ReleaseRequest) -> bytes:
        """Gives back what a reservation holds."""
        call = Call.of(actor, "Release", request)
        redemption_id = require_id(request.redemption_id)
        with plain_errors(self._engine), self._engine.begin() as connection:

            def settle() -> Message:
                locked = require(settling.lock(connection, actor.company_id, redemption_id), actor)
                settling.release(connection, actor, locked)
                return schema.ReleaseResponse(redemption=read(connection, actor, redemption_id))

            return call.once(connection, schema.ReleaseResponse, redemption_id, settle)


def read(connection: Connection, actor: Actor, redemption_id: UUID) -> Redemption:
    """A redemption as it stands in a transaction."""
    record = own(store.find(connection, actor.company_id, redemption_id), actor)
    return messages.redemption(record, store.granted(connection, [redemption_id])[redemption_id])


def own(record: Record | None, actor: Actor) -> Record:
    """A redemption that the actor may see."""
    if record is None or (actor.store_ids and record.store_id not in actor.store_ids):
        raise Unknown("REDEMPTION_NOT_FOUND", "there is no such redemption", field="redemption_id")
    return record


def require(locked: settling.Reservation | None, actor: Actor) -> settling.Reservation:
    """A locked redemption that the actor may change."""
    if locked is None:
        raise Unknown("REDEMPTION_NOT_FOUND", "there is no such redemption", field="redemption_id")
    own(locked.record, actor)
    return locked


def _token_of(record: Record) -> str:
    return f"{record.create_time.isoformat()}/{record.id}"


def _place_of(token: str) -> tuple[datetime, UUID]:
    moment, _, redemption_id = token.rpartition("/")
    try:
        return datetime.fromisoformat(moment), UUID(redemption_id)
    except ValueError as error:
        raise Invalid(
            "PAGE_TOKEN_INVALID", "page_token is none that was given", field="page_token"
        ) from error
