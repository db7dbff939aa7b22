"""What every test may use. Servers are started when the first test asks for them."""

import shutil
from collections import Counter
from collections.abc import Iterator

import pytest

from hive_portal.stack import Stack
from tests import settings
from tests.needs import need

pytest_plugins = ["tests.cast"]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A real PostgreSQL and a real Redis, empty, for this run; their addresses are in the environment."""
    folder = settings.home.path
    with settings.stack as running:
        yield running
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(stack: Stack) -> None:
    """pytest-django asks for this before it makes the test database."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        need(*marker.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped because the machine lacks something."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.section("skipped")
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count:>4} {'test' if count == 1 else 'tests'}: {reason}")


def pytest_unconfigure() -> None:
    shutil.rmtree(settings.home.path, ignore_errors=True)
