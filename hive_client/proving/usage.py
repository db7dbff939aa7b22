"""An agreement's signatures, its usage chain, and what was billed of it: recomputed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from agent import typed_data
from agent.protocol import Price, Terms, Usage
from hive_client.proving.located import Document, Path

UNFUNDED = "were left of its hold"
"""What the Hive says where the cost was more than was held: only then it bills less than the price asks."""


class Chain:
    """One agreement of the export, followed from its first report to its last."""

    def __init__(self, document: Document, path: Path, evidence: dict[str, Any], *, chain_id: int) -> None:
        self._document, self._path, self._chain_id = document, path, chain_id
        self._reports: list[dict[str, Any]] = evidence["reports"]
        self._evidence, self._terms = evidence, terms_of(evidence["terms"])

    def check(self) -> None:
        """Raises Wrong at the first thing that is not as it was signed, or not as it was to be billed."""
        self._check_agreement()
        head, ended_ms, has_run = typed_data.NO_HASH, 0, False
        reported_bytes = billed_bytes = 0
        for number, report in enumerate(self._reports):
            at = (*self._path, "reports", number)
            self._check_link(at, report, number + 1, head)
            head = report["hash"]
            reported_bytes += report["egress_bytes"]
            billed_bytes += report["billed_egress_bytes"]
            since_ms = max(report["started_at_ms"], ended_ms)
            self._check_time(at, report, since_ms=since_ms)
            if report["billed_egress_bytes"] < 0 or billed_bytes > reported_bytes:
                raise self._document.wrong((*at, "billed_egress_bytes"), "more is billed than was reported")
            self._check_cost(at, report, first=not has_run)
            if report["billed_running_ms"]:
                # Not to where it says that it ended: a Bee whose clock stepped on had not come so far.
                ended_ms, has_run = since_ms + report["billed_running_ms"], True

    def _check_agreement(self) -> None:
        try:
            message = typed_data.agreement(self._terms, chain_id=self._chain_id)
        except ValueError as error:
            raise self._document.wrong((*self._path, "terms"), str(error)) from None
        for name, signer in (
            ("requestor_signature", self._terms.requestor),
            ("provider_signature", self._terms.provider),
        ):
            if not typed_data.is_signed_by(message, self._evidence[name], signer):
                raise self._document.wrong(
                    (*self._path, name), f"these terms are not what {signer} signed with it"
                )

    def _check_link(self, at: Path, report: dict[str, Any], sequence: int, head: str) -> None:
        if report["sequence"] != sequence:
            raise self._document.wrong((*at, "sequence"), f"expected report {sequence}: none may be left out")
        if report["previous_hash"] != head:
            raise self._document.wrong((*at, "previous_hash"), f"expected {head}, of the report before")
        usage = Usage(agreement_id=self._terms.agreement_id, **{name: report[name] for name in _SIGNED})
        try:
            message = typed_data.usage(usage, chain_id=self._chain_id)
        except ValueError as error:
            raise self._document.wrong(at, str(error)) from None
        if (digest := typed_data.digest(message)) != report["hash"]:
            raise self._document.wrong((*at, "hash"), f"the report's numbers give {digest}")
        if not typed_data.is_signed_by(message, report["signature"], self._terms.provider):
            raise self._document.wrong((*at, "signature"), f"not signed by {self._terms.provider}")

    def _check_time(self, at: Path, report: dict[str, Any], *, since_ms: int) -> None:
        """At most what was reported and what passed; CPU time in proportion, and at most what was rented."""
        billed_ms, reported_ms = report["billed_running_ms"], report["running_ms"]
        if not 0 <= billed_ms <= min(reported_ms, max(report["ended_at_ms"] - since_ms, 0)):
            raise self._document.wrong((*at, "billed_running_ms"), "more is billed than ran")
        share_ms = report["cpu_ms"] * billed_ms // reported_ms if reported_ms else 0
        cpu_ms = min(share_ms, int(billed_ms * self._terms.cpu_threads))
        if report["billed_cpu_ms"] != cpu_ms:
            raise self._document.wrong((*at, "billed_cpu_ms"), f"expected {cpu_ms}")

    def _check_cost(self, at: Path, report: dict[str, Any], *, first: bool) -> None:
        cost_glm, asked_glm = Decimal(report["cost_glm"]), self._cost_glm(report, first=first)
        is_short = cost_glm < asked_glm and UNFUNDED in report["reduced_because"]
        if cost_glm != asked_glm and not is_short:
            raise self._document.wrong((*at, "cost_glm"), f"the agreement's price gives {asked_glm:f} GLM")

    def _cost_glm(self, report: dict[str, Any], *, first: bool) -> Decimal:
        return self._terms.price.cost_glm(
            duration_s=Decimal(report["billed_running_ms"]).scaleb(-3),
            cpu_s=Decimal(report["billed_cpu_ms"]).scaleb(-3),
            egress_bytes=report["billed_egress_bytes"],
            first=first and report["billed_running_ms"] > 0,
        )


_SIGNED = (
    "sequence",
    "previous_hash",
    "started_at_ms",
    "ended_at_ms",
    "running_ms",
    "cpu_ms",
    "egress_bytes",
    "final",
    "hash",
    "signature",
)
_DECIMALS = ("cpu_threads", "mem_gib", "storage_gib")


def terms_of(told: dict[str, Any]) -> Terms:
    price = Price(**{name: Decimal(value) for name, value in told["price"].items()})
    decimals = {name: Decimal(told[name]) for name in _DECIMALS}
    return Terms(**(told | decimals | {"price": price}))
