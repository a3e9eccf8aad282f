"""The six endpoints of tills over HTTP, with exactly the fields that are prescribed (docs/pos.md)."""

import json
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from admin.api.answers import Answer, Asked
from admin.api.problems import problem_of
from admin.api.routes import Methods, Shaped
from server.actors import Actor
from server.definitions.pos import SCHEMA
from server.definitions.tills import Reader
from server.usage.calls import Wanted, WantedDocuments, reader_of

PREFIX = "/api/v1/sync"

Json = dict[str, Any]

_DOCUMENT: Json = {"type": "object", "description": f"As {SCHEMA['$id']} says (docs/pos.md)."}
_DOCUMENTS: Json = {"type": "array", "items": _DOCUMENT}
_IDS: Json = {"type": "array", "items": {"type": "string"}}
_TIME: Json = {"type": "string", "format": "date-time"}
_ERRORS: Json = {
    "type": "array",
    "description": "Items that can't be kept: the item as data, and error or errors by field.",
    "items": {"type": "object", "required": ["data"]},
}


def _object(required: Json, **optional: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


_COUNT: Json = {"type": "integer", "minimum": 0}
_CHANGES = _object(
    {
        "promotions": _DOCUMENTS,
        "deleted_promotion_ids": _IDS,
        "deleted_ids": {**_IDS, "description": "The same as deleted_promotion_ids."},
        "sync_timestamp": {**_TIME, "description": "What to send as last_sync next time."},
        "count": _COUNT,
    }
)
_SOME = _object({"promotions": _DOCUMENTS, "count": _COUNT})
_VERSION = _object(
    {
        "version": {**_COUNT, "description": "The revision of the company; only grows."},
        "last_updated": {"anyOf": [_TIME, {"type": "null"}]},
        "force_update": {"type": "boolean", "description": "Load everything anew, without last_sync."},
    }
)
_UPLOADED = _object({"created": _COUNT, "errors": _ERRORS, "total": _COUNT})
_AMOUNT: Json = {"type": "number", "minimum": 0}
_USAGE = _object(
    {
        "promotion_id": {"type": "string"},
        "bill_id": {"type": "string"},
        "discount_amount": _AMOUNT,
        "used_at": _TIME,
        "store_id": {"type": "string"},
    },
    member_id={"type": "string"},
    customer_phone={"type": "string"},
    brand_id={"type": "string"},
)
_LOG = _object(
    {
        "bill_id": {"type": "string"},
        "promotion_id": {"type": "string"},
        "status": {"enum": ["applied", "rejected", "skipped", "limit_exceeded", "expired", "error"]},
        "discount_amount": _AMOUNT,
    },
    reason={"type": "string"},
    original_amount=_AMOUNT,
    final_amount=_AMOUNT,
    validation_details={},
)
_REFUSAL = _object({"error": {"type": "string", "description": "What is wrong, in a sentence."}})


def _answering(method: str, request_of: Callable[[Asked], Any]) -> Callable[[Methods, Actor, Asked], Answer]:
    """Answers as prescribed, and refuses as prescribed: one sentence as `error`."""

    def answer(methods: Methods, actor: Actor, asked: Asked) -> Answer:
        try:
            return _answer(methods[method](actor, request_of(asked)), HTTPStatus.OK, {})
        except Exception as error:  # noqa: BLE001 - problem_of logs what nobody expected
            problem = problem_of(error)
            unexpected = problem.status is HTTPStatus.INTERNAL_SERVER_ERROR
            sentence = "Internal server error" if unexpected else problem.detail
            return _answer({"error": sentence}, problem.status, problem.headers)

    return answer


def _answer(value: Json, status: HTTPStatus, headers: dict[str, str]) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False, default=_number).encode(), status, headers)


def _number(value: object) -> float:
    """What was uploaded is given back in errors as the number that it was."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def _parameter(asked: Asked, name: str) -> str:
    return next(iter(asked.query.get(name, ())), "")


def _wanted(asked: Asked) -> Wanted:
    store_id, brand_id, last_sync = (
        _parameter(asked, name) for name in ("store_id", "brand_id", "last_sync")
    )
    return Wanted(store_id, brand_id, last_sync, _reader(asked))


def _reader(asked: Asked) -> Reader:
    return reader_of(_parameter(asked, "extensions"), _parameter(asked, "currency"))


def _listed(name: str) -> Callable[[Asked], Any]:
    return lambda asked: asked.body.get(name) if isinstance(asked.body, dict) else None


def _query(name: str, description: str, schema: Json) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": name == "store_id",
        "description": description,
        "schema": schema,
    }


_READER = (
    _query(
        "extensions",
        "The extensions of documents that the till understands, with commas between them, or all. Promotions "
        "whose documents have others are left out.",
        {"type": "string"},
    ),
    _query(
        "currency",
        "The currency of the till, where the company keeps no stores and sells in several.",
        {"type": "string"},
    ),
)
_QUERY = (
    _query("store_id", "The store of the till.", {"type": "string"}),
    _query("brand_id", "Only what holds for this brand. Default: the store's.", {"type": "string"}),
    _query("last_sync", "The sync_timestamp of the last answer. Without it, everything.", _TIME),
    *_READER,
)


def _changes(path: str, operation_id: str) -> Shaped:
    return Shaped(
        "GET",
        PREFIX + path,
        "sync/GetChanges",
        operation_id,
        "What changed for a till's store since its last sync, or all promotions.",
        _answering("sync/GetChanges", _wanted),
        _CHANGES,
        parameters=_QUERY,
        refusal=_REFUSAL,
    )


SYNC = (
    _changes("/promotions/", "SyncPromotions"),
    # The name that some tills have for the same. It stands before the path of one promotion.
    _changes("/promotions/active/", "SyncActivePromotions"),
    Shaped(
        "GET",
        f"{PREFIX}/promotions/{{promotion_id}}/",
        "sync/GetDocument",
        "SyncPromotion",
        "The document of one promotion.",
        _answering(
            "sync/GetDocument", lambda asked: WantedDocuments([asked.path["promotion_id"]], _reader(asked))
        ),
        _DOCUMENT,
        parameters=_READER,
        refusal=_REFUSAL,
    ),
    Shaped(
        "POST",
        f"{PREFIX}/promotions/bulk/",
        "sync/GetDocuments",
        "SyncSomePromotions",
        "The documents of some promotions. Those that aren't there are left out.",
        _answering(
            "sync/GetDocuments",
            lambda asked: WantedDocuments(_listed("promotion_ids")(asked), _reader(asked)),
        ),
        _SOME,
        parameters=_READER,
        request=_object({"promotion_ids": _IDS}),
        strict=False,
        refusal=_REFUSAL,
    ),
    Shaped(
        "GET",
        f"{PREFIX}/schema/",
        "sync/GetVersion",
        "SyncSchema",
        "The JSON Schema of documents.",
        lambda methods, actor, asked: _answer(SCHEMA, HTTPStatus.OK, {}),
        {"type": "object"},
        refusal=_REFUSAL,
    ),
    Shaped(
        "GET",
        f"{PREFIX}/version/",
        "sync/GetVersion",
        "SyncVersion",
        "Which revision is in force, and whether everything is to be loaded anew.",
        _answering("sync/GetVersion", lambda _: None),
        _VERSION,
        refusal=_REFUSAL,
    ),
    Shaped(
        "POST",
        f"{PREFIX}/usage/",
        "sync/UploadUsages",
        "UploadUsages",
        "Which promotions a till granted. The same one again changes nothing.",
        _answering("sync/UploadUsages", _listed("usages")),
        _UPLOADED,
        request=_object({"usages": {"type": "array", "items": _USAGE}}),
        strict=False,
        refusal=_REFUSAL,
        writes=True,
    ),
    Shaped(
        "POST",
        f"{PREFIX}/logs/",
        "sync/UploadLogs",
        "UploadLogs",
        "What became of promotions on bills. The same one again changes nothing.",
        _answering("sync/UploadLogs", _listed("logs")),
        _UPLOADED,
        request=_object({"logs": {"type": "array", "items": _LOG}}),
        strict=False,
        refusal=_REFUSAL,
        writes=True,
    ),
)
"""In the order in which paths are looked at."""
