"""What `x-hive` may ask of the place of a replica: which nodes will do, and which lie how to others."""

from __future__ import annotations

import difflib
import re
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import PlainValidator, model_validator

from apps.deployments.compose import values
from apps.deployments.compose.section import Section
from apps.market.filters.parse import parse, together
from apps.market.models import Spread as By
from apps.nodes.regions import table

_REGION = re.compile(r"(?=.{1,40}$)[a-z0-9*]+(-[a-z0-9*]+)*")
MAX_REGIONS = 16


def switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise values.expected("true or false", value)
    return value


def constraints(value: Any) -> str:
    """One filter, or a list of them that all have to hold; as one text."""
    asked = value if isinstance(value, list) else [value]
    for text in asked:
        if not isinstance(text, str):
            raise values.expected('a filter such as "(golem.inf.cpu.architecture=x86_64)"', text)
        parse(text)
    joined = together(asked)
    parse(joined)
    return joined


def regions(value: Any) -> list[str]:
    """One or several, best known as patterns: `eu-*`."""
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, list) or not wanted:
        raise values.expected('a region such as "eu-central" or "eu-*", or a list of them', value)
    for region in wanted:
        _check_region(region)
    if len(wanted) > MAX_REGIONS:
        raise ValueError(f"expected at most {MAX_REGIONS} regions, got {len(wanted)}")
    return list(dict.fromkeys(wanted))


def _check_region(region: Any) -> None:
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise values.expected('a region such as "eu-central" or "eu-*"', region)
    if not any(fnmatchcase(known, region) for known in table()):
        near = difflib.get_close_matches(region, table(), n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(table())}"
        raise ValueError(f"no region is called {values.shown(region)}: {hint}")


def _by(value: Any) -> str:
    if value not in By.values:
        raise values.expected(f"one of {', '.join(By.values)}", value)
    return str(value)


class _Placed(Section):
    by: Annotated[str, PlainValidator(_by)] = By.NODE.value
    required: Annotated[bool, PlainValidator(switch)] = False
    """Rather wait than have it otherwise."""


class Spread(_Placed):
    """`owner`, or {by: owner, required: true}: how far the replicas of a service lie from one another."""

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value


class Affinity(_Placed):
    """`db`, or {service: db, by: region, required: true}: near the replicas of another service."""

    service: Annotated[str, PlainValidator(values.name)]

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"service": value} if isinstance(value, str) else value
