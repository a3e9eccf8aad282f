"""The JSON Schema of POS documents has extensions as the one schema does. UPDATE_DOCS=1 writes them again."""

import json
import os
from typing import Any

from dealwright.v1.promotion_pb2 import Promotion

from admin.api import schemas
from server.definitions.pos import SCHEMA
from server.definitions.pos.extensions import PARTS
from server.definitions.pos.shape import SCHEMA_PATH

UNPRESCRIBED = "custom"
"""The type that documents have no name for, and so no extension."""


def generated() -> dict[str, Any]:
    """What the schema of messages says of extensions, and of everything that they hold."""
    fields = [Promotion.DESCRIPTOR.fields_by_name[part] for part in PARTS if part != UNPRESCRIBED]
    definitions = schemas.messages(field.message_type for field in fields if field.message_type is not None)
    extensions = {
        "type": "object",
        "description": (
            "Parts of the definition that no other section can say, as protojson of dealwright.v1.Promotion. "
            "Each stands in place of what other sections say of it, and has to be understood."
        ),
        "properties": {field.name: schemas.described(field) for field in fields},
        "minProperties": 1,
        "additionalProperties": False,
    }
    text = json.dumps({"extensions": extensions, **definitions})
    written: dict[str, Any] = json.loads(text.replace(schemas.PLACE, "#/$defs/"))
    return written


def test_the_schema_of_extensions_is_the_one_schema() -> None:
    ours = {
        name: part for name, part in SCHEMA["$defs"].items() if name[0].islower() and name != "extensions"
    }
    if os.environ.get("UPDATE_DOCS"):
        schema = {**SCHEMA, "$defs": {**ours, **generated()}}
        SCHEMA_PATH.write_text(json.dumps(schema, indent=2) + "\n")
    else:
        assert SCHEMA["$defs"] == {**ours, **generated()}, "UPDATE_DOCS=1 writes it again"
