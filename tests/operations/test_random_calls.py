"""Random and changed messages to every method that asks the database: none finds an error of the inside."""

import grpc
import grpc.aio
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from server.actors import Role
from server.runtime.calls import request_type
from tests.access.calls import ask, bearer, serving, token_for
from tests.engine.messages import messages

EXAMPLES = 300
INSIDE = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
TOLD = ("Traceback", 'File "', "psycopg", "sqlalchemy", "SELECT ")


async def test_no_message_makes_an_internal_error(database: Engine) -> None:
    token = token_for(database, "root", Role.ADMIN)
    async with serving(database) as (application, channel):
        # What only the HTTP API has takes no message of the schema.
        methods = sorted(name for name in application.methods if name.startswith("/"))
        requests = _requests(methods)
        broken = []
        for method, request in requests:
            try:
                await ask(channel, method, request, metadata=bearer(token))
            except grpc.aio.AioRpcError as error:
                text = error.details() or ""
                # Words may be drawn of our own sources too, and a refusal names what it refuses.
                if error.code() in INSIDE or any(
                    word in text and word.encode() not in request for word in TOLD
                ):
                    broken.append(f"{method} {text} {request!r}")

    assert {method for method, _ in requests} == set(methods)
    assert broken == []


def _requests(names: list[str]) -> list[tuple[str, bytes]]:
    """At least one for each method: whole messages, and bytes of which a few are something else."""
    found: list[tuple[str, bytes]] = [(name, b"") for name in names]

    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(names))
        message: Message = data.draw(messages(request_type(name)))
        body = bytearray(message.SerializeToString())
        for _ in range(data.draw(st.integers(0, 2)) if body else 0):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        found.append((name, bytes(body)))

    collect()
    return found
