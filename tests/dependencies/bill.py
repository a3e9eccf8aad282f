"""The bill of materials (SBOM) in CycloneDX: what a release is made of, for whoever has to answer for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from tests.dependencies.packages import Package


def bill_of_materials(packages: Sequence[Package]) -> str:
    """As JSON. Without a time and a serial number, so that the same locks give the same bytes."""
    product = {
        "type": "application",
        "name": "dealwright",
        "version": version("dealwright-server"),
        "licenses": [{"expression": "Apache-2.0"}],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": [_component(package) for package in packages],
    }
    return json.dumps(document, indent=2) + "\n"


def _component(package: Package) -> dict[str, Any]:
    address = f"pkg:{package.type}/{package.name}@{quote(package.version)}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": package.name,
        "version": package.version,
        "purl": address,
        "scope": "required" if package.contained else "excluded",
        "licenses": [{"expression": package.licence}] if package.licence else [],
        "hashes": [{"alg": "SHA-256", "content": each} for each in package.hashes],
    }
