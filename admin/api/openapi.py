"""The description of the API, generated from the table of routes and the schema."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from google.protobuf.descriptor import Descriptor

from admin.api import callers, cookie, problems, schemas
from admin.api.answers import JSON
from admin.api.repetition import KEY_PATTERN
from admin.api.routes import Call, Route, Shaped, in_json, names_in
from server.access.rules import RULES, Rule
from server.runtime.calls import described

Json = dict[str, Any]

READING: list[Json] = [{"bearer": []}, {"session": []}]
WRITING: list[Json] = [{"bearer": []}, {"session": [], "csrf": []}]
"""What a caller shows: a token, or a session with proof that its own page asks."""

IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A new text of 1 to 255 visible ASCII characters for each thing to be done. The same "
    "request with the same key is answered for 24 hours with the first answer, and nothing is done again.",
    "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
}

IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of what was read before. Refused with 412 when somebody was quicker.",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,18}"$'},
}

PROBLEM: Json = {
    "type": "object",
    "description": "Why a request was refused, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": f"{problems.TYPE} and the reason."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The status."},
        "detail": {"type": "string", "description": "What is wrong, in a sentence."},
        "reason": {"type": "string", "description": "What is wrong, as a stable code."},
        "errors": {
            "type": "array",
            "description": "The fields that are wrong.",
            "items": {
                "type": "object",
                "required": ["field", "reason", "message"],
                "properties": {
                    "field": {"type": "string", "description": "The path of the field."},
                    "reason": {"type": "string", "description": "What is wrong with it, as a stable code."},
                    "message": {"type": "string", "description": "The same in a sentence."},
                },
            },
        },
        "parameters": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "What the reason is about, such as who was quicker.",
        },
    },
}

REFUSED: Json = {
    "description": "The request was refused.",
    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": f"{schemas.PLACE}Problem"}}},
}


def document(routes: Iterable[Route]) -> Json:
    """The OpenAPI document of some routes."""
    listed = list(routes)
    paths: Json = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.verb.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dealwright",
            "version": version("dealwright-server"),
            "description": "Promotions over HTTP. Bodies are protojson of the messages of dealwright.v1.",
        },
        "servers": [{"url": "/"}],
        "security": READING,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token as `dealwright token create` makes it.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookie.NAME,
                    "description": "A session, as logging in gives it to a browser.",
                },
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRF-Token",
                    "description": "The csrf_token of the session.",
                },
            },
            "responses": {"Problem": REFUSED},
            "schemas": {"Problem": PROBLEM} | schemas.messages(_roots(listed)),
        },
    }


def text(routes: Iterable[Route]) -> str:
    """The document as it is kept and served."""
    return json.dumps(document(routes), ensure_ascii=False, indent=1) + "\n"


def _roots(routes: Iterable[Route]) -> list[Descriptor]:
    calls = [described(route.method) for route in routes if isinstance(route, Call)]
    return [part for call in calls for part in (call.input_type, call.output_type)]


def _operation(route: Route) -> Json:
    operation = _of_call(route) if isinstance(route, Call) else _of_shape(route)
    if RULES.get(route.method, Rule()).public:
        operation["security"] = []
    elif route.verb not in callers.READING:
        operation["security"] = WRITING
    if route.repeatable:
        operation["parameters"] = [*operation["parameters"], IDEMPOTENCY_KEY]
    operation["responses"]["default"] = _refusal(route)
    return operation


def _refusal(route: Route) -> Json:
    if isinstance(route, Call) or route.refusal is None:
        return {"$ref": "#/components/responses/Problem"}
    content = {**REFUSED["content"], JSON: {"schema": route.refusal}}
    return {**REFUSED, "content": content}


def _of_call(call: Call) -> Json:
    method = described(call.method)
    parameters = [_path_parameter(call, name) for name in names_in(call.path)]
    if call.in_query:
        parameters += _query_parameters(call, method.input_type)
    if call.etag:
        parameters.append(IF_MATCH)
    operation: Json = {
        "operationId": call.operation_id,
        "description": schemas.comments()[method.full_name],
        "tags": [method.containing_service.name],
        "parameters": parameters,
    }
    if not call.in_query:
        operation["requestBody"] = _body(_schema_of_body(call, method.input_type))
    status = HTTPStatus.CREATED if call.location else HTTPStatus.OK
    operation["responses"] = {
        str(int(status)): _response(status, {"$ref": schemas.PLACE + method.output_type.name})
    }
    return operation


def _of_shape(route: Shaped) -> Json:
    operation: Json = {
        "operationId": route.operation_id,
        "description": route.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in names_in(route.path)
            ),
            *route.parameters,
        ],
    }
    if route.request is not None:
        operation["requestBody"] = _body(route.request)
    operation["responses"] = {"200": _response(HTTPStatus.OK, route.response, route.media_type)}
    return operation


def _path_parameter(call: Call, name: str) -> Json:
    descriptor: Any = described(call.method).input_type
    *outer, last = call.fields.get(name, name).split(".")
    for step in outer:
        descriptor = descriptor.fields_by_name[step].message_type
    schema = schemas.described(descriptor.fields_by_name[last])
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": schema.pop("description"),
        "schema": {**schema, "minLength": 1},
    }


def _query_parameters(call: Call, descriptor: Descriptor) -> list[Json]:
    parameters = []
    for field in descriptor.fields:
        if field.name in call.elsewhere:
            continue
        schema = schemas.described(field)
        parameter: Json = {"name": field.name, "in": "query", "description": schema.pop("description")}
        if in_json(field):
            parameter["content"] = {JSON: {"schema": schema}}
        else:
            parameter["schema"] = schema
        parameters.append(parameter)
    return parameters


def _schema_of_body(call: Call, descriptor: Descriptor) -> Json:
    if not call.elsewhere:
        return {"$ref": schemas.PLACE + descriptor.name}
    return schemas.message(descriptor, call.elsewhere)


def _body(schema: Json) -> Json:
    return {"required": True, "content": {JSON: {"schema": schema}}}


def _response(status: HTTPStatus, schema: Json, media_type: str = JSON) -> Json:
    return {"description": status.phrase, "content": {media_type: {"schema": schema}}}
