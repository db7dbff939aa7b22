"""What every test may use. Servers are started when the first test asks for them."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator

import hypothesis
import psycopg
import pytest

from hive_portal.stack import Stack
from tests import settings
from tests.needs import need

pytest_plugins = ["tests.cast"]

# Where everybody's work is judged, the same examples each time: new ones are found at the desk, where each
# run draws others.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What takes long is done in part unless more is asked for."""
    group = parser.getgroup("hive")
    group.addoption("--months", type=int, default=2, help="how many months to simulate (2)")
    group.addoption("--every-kill", action="store_true", help="kill after mere questions too")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A real PostgreSQL and a real Redis, empty, for this run; their addresses are in the environment."""
    folder = settings.home.path
    with settings.stack as running:
        _let_tests_skip_triggers(running)
        yield running
    shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)


def _let_tests_skip_triggers(running: Stack) -> None:
    """What the application's role may not do, and the flush below has to."""
    if running.postgres:
        with psycopg.connect(running.postgres.owner_url, autocommit=True) as connection:
            connection.execute("GRANT SET ON PARAMETER session_replication_role TO hive")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(stack: Stack) -> None:
    """pytest-django asks for this before it makes the test database."""


@pytest.fixture(scope="session", autouse=True)
def _emptying_is_allowed() -> Iterator[None]:
    """Let Django empty the tables after a transactional test.

    Triggers refuse to truncate what must never change, invoices for one; a session in the role of a replica
    skips them. The tests themselves run in the ordinary role.
    """
    from django.db import connection
    from django.test import TransactionTestCase

    empty = TransactionTestCase._fixture_teardown

    def teardown(case: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
        try:
            empty(case)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET session_replication_role = origin")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


REAL_FIXTURES = {"stack", "db", "transactional_db", "live_server"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or a process of its own; `-m "not real"` are the pure tests."""
    for item in items:
        needs = any(item.iter_markers("needs")) or any(item.iter_markers("django_db"))
        if needs or REAL_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real)


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
