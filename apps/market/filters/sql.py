"""A filter as a condition of PostgreSQL: the same three-valued meaning as `tree.holds`.

Names and values of the filter travel as parameters only; the text of the statement is made of its shape.
Each comparison asks for the type of the JSON value first, so no cast can fail on what a Bee has written.
"""

from __future__ import annotations

from typing import Any, assert_never

from django.db.models import BooleanField, F, Func, Q, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.json import JSONField

from apps.market.filters.known import KNOWN
from apps.market.filters.tree import (
    NUMBER,
    VERSION,
    Compare,
    Every,
    Filter,
    Kind,
    Like,
    Not,
    Operator,
    Present,
    Some,
    number_of,
    version_of,
)

Sql = tuple[str, list[Any]]
_FALSE: Sql = ("false", [])
_TEXT = "(({value}) #>> '{{}}')"


def to_q(tree: Filter) -> Q:
    """The condition on `Offer`."""
    return Q() if tree == Every(()) else Q(_condition(tree))


def _condition(tree: Filter) -> Func:
    match tree:
        case Every(parts):
            return _joined(" AND ", "true", parts)
        case Some(parts):
            return _joined(" OR ", "false", parts)
        case Not(part):
            return _Condition(_condition(part), template="(NOT %(expressions)s)")
        case Present(name):
            known = name in KNOWN
            source = KNOWN[name].column if known else _property(name)
            template = "(%(expressions)s IS NOT NULL)" if known else _PRESENT
            return _Condition(source, template=template)
        case Like(name, _) | Compare(name, _, _, _):
            return _Comparison(_json(name), tree=tree)
        case _:
            assert_never(tree)


_PRESENT = "(coalesce(jsonb_typeof(%(expressions)s), 'null') <> 'null')"


class _Condition(Func):
    output_field = BooleanField(null=True)


def _joined(joiner: str, of_nothing: str, parts: tuple[Filter, ...]) -> Func:
    if not parts:
        return _Condition(template=of_nothing)
    return _Condition(*map(_condition, parts), template="(%(expressions)s)", arg_joiner=joiner)


def _property(name: str) -> Func:
    key = Value(name, output_field=TextField())
    return Func(
        F("properties"),
        key,
        template="(%(expressions)s)",
        arg_joiner=" -> ",
        output_field=JSONField(null=True),
    )


def _json(name: str) -> Combinable:
    if name not in KNOWN:
        return _property(name)
    return Func(KNOWN[name].column, function="to_jsonb", output_field=JSONField(null=True))


class _Comparison(Func):
    """Of one JSON value with what a filter names: true, false, or null where there is nothing to compare."""

    output_field = BooleanField(null=True)

    def __init__(self, source: Combinable, *, tree: Like | Compare) -> None:
        super().__init__(source)
        self.tree = tree

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Sql:  # type: ignore[override]
        source, parameters = compiler.compile(self.source_expressions[0])
        value: Sql = (source, list(parameters))
        kind = Kind.ANY if isinstance(self.tree, Like) else self.tree.kind
        return _READ[kind](value, self.tree)


def _any(value: Sql, tree: Like | Compare) -> Sql:
    """By the type of what is there; of a list one member is enough."""
    arms = [
        ("number", _number(value, tree)),
        ("string", _text(value, tree)),
        ("boolean", _truth(value, tree)),
    ]
    if isinstance(tree, Compare):
        arms.append(("array", _FALSE if tree.operator.is_ordering else _has_member(value, tree)))
    else:
        member: Sql = ("member", [])
        meets, found = _case(member, [("string", _text(member, tree))])
        sql = f"EXISTS (SELECT 1 FROM jsonb_array_elements({value[0]}) AS of_list(member) WHERE {meets})"
        arms.append(("array", (sql, [*value[1], *found])))
    return _case(value, [*arms, ("object", _FALSE)])


def _case(value: Sql, arms: list[tuple[str, Sql]]) -> Sql:
    """Without an arm for it (null, or nothing at all) the result is null."""
    whens = " ".join(f"WHEN '{name}' THEN {sql}" for name, (sql, _) in arms)
    parameters = [parameter for _, (_, found) in arms for parameter in found]
    return f"(CASE jsonb_typeof({value[0]}) {whens} END)", [*value[1], *parameters]


def _has_member(value: Sql, tree: Compare) -> Sql:
    """By containment, which PostgreSQL answers without a row for each member."""
    asked = [("to_jsonb(%s::text)", [tree.value])]
    if (number := number_of(tree.value)) is not None:
        asked.append(("to_jsonb(%s::numeric)", [str(number)]))
    if tree.value in ("true", "false"):
        asked.append((f"'{tree.value}'::jsonb", []))
    sql = " OR ".join(f"({value[0]}) @> {one}" for one, _ in asked)
    return f"({sql})", [parameter for _, found in asked for parameter in (*value[1], *found)]


def _number(value: Sql, tree: Like | Compare) -> Sql:
    asked = None if isinstance(tree, Like) else number_of(tree.value)
    if asked is None:
        return _FALSE
    assert isinstance(tree, Compare)
    return f"(({value[0]})::numeric {tree.operator} %s::numeric)", [*value[1], str(asked)]


def _text(value: Sql, tree: Like | Compare) -> Sql:
    """By code points, whatever the database's own language is."""
    text = f'{_TEXT.format(value=value[0])} COLLATE "C"'
    if isinstance(tree, Like):
        return f"({text} LIKE %s)", [*value[1], "%".join(map(_literally, tree.pieces))]
    return f"({text} {tree.operator} %s)", [*value[1], tree.value]


def _literally(piece: str) -> str:
    for special in ("\\", "%", "_"):
        piece = piece.replace(special, f"\\{special}")
    return piece


def _truth(value: Sql, tree: Like | Compare) -> Sql:
    if isinstance(tree, Like) or tree.operator is not Operator.EQUAL:
        return _FALSE
    return f"({_TEXT.format(value=value[0])} = %s)", [*value[1], tree.value]


def _decimal(value: Sql, tree: Like | Compare) -> Sql:
    """A number, or a text that is one."""
    assert isinstance(tree, Compare)
    text, (asked, parameters) = _TEXT.format(value=value[0]), _number(value, tree)
    written = f"(CASE WHEN {text} ~ %s THEN ({text}::numeric {tree.operator} %s::numeric) END)"
    exactly = [*value[1], f"^({NUMBER})$", *value[1], str(number_of(tree.value))]
    return _case(value, [("number", (asked, parameters)), ("string", (written, exactly))])


def _version(value: Sql, tree: Like | Compare) -> Sql:
    """Of a text that is one: four numbers, missing ones nought."""
    assert isinstance(tree, Compare)
    text = _TEXT.format(value=value[0])
    numbers = f"string_to_array(substring({text} from '^[0-9.]+') || '.0.0.0', '.')"
    compared = f"({numbers})[1:4]::int[] {tree.operator} %s::int[]"
    meets = f"(CASE WHEN {text} ~ %s THEN {compared} END)"
    parameters = [*value[1], f"^({VERSION})$", *value[1], version_of(tree.value)]
    return _case(value, [("string", (meets, parameters))])


_READ = {Kind.ANY: _any, Kind.DECIMAL: _decimal, Kind.VERSION: _version}
