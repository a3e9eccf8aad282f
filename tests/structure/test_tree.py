"""What holds for every file of the project."""

import re

from tests.structure.tree import ROOT, project_files

LINES_MAX = 700
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}

# Spelled in pieces, so that this file passes its own test.
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:work|root|tmp|home|Users)" + r"/\w")
REGISTRY_HOST = re.compile(
    "|".join(["pypi" + r"\.org", "python" + "hosted" + r"\.org", "npmjs" + r"\.(?:org|com)"])
)
# Written by cargo, which names its default registry in each entry.
NAMES_ITS_REGISTRY = {"Cargo.lock"}


def test_no_file_names_a_path_of_a_machine() -> None:
    assert search(MACHINE_PATH) == []


def test_no_file_names_a_package_registry() -> None:
    assert [found for found in search(REGISTRY_HOST) if found.split(":")[0] not in NAMES_ITS_REGISTRY] == []


def test_source_files_stay_readable_in_one_sitting() -> None:
    lengths = {path: len((ROOT / path).read_bytes().splitlines()) for path in project_files(".py", ".rs")}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LINES_MAX} == {}


def test_every_file_is_named_after_a_subject() -> None:
    assert [path for path in project_files() if path.stem in VAGUE_NAMES] == []


def test_no_generated_code_is_kept() -> None:
    assert list(project_files("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi", ".so")) == []


def search(pattern: re.Pattern[str]) -> list[str]:
    """Every line of a text file that matches, as file:line: text."""
    found = []
    for path in project_files():
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode().splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    return found
