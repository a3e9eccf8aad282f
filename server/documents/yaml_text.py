"""Messages as YAML for people: in the schema's order, and read back as exactly what they were."""

from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from server.documents.protojson import to_value
from server.documents.source import reads_as_text

WIDTH = 110

_INTEGERS = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64)


def to_yaml(value: Message | list[Message]) -> str:
    """A message or a list of messages as a YAML document."""
    plain = [_plain(item) for item in value] if isinstance(value, list) else _plain(value)
    return yaml.dump(
        plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=WIDTH
    )


class _Dumper(yaml.SafeDumper):
    """Quotes every text that would be read as something else, and never writes an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Double quotes escape what a line break or a control character would become otherwise.
    style = None if reads_as_text(text) and text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _plain(message: Message) -> dict[str, Any]:
    """Protojson, with 64-bit integers as numbers; files may have them so."""
    return _numbers(to_value(message), message.DESCRIPTOR)


def _numbers(value: dict[str, Any], descriptor: Any) -> dict[str, Any]:
    return {name: _number(item, descriptor.fields_by_name[name]) for name, item in value.items()}


def _number(value: Any, field: Any) -> Any:
    if isinstance(value, list):
        return [_number(item, field) for item in value]
    if isinstance(value, dict):
        return _numbers(value, field.message_type)
    return int(value) if field.type in _INTEGERS else value
