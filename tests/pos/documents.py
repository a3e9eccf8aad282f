"""Definitions, written as documents and read back, as tests need them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dealwright.v1.promotion_pb2 import Promotion
from google.protobuf.json_format import ParseDict
from jsonschema import Draft202012Validator

from server.definitions.pos import SCHEMA, Edition, project, read_documents, with_numbers
from server.documents import parse_json, read_definitions

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMOTIONS = read_definitions([EXAMPLES / "promotions", EXAMPLES / "demo" / "promotions"]).promotions
WHEN = datetime(2026, 1, 27, 10, tzinfo=UTC)
EDITION = Edition("IDR", calendar_ids=("id-public",))
WITH_STORES = replace(EDITION, store_regions=(("kuta", "Bali"), ("menteng", "Jakarta"), ("ubud", "Bali")))
VALIDATOR = Draft202012Validator(SCHEMA)

HEAD = {"id": "test", "rule_language": 1, "name": [{"language": "en", "text": "Test"}]}
IDR = {"currency_code": "IDR"}


def definition(**parts: Any) -> Promotion:
    return ParseDict({**HEAD, **parts}, Promotion())


def percent(**more: Any) -> dict[str, Any]:
    return {"phase": "PHASE_ITEM", "percent_off_ppm": 200_000, **more}


def document_of(promotion: Promotion, edition: Edition = EDITION) -> dict[str, Any]:
    """The document as a till gets it: through the text of JSON, and valid."""
    projection = project(promotion, edition, 1, WHEN)
    assert projection.document is not None, projection.unsaid
    written: dict[str, Any] = json.loads(json.dumps(with_numbers(projection.document)))
    VALIDATOR.validate(written)
    return written


def read_back(document: Any, edition: Edition = EDITION) -> Promotion:
    (promotion,) = read_documents(parse_json(json.dumps(document), "a till"), edition)
    return promotion


def unsaid(promotion: Promotion, edition: Edition = EDITION) -> list[str]:
    projection = project(promotion, edition, 1, WHEN)
    assert (projection.document is None) == bool(projection.unsaid)
    return list(projection.unsaid)
