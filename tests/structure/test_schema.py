"""What holds for every message, field and value of the schema."""

import importlib
import importlib.resources
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message
from grpc_tools import protoc

from tests.structure.tree import ROOT

SCHEMA = ROOT / "proto"
FLOATING = {FieldDescriptorProto.TYPE_FLOAT, FieldDescriptorProto.TYPE_DOUBLE}
# Messages that let in a float, or anything at all.
UNTYPED = {
    f".google.protobuf.{name}"
    for name in ("Any", "DoubleValue", "FloatValue", "ListValue", "Struct", "Value")
}
# What is declared inside what.
PARTS: dict[type[Message], tuple[str, ...]] = {
    FileDescriptorProto: ("message_type", "enum_type", "service"),
    DescriptorProto: ("field", "oneof_decl", "nested_type", "enum_type"),
    EnumDescriptorProto: ("value",),
    ServiceDescriptorProto: ("method",),
}
# Where a declaration stands in its file, as comments name it: field numbers and indexes in turn.
Place = tuple[int, ...]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """The schema as it is in the tree, with its comments."""
    output = tmp_path_factory.mktemp("schema") / "descriptors.binpb"
    compile_schema("--include_source_info", f"--descriptor_set_out={output}")
    return list(FileDescriptorSet.FromString(output.read_bytes()).file)


def test_nothing_is_a_float(schema: list[FileDescriptorProto]) -> None:
    assert [
        f"{file.name}: {field.name}"
        for file, field in fields(schema)
        if field.type in FLOATING or field.type_name in UNTYPED
    ] == []


def test_names_of_fields_are_snake_case(schema: list[FileDescriptorProto]) -> None:
    snake_case = re.compile(r"[a-z]+[0-9]*(?:_[a-z0-9]+)*")
    assert [
        f"{file.name}: {field.name}" for file, field in fields(schema) if not snake_case.fullmatch(field.name)
    ] == []


def test_every_element_says_what_it_means(schema: list[FileDescriptorProto]) -> None:
    silent = []
    for file in schema:
        comments = {tuple(spot.path): spot.leading_comments for spot in file.source_code_info.location}
        silent += [
            f"{file.name}: {element.name}"
            for element, place in elements(file)
            if not comments.get(place, "").strip()
        ]
    assert silent == []


def test_the_installed_package_is_made_from_this_schema(tmp_path: Path) -> None:
    compile_schema(
        "--include_imports", "--include_source_info", f"--descriptor_set_out={tmp_path / 'descriptors.binpb'}"
    )
    installed = importlib.resources.files("dealwright") / "descriptors.binpb"
    assert installed.read_bytes() == (tmp_path / "descriptors.binpb").read_bytes()


def test_every_file_of_the_schema_can_be_imported(schema: list[FileDescriptorProto]) -> None:
    for file in schema:
        module = importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        assert module.DESCRIPTOR.name == file.name


def compile_schema(*options: str) -> None:
    well_known_types = importlib.resources.files("grpc_tools") / "_proto"
    files = [str(file) for file in sorted(SCHEMA.rglob("*.proto"))]
    status = protoc.main(
        ["protoc", f"--proto_path={SCHEMA}", f"--proto_path={well_known_types}", *options, *files]
    )
    assert status == 0


def fields(schema: list[FileDescriptorProto]) -> list[tuple[FileDescriptorProto, FieldDescriptorProto]]:
    found = [
        (file, element)
        for file in schema
        for element, _ in elements(file)
        if isinstance(element, FieldDescriptorProto)
    ]
    assert found
    return found


def elements(parent: Message, place: Place = ()) -> Iterator[tuple[Any, Place]]:
    """Everything that `parent` declares, at any depth, with its place in the file."""
    for part in PARTS.get(type(parent), ()):
        number = parent.DESCRIPTOR.fields_by_name[part].number
        for index, element in enumerate(getattr(parent, part)):
            if not is_made_up(element):
                yield element, (*place, number, index)
                yield from elements(element, (*place, number, index))


def is_made_up(element: Message) -> bool:
    """Whether protoc added it: the entry of a map, or the oneof of an optional field."""
    if isinstance(element, DescriptorProto):
        return element.options.map_entry
    return isinstance(element, OneofDescriptorProto) and element.name.startswith("_")
