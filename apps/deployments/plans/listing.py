"""Plans in short: a list of them leaves what is said of each replica in the database."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Func, IntegerField, JSONField, QuerySet, Value

from apps.deployments.models import Plan

LONG = ("source", "manifest", "placements", "risks", "effect", "deployment__source", "deployment__manifest")
NOWHERE = Value("$[*] ? (@.node_id == null)")
"""In PostgreSQL's jsonpath: the placements without a node."""


def counted(plans: QuerySet[Plan]) -> QuerySet[Plan]:
    """Each with `replicas` and, of them, `unplaced`; what LONG names is read only where it is asked for."""
    nowhere = Func(F("placements"), NOWHERE, function="jsonb_path_query_array", output_field=JSONField())
    return plans.defer(*LONG).annotate(replicas=_length(F("placements")), unplaced=_length(nowhere))


def _length(array: F | Func[Any]) -> Func:
    return Func(array, function="jsonb_array_length", output_field=IntegerField())
