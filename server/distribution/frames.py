"""Frames as bytes. What many streams send is encoded once and shared."""

from collections.abc import Iterator

from dealwright.v1.bundle_pb2 import Signed
from dealwright.v1.rule_stream_service_pb2 import (
    Bookmark,
    Delta,
    Frame,
    Goodbye,
    GoodbyeReason,
    SnapshotBegin,
    SnapshotChunk,
    SnapshotEnd,
    SyncResponse,
    Welcome,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

CHUNK_BYTES = 256 * 1024
"""How much of a snapshot is in one frame, so that a kill never waits behind more."""


def encoded(frame: Frame) -> bytes:
    """A frame as it is written, on Sync and on Watch alike: both responses have the same one field."""
    return SyncResponse(frame=frame).SerializeToString()


def welcome(company_id: str, scope: str, epoch: int, unix_seconds: float, period_seconds: float) -> bytes:
    return encoded(
        Frame(
            welcome=Welcome(
                company_id=company_id,
                scope_id=scope,
                epoch=epoch,
                server_time=instant(unix_seconds),
                bookmark_period=_duration(period_seconds),
            )
        )
    )


def snapshot(manifest: Signed, ruleset: bytes, revision: int) -> tuple[bytes, ...]:
    """The frames of a snapshot."""
    chunks = list(pieces(ruleset))
    begin = SnapshotBegin(manifest=manifest, ruleset_bytes=len(ruleset), chunk_count=len(chunks))
    return (
        encoded(Frame(snapshot_begin=begin)),
        *(
            encoded(Frame(snapshot_chunk=SnapshotChunk(index=index, data=chunk)))
            for index, chunk in enumerate(chunks)
        ),
        encoded(Frame(snapshot_end=SnapshotEnd(revision=revision))),
    )


def delta(frame: Delta) -> bytes:
    return encoded(Frame(delta=frame))


def control(signed: Signed) -> bytes:
    return encoded(Frame(control=signed))


def keys(signed: Signed) -> bytes:
    return encoded(Frame(keys=signed))


def bookmark(epoch: int, revision: int, unix_seconds: float, manifest: Signed | None) -> bytes:
    frame = Bookmark(epoch=epoch, revision=revision, server_time=instant(unix_seconds))
    if manifest is not None:
        frame.manifest.CopyFrom(manifest)
    return encoded(Frame(bookmark=frame))


def goodbye(reason: GoodbyeReason.ValueType, retry_after: float) -> bytes:
    return encoded(Frame(goodbye=Goodbye(reason=reason, retry_after=_duration(retry_after))))


def pieces(data: bytes) -> Iterator[bytes]:
    """Bytes in pieces that fit a frame."""
    return (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))


def instant(unix_seconds: float) -> Timestamp:
    """To the microsecond."""
    timestamp = Timestamp()
    timestamp.FromMicroseconds(round(unix_seconds * 1e6))
    return timestamp


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration
