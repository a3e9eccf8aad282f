"""What a server asks of gRPC and HTTP/2. A name that gRPC doesn't know would be ignored without a word."""

from server.runtime.settings import Settings

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""Largest request that is read; a larger one is answered with RESOURCE_EXHAUSTED."""

METADATA_BYTES_USUAL, METADATA_BYTES_MAX = 8 * 1024, 16 * 1024
"""How large the metadata of a call may be: beyond the first some calls are refused, beyond the second all."""

QUEUED_USUAL = 64
"""How many calls wait until the process looks at them before gRPC refuses some of those that come."""

QUEUED_MAX = 192
"""How many wait at most, in each of the queues: a process answers so many carts in a tenth of a second.

What gRPC refuses ends with CANCELLED, and costs next to nothing. A status of ours would go the way of an
answer, which is most of what a cart costs, so that a process with three times too much to do would do nothing
but refuse. Callers and tills come again, each after a time of its own.
"""

Options = tuple[tuple[str, int], ...]


def options(settings: Settings, *, shared: bool) -> Options:
    """Of a server; `shared` says that other processes listen on its port."""
    return (
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_metadata_size", METADATA_BYTES_USUAL),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
        # Tills ping each 30 s to notice a dead connection; by default that would end their streams.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_connection_age_ms", round(settings.connection_seconds * 1000)),
        ("grpc.server.max_pending_requests", QUEUED_USUAL),
        ("grpc.server.max_pending_requests_hard_limit", QUEUED_MAX),
        # Two servers on one port would each get half of the calls without anybody noticing.
        ("grpc.so_reuseport", int(shared)),
    )
