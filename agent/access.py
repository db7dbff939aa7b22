"""To which run a stream leads, and whether a shell may be opened there."""

from __future__ import annotations

from dataclasses import dataclass

from agent.runtimes.base import Run, Runtime


@dataclass(frozen=True, slots=True)
class Access:
    """A run and its runtime, or none of them and the reason.

    With a run, `refusal` says why it gets no shell: its log is the renting team's own, and always open.
    """

    run: Run | None
    runtime: Runtime | None
    refusal: str = ""
