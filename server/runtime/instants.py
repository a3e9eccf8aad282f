"""Instants in messages: what callers send, some of which is none, and what they are told."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from server.runtime.errors import Invalid


def instant(sent: Timestamp, field: str) -> datetime:
    """The instant of a timestamp that came in a field; Invalid outside the years 1 to 9999."""
    try:
        return sent.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("DATE_INVALID", f"{field} is no instant", field=field) from error


def timestamp(moment: datetime | None) -> Timestamp | None:
    """The timestamp of an instant, for the field of a message; None leaves it unset."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message
