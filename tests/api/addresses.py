"""Every address of the API, read from the URL configuration: what is added there is tested from then on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver, reverse

ID_WORDS = {"pk", "nodeId"}


class Address(NamedTuple):
    method: str
    name: str
    has_id: bool
    inner: str = ""
    """What is named within that row: a replica of a deployment."""
    id_word: str = "pk"
    """`/peers` has a name of its own for it."""

    @property
    def noun(self) -> str:
        """`api-deployment-scale` -> `deployment`."""
        return self.name.split("-")[1]

    def url(self, pk: Any = None) -> str:
        within = {self.inner: "web-1"} if self.inner else {}
        return reverse(self.name, kwargs=within | ({self.id_word: pk} if self.has_id else {}))

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


def addresses() -> list[Address]:
    return sorted(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Address]:
    for each in patterns:
        path = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, path)
        elif path.startswith(("api/v1/", "peers")) and each.name:
            words = set(each.pattern.regex.groupindex)
            ids = words & ID_WORDS
            inner = next(iter(words - ids), "")
            for method in _methods(each.callback):
                yield Address(method, each.name, bool(ids), inner, *ids)


def _methods(view: Any) -> list[str]:
    """A viewset's route knows its actions; a plain view its methods."""
    names = getattr(view, "actions", None) or {name for name in ("get", "post") if hasattr(view.cls, name)}
    return sorted(set(names) - {"head", "options"})
