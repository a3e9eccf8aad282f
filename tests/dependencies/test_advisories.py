"""What databases of advisories answer, and what it means when they don't."""

import json
import sys
from typing import Any

import pytest

from tests.dependencies.advisories import Report, ask, of_cargo_audit, of_pip_audit
from tests.dependencies.audit import exit_code

KNOWN = Report(known=("left-pad 1.0: ADV-1, mended in 1.1",))
UNANSWERED = Report(unanswered=("no route to host",))

OF_PIP_AUDIT = {
    "dependencies": [
        {
            "name": "flask",
            "version": "0.5",
            "vulns": [{"id": "PYSEC-2019-179", "fix_versions": ["1.0", "1.1"]}],
        },
        {"name": "click", "version": "8.1", "vulns": []},
        {"name": "jinja2", "version": "3.0", "vulns": [{"id": "PYSEC-2021-66", "fix_versions": []}]},
    ],
    "fixes": [],
}
OF_CARGO_AUDIT: dict[str, Any] = {
    "vulnerabilities": {
        "found": True,
        "count": 1,
        "list": [
            {
                "advisory": {"id": "RUSTSEC-2020-0071", "title": "Potential segfault in the time crate"},
                "package": {"name": "time", "version": "0.1.43"},
            }
        ],
    },
    "warnings": {
        "unsound": [
            {
                "advisory": {"id": "RUSTSEC-2021-0145", "title": "Potential unaligned read"},
                "package": {"name": "atty", "version": "0.2.14"},
            }
        ],
        "unmaintained": [
            {
                "advisory": {"id": "RUSTSEC-2024-0375", "title": "atty is unmaintained"},
                "package": {"name": "atty", "version": "0.2.14"},
            }
        ],
        "yanked": [{"advisory": None, "package": {"name": "bytes", "version": "1.0.0"}}],
    },
}


def test_advisories_of_pip_audit_say_where_they_are_mended() -> None:
    assert of_pip_audit(OF_PIP_AUDIT) == Report(
        known=(
            "flask 0.5: PYSEC-2019-179, mended in 1.0, 1.1",
            "jinja2 3.0: PYSEC-2021-66, mended in no version yet",
        )
    )


def test_packages_that_pip_audit_skips_are_not_known() -> None:
    """Behind a mirror without advisories it skips all of them and ends well."""
    skipped = {"dependencies": [{"name": "click", "skip_reason": "click (8.1) could not be audited"}]}
    assert of_pip_audit(skipped) == Report(unanswered=("click (8.1) could not be audited",))


def test_vulnerable_unsound_and_yanked_crates_are_findings() -> None:
    assert of_cargo_audit(OF_CARGO_AUDIT) == Report(
        known=(
            "time 0.1.43: RUSTSEC-2020-0071, Potential segfault in the time crate",
            "atty 0.2.14: RUSTSEC-2021-0145, Potential unaligned read",
            "bytes 1.0.0: is yanked",
        )
    )


def test_a_report_counts_whatever_the_exit_code_is() -> None:
    program = f"import sys; print({json.dumps(OF_PIP_AUDIT)!r}); sys.exit(1)"
    assert ask([sys.executable, "-c", program], of_pip_audit) == of_pip_audit(OF_PIP_AUDIT)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (
            "import sys; sys.exit('   Fetching\\nerror: no route to host\\nCaused by: it')",
            "error: no route to host",
        ),
        ("import sys; sys.exit('gone')", "gone"),
        ("import sys; sys.exit(2)", "no report, exit code 2"),
        ("print('{}')", "no report, exit code 0"),
        ("print('[]')", "no report, exit code 0"),
        ("print('No known vulnerabilities')", "no report, exit code 0"),
    ],
)
def test_a_program_without_a_report_has_no_answer(program: str, reason: str) -> None:
    assert ask([sys.executable, "-c", program], of_pip_audit) == Report(unanswered=(reason,))


def test_a_program_that_is_not_there_has_no_answer() -> None:
    assert ask(["no-such-audit"], of_pip_audit) == Report(unanswered=("no-such-audit isn't installed",))


def test_a_program_that_hangs_is_ended() -> None:
    waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
    assert ask(waiting, of_pip_audit, seconds_max=0.1) == Report(unanswered=("no answer after 0.1 s",))


@pytest.mark.parametrize(
    ("refused", "reports", "code"),
    [
        ([], [Report(), Report()], 0),
        (["a licence"], [Report(), Report()], 1),
        ([], [Report(), KNOWN], 1),
        ([], [UNANSWERED, KNOWN], 1),
        (["a licence"], [UNANSWERED], 1),
        ([], [UNANSWERED, Report()], 3),
    ],
)
def test_what_is_wrong_outweighs_what_is_not_known(
    refused: list[str], reports: list[Report], code: int
) -> None:
    assert exit_code(refused, reports) == code
