"""To which run a console leads."""

from __future__ import annotations

from dataclasses import dataclass

from agent.runtimes.base import Run, Runtime


@dataclass(frozen=True, slots=True)
class Access:
    """A run and its runtime, or none of them and the reason."""

    run: Run | None
    runtime: Runtime | None
    refusal: str = ""
