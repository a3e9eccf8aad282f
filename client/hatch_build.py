"""Generates the Python side of the schema into the wheel, so that no generated code is kept in the tree."""

import importlib.resources
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WELL_KNOWN_TYPES = importlib.resources.files("grpc_tools") / "_proto"


class SchemaBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds messages, services, their type stubs and the descriptor set to `dealwright`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self.generated = TemporaryDirectory()
        output = Path(self.generated.name)
        generate(Path(self.root).parent / "proto", output)
        for file in output.rglob("*.*"):
            build_data["force_include"][str(file)] = str(file.relative_to(output))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self.generated.cleanup()


def generate(schema: Path, output: Path) -> None:
    """Compiles every proto file under `schema` into `output`."""
    files = sorted(schema.rglob("*.proto"))
    services = [file for file in files if file.stem.endswith("_service")]
    package = output / "dealwright"
    package.mkdir()
    compile_schema(
        schema,
        files,
        f"--python_out={output}",
        f"--mypy_out=quiet:{output}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={package / 'descriptors.binpb'}",
    )
    compile_schema(schema, services, f"--grpc_python_out={output}", f"--mypy_grpc_out=quiet:{output}")


def compile_schema(schema: Path, files: list[Path], *outputs: str) -> None:
    """Runs protoc, which comes with grpcio-tools."""
    scripts = Path(sysconfig.get_path("scripts"))
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={schema}",
            f"--proto_path={WELL_KNOWN_TYPES}",
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            *outputs,
            *map(str, files),
        ]
    )
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}")
