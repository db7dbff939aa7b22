"""A database for one run: a copy of the tests' own, made and dropped in milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

_numbers = itertools.count(1)


@contextmanager
def copy_of(template: str | None = None) -> Iterator[str]:
    """Within it, every connection of this process, threads and forks included, is one to the copy.

    Yields its name. `template` is the tests' own database unless said otherwise; nobody may be connected to
    it meanwhile, so other threads must have closed theirs.
    """
    was = connection.settings_dict["NAME"]
    name = f"{was}_{next(_numbers)}"
    connection.close()
    _ask(f'CREATE DATABASE "{name}" TEMPLATE "{template or was}" STRATEGY FILE_COPY')
    connection.settings_dict["NAME"] = name
    try:
        yield name
    finally:
        connection.close()
        connection.settings_dict["NAME"] = was
        _drop(name)


def _drop(name: str) -> None:
    """What a killed process left open is ended by force. PostgreSQL's own autovacuum may not be: it is asked
    to leave, which a plain DROP does."""
    try:
        _ask(f'DROP DATABASE "{name}" WITH (FORCE)')
    except psycopg.errors.InsufficientPrivilege:
        _ask(f'DROP DATABASE "{name}"')


def _ask(statement: str) -> None:
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as server:
        server.execute(statement)  # type: ignore[call-overload]  # names of our own
