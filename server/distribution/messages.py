"""What distribution knows, as messages of the schema."""

import base64
import binascii

from dealwright.v1.rule_stream_service_pb2 import Nack, StreamClient

from server.distribution.store import Client
from server.runtime.errors import Invalid
from server.runtime.instants import timestamp


def client_message(client: Client) -> StreamClient:
    """A till as operators see it."""
    message = StreamClient(
        device_id=client.device_id,
        store_ids=client.store_ids,
        scope_id=client.scope_id,
        connected=client.connected,
        epoch=client.epoch,
        revision=client.revision,
        control_sequence=client.control_sequence,
        seen_time=timestamp(client.seen_time),
        ack_time=timestamp(client.ack_time),
        engine_version=client.engine_version,
        unsupported_ids=client.unsupported_ids,
        token_id=client.token_id,
    )
    if client.nack_revision is not None:
        message.nack.CopyFrom(
            Nack(
                epoch=client.nack_epoch or 0,
                revision=client.nack_revision,
                reason=client.nack_reason or 0,  # type: ignore[arg-type] # a number that was a reason once
                detail=client.nack_detail or "",
            )
        )
    return message


def client_token(client: Client) -> str:
    """Where the page after begins."""
    return base64.urlsafe_b64encode(f"{client.device_id}\n{client.scope_id}".encode()).decode()


def parse_token(token: str) -> tuple[str, str] | None:
    """Where a page begins; None for the first one."""
    if not token:
        return None
    try:
        device_id, scope_id = base64.urlsafe_b64decode(token.encode()).decode().split("\n")
    except (ValueError, binascii.Error) as error:
        raise Invalid(
            "NOT_GIVEN_OUT", "send the page_token as it was received", field="page_token"
        ) from error
    return device_id, scope_id
