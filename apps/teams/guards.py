"""The database's own guards, as operations for hand-written migrations.

What a model says of itself in Python holds for whoever writes SQL as well: which states there are and the
ways between them, what is written once, what never falls, and which rows stay. The trigger functions are in
teams 0003.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.db.migrations import RunSQL
from django.db.models import Model

from apps.teams.states import Stateful


def keep_states(*models: type[Stateful]) -> RunSQL:
    """Only states that TRANSITIONS has, left only by its ways.

    The table is taken as it is when the migration runs: who changes a TRANSITIONS that is released writes a
    migration with `keep_states` again (a test compares the two).
    """
    return _all([_states(model, model.TRANSITIONS) for model in models])


def keep_states_of(model: type[Model], transitions: Mapping[str, frozenset[str]]) -> RunSQL:
    """The same for a model whose state moves without reasons and deadlines."""
    return _all([_states(model, transitions)])


def write_once(
    model: type[Model], *fields: str, because: str, when: str = "true", name: str = "written_once"
) -> RunSQL:
    """These fields and the key never change once they are set; NULL and '' are not set.

    `when` is an SQL condition on OLD and NEW; a second guard of a model needs another `name`.
    """
    columns = _columns(model, model._meta.pk.name, *fields)
    event = f"BEFORE UPDATE OF {', '.join(columns)}"
    changes = " OR ".join(
        f"OLD.{column} IS NOT NULL AND OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns
    )
    when = f"({when}) AND ({changes})"  # the function turns both rows into JSON: a set of thousands shows it
    return _all([_trigger(model, name, event, "hive_write_once", because, *columns, when=when)])


def never_fall(model: type[Model], *fields: str, because: str) -> RunSQL:
    """These numbers only grow."""
    columns = _columns(model, *fields)
    event = f"BEFORE UPDATE OF {', '.join(columns)}"
    return _all([_trigger(model, "never_fall", event, "hive_never_fall", because, *columns)])


def keep_rows(model: type[Model], *, because: str) -> RunSQL:
    """No row is deleted, nor the table emptied."""
    return _all(
        [
            _trigger(model, "keep_rows", "BEFORE DELETE", "hive_refuse_change", because),
            _trigger(model, "keep_table", "BEFORE TRUNCATE", "hive_refuse_change", because, each="STATEMENT"),
        ]
    )


Pair = tuple[str, str]
"""SQL and what undoes it."""


def transitions_text(transitions: Mapping[str, frozenset[str]]) -> str:
    """The trigger's argument: JSON, in an order of its own so that it can be compared."""
    return json.dumps({str(state): sorted(map(str, ways)) for state, ways in sorted(transitions.items())})


def _states(model: type[Model], transitions: Mapping[str, frozenset[str]]) -> Pair:
    event = "BEFORE INSERT OR UPDATE OF state"
    return _trigger(model, "keep_states", event, "hive_keep_states", transitions_text(transitions))


def _trigger(
    model: type[Model],
    name: str,
    event: str,
    function: str,
    *arguments: str,
    each: str = "ROW",
    when: str = "true",
) -> Pair:
    table, words = model._meta.db_table, ", ".join(_quoted(each) for each in arguments)
    return (
        f"CREATE OR REPLACE TRIGGER {name} {event} ON {table}"
        f" FOR EACH {each} WHEN ({when}) EXECUTE FUNCTION {function}({words})",
        f"DROP TRIGGER IF EXISTS {name} ON {table}",
    )


def _columns(model: type[Model], *fields: str) -> list[str]:
    by_name = {field.name: str(field.column) for field in model._meta.concrete_fields}
    # A field that has gone since had a column of its own name: old migrations still speak of it.
    return [by_name.get(name, name) for name in fields]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _all(pairs: list[Pair]) -> RunSQL:
    return RunSQL([do for do, _ in pairs], [undo for _, undo in pairs])
