"""Many rows changed by one statement, each to values of its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import Field, Model
from psycopg.sql import SQL, Identifier


def store_each(rows: Collection[Model], fields: Collection[str]) -> None:
    """`bulk_update` without its CASE for each field and row, which costs Django most of the time."""
    if not rows or not fields:
        return
    meta = next(iter(rows))._meta
    assert meta.pk is not None  # every stored model has one
    by_name = {field.name: field for field in meta.concrete_fields}
    key, *columns = [by_name[name] for name in (meta.pk.name, *fields)]
    arrays = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows]
        for field in (key, *columns)
    ]
    pk, names = Identifier(str(key.column)), [Identifier(str(field.column)) for field in columns]
    statement = SQL(
        "UPDATE {table} AS old SET {sets} FROM unnest({arrays}) AS new({pk}, {names}) WHERE {same}"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement.format(
                table=Identifier(meta.db_table),
                sets=SQL(", ").join(SQL("{0} = new.{0}").format(name) for name in names),
                arrays=SQL(", ").join(SQL(f"%s::{_kind(field)}[]") for field in (key, *columns)),
                pk=pk,
                names=SQL(", ").join(names),
                same=SQL("old.{0} = new.{0}").format(pk),
            ),
            arrays,
        )


def _kind(field: Field[Any, Any]) -> str:
    """Its type in PostgreSQL, without a length: a text that is too long should be refused, not cut."""
    return str(field.rel_db_type(connection)).split("(")[0]
