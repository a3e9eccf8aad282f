"""Under which licences packages are, and which of these the project accepts."""

from __future__ import annotations

import re
from importlib.metadata import Distribution

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

ACCEPTED = {
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "LGPL-3.0-only",  # psycopg: used as it is, and replaceable by whoever installs it
    "MIT",
    "MIT-0",
    "MPL-2.0",  # asks for changed files alone, and none is changed
    "PSF-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
"""SPDX identifiers. Whoever adds one has read what it asks of those who pass the product on."""

SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License": "ISC",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
}
"""What metadata says that is no SPDX expression, but can mean one licence only."""

STATED = {
    "colorama": "BSD-3-Clause",
    "segno": "BSD-3-Clause",
    "tzdata": "Apache-2.0",
}
"""Read in their licence files: metadata doesn't say which BSD, or is only there on Windows."""


def python_licence(name: str, found: Distribution | None) -> str | None:
    """By expression, else text, else classifiers of the metadata; None when these leave it open."""
    if name in STATED or found is None:
        return STATED.get(name)
    for field in ("License-Expression", "License", "Classifier"):
        for text in found.metadata.get_all(field, []):
            if licence := _expression(SPELLINGS.get(text, text)):
                return licence
    return None


def rust_licence(said: str | None) -> str | None:
    """By the manifest; older ones write OR as a slash."""
    return _expression(said.replace("/", " OR ")) if said else None


MET, UNMET = "met", "unmet"


def is_accepted(licence: str | None) -> bool:
    """Whether what the expression asks for can be met with accepted licences alone."""
    if licence is None:
        return False
    while "(" in licence:
        licence = re.sub(r"\(([^()]*)\)", lambda inner: _met(inner[1]), licence)
    return _met(licence) == MET


def _met(expression: str) -> str:
    """Of an expression without parentheses; AND binds closer than OR."""
    options = [option.split(" AND ") for option in expression.split(" OR ")]
    return MET if any({each.strip() for each in option} <= {*ACCEPTED, MET} for option in options) else UNMET


def _expression(text: str) -> str | None:
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return None
