"""The Queen's word for a plan: her signature over EIP-712 typed data, which anybody can check offline."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from agent import typed_data
from agent.typed_data import SignableMessage
from apps.deployments.models import Plan
from apps.nodes.queen import queen_address, queen_key


def sign(plan: Plan) -> str:
    """65 bytes as hex. Covers all that the plan says, and until when; not what becomes of it."""
    return typed_data.sign(message_of(plan), queen_key())


def is_signed(plan: Plan) -> bool:
    return typed_data.is_signed_by(message_of(plan), plan.signature, queen_address())


def message_of(plan: Plan) -> SignableMessage:
    return typed_data.plan(_says(plan), chain_id=settings.HIVE_CHAIN_ID)


def proof_of(plan: Plan) -> dict[str, Any]:
    """For whoever checks the signature with a wallet library: what was signed, by whom, over what."""
    return {
        "signer": queen_address(),
        "typed_data": typed_data.for_wallets("Plan", _says(plan), chain_id=settings.HIVE_CHAIN_ID),
        "content": content_of(plan),
    }


def _says(plan: Plan) -> dict[str, Any]:
    return typed_data.plan_says(
        plan_id=str(plan.id),
        queen=queen_address(),
        team=plan.team.slug,
        name=plan.name,
        source=plan.source,
        content=content_of(plan),
        price_per_hour_glm=plan.price_per_hour_glm,
        expires_at_ms=int(plan.expires_at.timestamp() * 1000),
    )


def content_of(plan: Plan) -> dict[str, Any]:
    """What is signed as one hash: see `typed_data.json_hash`."""
    return {
        "manifest": plan.manifest,
        "placements": plan.placements,
        "risks": plan.risks,
        "effect": plan.effect,
    }
