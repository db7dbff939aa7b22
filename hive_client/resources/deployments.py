"""`hive.deployments`: what a team runs, by name or id."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote

from hive_client.nouns import Deployment, Event, Log, Replica
from hive_client.reading import read
from hive_client.session import Session


class Deployments:
    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Deployment]:
        return (read(Deployment, row) for row in self._session.pages("deployments/"))

    def get(self, name: str) -> Deployment:
        return read(Deployment, self._session.get(_path(name)))

    def replicas(self, name: str) -> list[Replica]:
        return [read(Replica, row) for row in self._session.get(_path(name, "replicas"))]

    def log(self, name: str, replica: str, *, tail: int | None = None, after: str | None = None) -> Log:
        """The last lines that a replica, `web-1` say, wrote: 200 unless said otherwise.

        To follow, ask again and again with `after`: "" at first, then the `mark` of the answer before.
        """
        path = _path(name, "replicas", replica, "logs")
        return read(Log, self._session.get(path, tail=tail, after=after))

    def events(self, name: str) -> Iterator[Event]:
        """What happened to it and to its replicas, newest first."""
        return (read(Event, row) for row in self._session.pages(_path(name, "events")))

    def scale(self, name: str, /, **replicas: int) -> Deployment:
        """`scale("hello", web=5)`. Services that are not named stay as they are."""
        return read(Deployment, self._session.post(_path(name, "scale"), replicas=replicas))

    def budget(self, name: str, **changes: Decimal | str | None) -> Deployment:
        """Change what it may take of its budget: `limit_glm` (None takes the limit away), `per`, `at_end`."""
        said = {key: str(value) if isinstance(value, Decimal) else value for key, value in changes.items()}
        return read(Deployment, self._session.patch(_path(name, "budget"), **said))

    def stop(self, name: str, *, reason: str | None = None) -> Deployment:
        """Nothing of it shall run; what was held and not used goes back to the budget."""
        return read(Deployment, self._session.post(_path(name, "stop"), reason=reason))

    def start(self, name: str) -> Deployment:
        """Run it again as it was before it was stopped."""
        return read(Deployment, self._session.post(_path(name, "start")))


def _path(name: str, *steps: str) -> str:
    return "/".join(("deployments", *(quote(step, safe="") for step in (name, *steps)), ""))
