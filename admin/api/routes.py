"""What a route is: a method of the schema at a path, or a shape of its own that others have prescribed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from jsonschema import Draft202012Validator

from admin.api.answers import JSON, Answer, Asked, of_message
from admin.api.problems import FieldProblem, HttpRefusal, Problem
from server.actors import Actor
from server.documents import Source, parse_json, parse_message
from server.runtime import paging
from server.runtime.calls import UseCase, described, request_type
from server.runtime.errors import Invalid

Methods = Mapping[str, UseCase]
"""The use cases behind the door, by the path of their method."""

Json = dict[str, Any]

FAULTS_MAX, SHOWN_CHARS_MAX = 20, 200
"""How many faults of a body are told, and how many characters of each."""


@dataclass(frozen=True, slots=True)
class Call:
    """A method of the schema. Path, query, body and If-Match fill its request; protojson is its response."""

    verb: str
    path: str
    """Names in braces are fields of the request, unless `fields` says of which."""
    method: str
    name: str = ""
    """The id of the operation. Empty: the name of the method, which has no other path."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The field that a name of the path fills, such as promotion.id. Of a repeated one, its only item."""
    etag: str = ""
    """The field that If-Match fills; the header is required then."""
    location: str = ""
    """Where what was made is found, with fields of the request in braces; the answer is 201 then."""
    left_out: frozenset[str] = frozenset()
    """Fields of the request that aren't offered here."""
    secret: bool = False
    """Whether the answer holds a secret, which is given once and kept nowhere."""

    hashes = False

    @property
    def operation_id(self) -> str:
        return self.name or self.method.rpartition("/")[2]

    @property
    def repeatable(self) -> bool:
        """Whether an Idempotency-Key keeps it from being done twice."""
        level = described(self.method).GetOptions().idempotency_level
        return self.verb == "POST" and level != MethodOptions.NO_SIDE_EFFECTS

    @property
    def elsewhere(self) -> frozenset[str]:
        """The fields of the request that neither query nor body hold."""
        filled = {path.partition(".") for path in (*self._path_fields(), self.etag) if path}
        return self.left_out | {root for root, _, inner in filled if self.in_query or not inner}

    @property
    def in_query(self) -> bool:
        """Whether the rest of the request stands in the query instead of the body."""
        return self.verb in ("GET", "DELETE")

    def answer(self, methods: Methods, actor: Actor, asked: Asked) -> Answer:
        request = self._request(asked)
        response = methods[self.method](actor, request)
        headers = self._headers(request, response, asked)
        status = HTTPStatus.CREATED if self.location else HTTPStatus.OK
        return of_message(response, status, headers)

    def _request(self, asked: Asked) -> Message:
        message_type = request_type(self.method)
        value = self._from_query(message_type, asked.query) if self.in_query else asked.body
        request = parse_message(Source("the query" if self.in_query else "the body", value), message_type)
        for name, text in asked.path.items():
            _fill(request, self.fields.get(name, name), text, "the path")
        if self.etag:
            _fill(request, self.etag, _required_etag(asked), "If-Match")
        return request

    def _path_fields(self) -> list[str]:
        return [self.fields.get(name, name) for name in names_in(self.path)]

    def _from_query(self, message_type: type[Message], query: Mapping[str, Sequence[str]]) -> Json:
        """The values of a query as those of a body: lists where fields are, JSON where they are messages."""
        offered = set(message_type.DESCRIPTOR.fields_by_name) - self.elsewhere
        value: Json = {}
        for name, texts in query.items():
            if name not in offered:
                raise Invalid("PARAMETER_UNKNOWN", f"there is no parameter {name}", field=name)
            known = message_type.DESCRIPTOR.fields_by_name[name]
            listed = known.is_repeated and not in_json(known)
            if not listed and len(texts) > 1:
                raise Invalid("DUPLICATE", f"{name} is given twice", field=name)
            values = [_plain(known, text) for text in texts]
            value[name] = values if listed else values[0]
        return value

    def _headers(self, request: Message, response: Message, asked: Asked) -> dict[str, str]:
        headers = {}
        record = getattr(response, "record", None)
        if record is not None:
            headers["etag"] = f'"{record.etag}"'
        if self.location:
            headers["location"] = _expanded(self.location, request)
        following = getattr(response, "next_page_token", "")
        if following:
            query = [(name, text) for name, texts in asked.query.items() for text in texts]
            kept = [(name, text) for name, text in query if name != "page_token"]
            headers["link"] = f'<?{urlencode([*kept, ("page_token", following)])}>; rel="next"'
        return headers


@dataclass(frozen=True, slots=True)
class Shaped:
    """A shape that isn't the schema's: bodies are plain JSON, described by JSON Schemas beside the code."""

    verb: str
    path: str
    method: str
    """The method whose rule says who may do this."""
    operation_id: str
    summary: str
    answers: Callable[[Methods, Actor, Asked], Answer]
    response: Json
    """The JSON Schema of what is answered."""
    request: Json | None = None
    """The JSON Schema of the body. None: there is none."""
    strict: bool = True
    """Whether a body that isn't as the schema says is refused as a whole, before anything is looked at."""
    parameters: tuple[Json, ...] = ()
    """The parameters of the query, as OpenAPI has them; those of the path are known."""
    media_type: str = JSON
    """Of what is answered."""
    refusal: Json | None = None
    """The JSON Schema of its own refusals. None: they are problems, as those of the door always are."""
    writes: bool = False
    """Whether a POST changes anything."""
    secret: bool = False
    """Whether the answer holds a secret, which is given once and kept nowhere."""
    hashes: bool = False
    """Whether a password is hashed. Few of those run at a time, and leave the threads to others."""

    @property
    def repeatable(self) -> bool:
        return self.verb == "POST" and self.writes

    def answer(self, methods: Methods, actor: Actor, asked: Asked) -> Answer:
        if self.request is not None and self.strict:
            _require_shape(self.request, asked.body)
        return self.answers(methods, actor, asked)


def in_json(field: Any) -> bool:
    """Whether a parameter of a query is written as JSON: messages are, but for those that are one text."""
    return field.message_type is not None and field.message_type.file.package != "google.protobuf"


def _plain(field: Any, text: str) -> Any:
    if in_json(field):
        return parse_json(text, f"the parameter {field.name}").value
    if field.type == FieldDescriptor.TYPE_BOOL and text in ("true", "false"):
        return text == "true"
    return text


def _require_shape(shape: Json, body: Any) -> None:
    """Refuses a body that isn't as its JSON Schema says, with every field that is wrong."""
    found = sorted(Draft202012Validator(shape).iter_errors(body), key=lambda wrong: wrong.json_path)
    errors = tuple(
        FieldProblem(
            wrong.json_path.removeprefix("$").lstrip("."), "UNREADABLE", wrong.message[:SHOWN_CHARS_MAX]
        )
        for wrong in found[:FAULTS_MAX]
    )
    if errors:
        detail = f"{errors[0].field}: {errors[0].message}" if errors[0].field else errors[0].message
        raise HttpRefusal(Problem(HTTPStatus.BAD_REQUEST, "UNREADABLE", detail, errors))


Route: TypeAlias = Call | Shaped
"""One operation of the API."""


def _fill(request: Message, path: str, text: str, place: str) -> None:
    """Sets a field that stands outside of the body; what the body has of it must be the same."""
    *outer, name = path.split(".")
    message: Any = request
    for step in outer:
        message = getattr(message, step)
        if not isinstance(message, Message):
            message = message[0] if message else message.add()
    value: Any = text
    if message.DESCRIPTOR.fields_by_name[name].cpp_type == FieldDescriptor.CPPTYPE_INT64:
        value = paging.given_out(text, name)
    if getattr(message, name) not in ("", 0, value):
        raise Invalid("NOT_ALLOWED", f"{path} says something else than {place}", field=path)
    setattr(message, name, value)


def _required_etag(asked: Asked) -> str:
    if asked.etag is None:
        raise HttpRefusal(
            Problem(
                HTTPStatus.PRECONDITION_REQUIRED,
                "ETAG_REQUIRED",
                "send the ETag of what was read before, as If-Match",
            )
        )
    return asked.etag


def names_in(path: str) -> list[str]:
    """What stands in braces in a path."""
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def _expanded(template: str, request: Message) -> str:
    """A path with fields of a request in it."""
    expanded = template
    for path in names_in(template):
        value: Any = request
        for step in path.split("."):
            value = getattr(value, step)
        expanded = expanded.replace(f"{{{path}}}", quote(str(value), safe=""))
    return expanded
