"""Documents: YAML and JSON files of protojson, read strictly into messages of the schema and written back."""

from server.documents.files import (
    CartDocument,
    Definitions,
    Item,
    parse_cart,
    parse_definitions,
    read_cart,
    read_definitions,
)
from server.documents.protojson import parse_message, parse_value, to_json, to_value
from server.documents.rows import Row, read_rows, write_csv
from server.documents.source import DocumentError, Problem, Source, Value, parse_json, parse_yaml, read_source
from server.documents.yaml_text import to_yaml

__all__ = [
    "CartDocument",
    "Definitions",
    "DocumentError",
    "Item",
    "Problem",
    "Row",
    "Source",
    "Value",
    "parse_cart",
    "parse_definitions",
    "parse_json",
    "parse_message",
    "parse_value",
    "parse_yaml",
    "read_cart",
    "read_definitions",
    "read_rows",
    "read_source",
    "to_json",
    "to_value",
    "to_yaml",
    "write_csv",
]
