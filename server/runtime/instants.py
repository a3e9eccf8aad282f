"""Instants that callers send: some timestamps of Protobuf are none."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from server.runtime.errors import Invalid


def instant(sent: Timestamp, field: str) -> datetime:
    """The instant of a timestamp that came in a field; Invalid outside the years 1 to 9999."""
    try:
        return sent.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("DATE_INVALID", f"{field} is no instant", field=field) from error
