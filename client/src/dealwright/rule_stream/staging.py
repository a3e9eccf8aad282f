"""A snapshot under way. Nothing of it counts before its end."""

from __future__ import annotations

from dealwright.rule_stream.admission import Refused
from dealwright.v1.bundle_pb2 import Manifest, Signed
from dealwright.v1.rule_stream_service_pb2 import NACK_REASON_MALFORMED, SnapshotBegin, SnapshotChunk

RULESET_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of a ruleset that a till takes; the engine has the same limit."""


class Staging:
    """The chunks that have come, one after another."""

    def __init__(self, begin: SnapshotBegin, manifest: Manifest) -> None:
        if not 0 <= begin.ruleset_bytes <= RULESET_BYTES_MAX or begin.ruleset_bytes != manifest.ruleset_bytes:
            raise Refused(NACK_REASON_MALFORMED, f"a snapshot of {begin.ruleset_bytes} bytes")
        self.signed: Signed = begin.manifest
        self.manifest = manifest
        self._announced = begin
        self._chunks: list[bytes] = []
        self._bytes = 0

    def add(self, chunk: SnapshotChunk) -> None:
        """Takes the next chunk; raises Refused."""
        self._bytes += len(chunk.data)
        if chunk.index != len(self._chunks) or self._bytes > self._announced.ruleset_bytes:
            raise Refused(NACK_REASON_MALFORMED, f"chunk {chunk.index} after {len(self._chunks)} chunks")
        self._chunks.append(chunk.data)

    def ruleset(self) -> bytes:
        """The whole; raises Refused where something is missing."""
        expected = self._announced
        if len(self._chunks) != expected.chunk_count or self._bytes != expected.ruleset_bytes:
            raise Refused(
                NACK_REASON_MALFORMED, f"{self._bytes} of {expected.ruleset_bytes} bytes of a snapshot"
            )
        return b"".join(self._chunks)
