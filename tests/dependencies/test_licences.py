"""A licence that nobody has accepted stops the audit."""

from dataclasses import replace

import pytest

from tests.dependencies.audit import exit_code, refusals
from tests.dependencies.licences import STATED, is_accepted, rust_licence
from tests.dependencies.packages import Package


def test_all_locked_packages_have_accepted_licences(packages: list[Package]) -> None:
    assert refusals(packages) == []


@pytest.mark.parametrize("licence", ["AGPL-3.0-only", "MIT AND GPL-2.0-only", None])
def test_one_other_licence_fails_the_audit(licence: str | None, packages: list[Package]) -> None:
    one = replace(packages[-1], licence=licence)
    refused = refusals([*packages[:-1], one])
    assert refused == [f"{one.name} {one.version} ({one.type}): {licence or 'no licence is known'}"]
    assert exit_code(refused, []) == 1


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT OR GPL-3.0-only AND AGPL-3.0-only", True),
        ("(MIT OR GPL-3.0-only) AND AGPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", True),
        ("((GPL-3.0-only AND MIT) OR (ISC AND Zlib)) AND BSD-3-Clause", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT WITH LLVM-exception", False),
    ],
)
def test_an_expression_is_accepted_by_what_it_asks_for(licence: str, accepted: bool) -> None:
    assert is_accepted(licence) is accepted


def test_a_slash_of_an_older_manifest_is_a_choice() -> None:
    assert rust_licence("MIT/Apache-2.0") == "MIT OR Apache-2.0"


@pytest.mark.parametrize("said", [None, "", "non-standard"])
def test_what_is_no_expression_is_no_licence(said: str | None) -> None:
    assert rust_licence(said) is None


def test_licences_are_stated_of_locked_packages_alone(packages: list[Package]) -> None:
    assert set(STATED) <= {package.name for package in packages}
