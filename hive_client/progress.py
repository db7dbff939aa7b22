"""What a deployment is doing, line by line as it changes, on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.status import Status
from rich.text import Text

from hive_client.nouns import Deployment, Replica
from hive_client.output import STYLES, clean, console
from hive_client.sdk import Hive


class Progress:
    """Call it with each look at the deployment. A spinner turns below the lines where there is a terminal."""

    def __init__(self, hive: Hive) -> None:
        self._hive = hive
        self._told: dict[str, str] = {}
        self._console = console(stderr=True)
        self._status: Status | None = self._console.status("") if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, deployment: Deployment) -> None:
        for replica in self._hive.deployments.replicas(deployment.id):
            self._tell(replica)
        if self._status:
            said = ": ".join(filter(None, (f"{deployment.name} is {deployment.status}", deployment.reason)))
            self._status.update(Text(clean(said), no_wrap=True, overflow="ellipsis"))

    def _tell(self, replica: Replica) -> None:
        """Only what is new: a state, or the reason for it."""
        line = _line(replica)
        if self._told.get(replica.name) != line:
            self._told[replica.name] = line
            self._console.print(Text(line, STYLES.get(replica.state, "")))


def _line(replica: Replica) -> str:
    where = f" on {replica.node_name}" if replica.node_name else ""
    why = f": {replica.reason}" if replica.reason and replica.state != "healthy" else ""
    return clean(f"{replica.name} is {replica.state}{where}{why}")
