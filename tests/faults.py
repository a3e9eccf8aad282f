"""A plugin for pytest: tests of faults as a table of what was expected and what was seen (`make faults`)."""

from collections.abc import Generator

import pytest

ROWS: list[tuple[str, str, str]] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes each fault when its test has run."""
    report = yield
    mark = item.get_closest_marker("fault")
    if mark is not None and report.when == "call":
        fault, expected = mark.args
        ROWS.append((fault, expected, "as expected" if report.passed else "otherwise: see above"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes the table."""
    terminalreporter.line("")
    for row in (("fault", "expected", "seen"), ("---",) * 3, *sorted(ROWS)):
        terminalreporter.line(f"| {' | '.join(row)} |")
