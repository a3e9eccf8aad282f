"""What is asked of a route and what it answers, apart from HTTP's own matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from google.protobuf.message import Message

from server.documents import Value, to_json

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what its path, query and body say."""

    path: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    body: Value = None
    etag: str | None = None
    """What If-Match says, without its quotes. None: it wasn't sent."""
    known_etag: str = ""
    """What If-None-Match says, without its quotes. Empty: it wasn't sent."""
    session: str | None = None
    """The secret of the session that was shown. None: none was, or a token that counts instead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


def of_message(message: Message, status: HTTPStatus, headers: Mapping[str, str]) -> Answer:
    """A message of the schema as protojson."""
    return Answer(to_json(message).encode(), status, headers)
