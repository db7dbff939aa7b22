"""Does each agreement belong on this invoice: once, of this team and this Hive, used before the period ended?

Each may be in order by itself, and still be billed twice, or to somebody else.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from hive_client.proving.located import Document, Path


def check_belonging(
    document: Document, paper: dict[str, Any], agreements: list[dict[str, Any]], *, keys: Collection[str]
) -> None:
    """`keys`: with which the issuer signed agreements before it had its present one. Raises Wrong."""
    if paper["kind"] != "invoice":
        return
    requestors = {paper["issuer"]["key"], *keys}
    until_ms = _period_ms(document, paper)
    seen = set[str]()
    for number, evidence in enumerate(agreements):
        at, terms = ("agreements", number), evidence["terms"]
        if terms["agreement_id"] in seen:
            raise document.wrong((*at, "terms", "agreement_id"), "stands there twice, to be paid twice")
        seen.add(terms["agreement_id"])
        if terms["team"] != paper["customer"]["team"]:
            raise document.wrong(
                (*at, "terms", "team"), f"expected the customer's, {paper['customer']['team']}"
            )
        if terms["requestor"] not in requestors:
            raise document.wrong(
                (*at, "terms", "requestor"),
                f"expected {paper['issuer']['key']}, the issuer's key, or an earlier one that you name",
            )
        _check_times(document, (*at, "reports"), evidence["reports"], until_ms=until_ms)


def _check_times(document: Document, at: Path, reports: list[dict[str, Any]], *, until_ms: int) -> None:
    """What ran began before the period ended. Nothing is too early: late reports stand on a later invoice."""
    for number, report in enumerate(reports):
        if report["here"] and report["billed_running_ms"] and report["started_at_ms"] > until_ms:
            raise document.wrong((*at, number, "started_at_ms"), "it began after the invoice's period ended")


def _period_ms(document: Document, paper: dict[str, Any]) -> int:
    """Where the period ends, Unix ms."""
    start, end = (_instant(document, paper, name) for name in ("period_start", "period_end"))
    if end <= start:
        raise document.wrong(("invoice", "period_end"), "expected a time after the period's start")
    return int(end.timestamp() * 1000)


def _instant(document: Document, paper: dict[str, Any], name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(paper[name])
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise document.wrong(
            ("invoice", name), "expected a time with its zone, such as 2026-05-01T00:00:00+00:00"
        )
    return instant
