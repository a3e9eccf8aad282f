"""The files of the project: everything in the tree that git doesn't ignore."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
IGNORED = [".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().split())]


def project_files(*suffixes: str) -> Iterator[Path]:
    """Paths relative to the root, of files that end in one of `suffixes`, or of all files."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not is_ignored(name)]
        for name in names:
            if not is_ignored(name) and name.endswith(suffixes or ("",)):
                yield (Path(folder) / name).relative_to(ROOT)


def is_ignored(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in IGNORED)
