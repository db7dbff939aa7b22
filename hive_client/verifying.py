"""Checking a plan's signature here, without asking the Hive whether it is right. Needs the agent's extra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hive_client.nouns import Placement, WholePlan


def faults_of(plan: WholePlan) -> list[str]:
    """What of the plan is not what `plan.proof.signer` signed, one sentence each; empty when all of it is.

    Raises ModuleNotFoundError where the agent's libraries are not installed.
    """
    from agent import typed_data  # only who verifies needs its libraries

    if plan.proof is None:
        return ["it came without its proof"]
    signed = _numbers(plan.proof.typed_data["message"], dict(typed_data.TYPES["Plan"]))
    message = typed_data.plan(signed, chain_id=int(plan.proof.typed_data["domain"]["chainId"]))
    found = list(_differences(plan, signed))
    if signed["sourceHash"] != typed_data.text_hash(plan.source):
        found.append("the file is another one than was signed")
    if signed["contentHash"] != typed_data.json_hash(plan.proof.content):
        found.append("the placements, risks or effects are others than were signed")
    if not typed_data.is_signed_by(message, plan.signature, plan.proof.signer):
        found.append(f"it is not signed by {plan.proof.signer}")
    return found


def _numbers(message: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    """In JSON for wallets they are texts."""
    return {
        name: int(message[name]) if kind.startswith("uint") else message[name] for name, kind in kinds.items()
    }


def _differences(plan: WholePlan, signed: dict[str, Any]) -> Iterator[str]:
    """Between what is shown and what was signed."""
    assert plan.proof is not None
    shown = {
        "planId": plan.id,
        "team": plan.team,
        "name": plan.name,
        "queen": plan.proof.signer,
        "pricePerHourWei": int(plan.price_per_hour_glm.scaleb(18)),
        "expiresAtMs": int(plan.expires_at.timestamp() * 1000),
    }
    yield from (
        f"{name} is {value}, signed is {signed[name]}"
        for name, value in shown.items()
        if value != signed[name]
    )
    placements = [_shown(one) for one in plan.placements]
    if placements != [(one["replica"], one["node_id"], one["price_per_hour_glm"]) for one in _signed(plan)]:
        yield "the replicas shown are not those that were signed"


def _signed(plan: WholePlan) -> list[dict[str, Any]]:
    return list(plan.proof.content["placements"]) if plan.proof else []


def _shown(one: Placement) -> tuple[str, str | None, str | None]:
    price = one.price_per_hour_glm
    return one.replica, one.node_id, None if price is None else f"{price:f}"
