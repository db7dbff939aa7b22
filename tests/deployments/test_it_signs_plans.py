"""The Queen stands by a plan with a signature that an ordinary Ethereum wallet library checks offline."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from apps.deployments.models import Plan
from apps.deployments.planning import draw_up_plan
from apps.deployments.plans.signing import is_signed, proof_of
from apps.nodes.queen import queen_address
from apps.teams.models import Team, User
from tests.deployments.conftest import COMPOSE, Hive

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(hive: Hive, team: Team, owner: User) -> Plan:
    return Plan.objects.get(pk=draw_up_plan(team=team, author=owner, source=COMPOSE).pk)


def signer_of(typed_data: dict[str, Any], signature: str) -> str:
    return str(
        Account.recover_message(encode_typed_data(full_message=typed_data), signature=signature)
    ).lower()


def test_a_wallet_library_finds_the_queen_in_it(plan: Plan) -> None:
    proof = json.loads(json.dumps(proof_of(plan)))  # as it comes over the wire
    assert signer_of(proof["typed_data"], plan.signature) == proof["signer"] == queen_address()


def test_its_hashes_are_those_of_the_file_and_of_what_was_made_of_it(plan: Plan) -> None:
    proof = json.loads(json.dumps(proof_of(plan)))
    content = json.dumps(proof["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    message = proof["typed_data"]["message"]
    assert message["contentHash"] == "0x" + keccak(content.encode()).hex()
    assert message["sourceHash"] == "0x" + keccak(COMPOSE.encode()).hex()
    assert proof["content"]["placements"] == plan.placements
    assert int(message["pricePerHourWei"]) == plan.price_per_hour_glm.scaleb(18)


def test_a_change_of_any_field_is_not_what_she_signed(plan: Plan) -> None:
    typed_data = proof_of(plan)["typed_data"]
    for field, value in typed_data["message"].items():
        forged = deepcopy(typed_data)
        forged["message"][field] = _other(value)
        assert signer_of(forged, plan.signature) != queen_address(), field


def _other(value: str) -> str:
    """Of the same kind, with another last character."""
    return value[:-1] + ("1" if value[-1] != "1" else "2")


def test_a_signature_with_a_changed_byte_is_none(plan: Plan) -> None:
    assert is_signed(plan)
    for position in (2, 40, 80, 131):
        digit = "0" if plan.signature[position] != "0" else "1"
        forged = plan.signature[:position] + digit + plan.signature[position + 1 :]
        assert not is_signed(Plan(**_fields(plan) | {"signature": forged})), position


def _fields(plan: Plan) -> dict[str, Any]:
    return {field.attname: getattr(plan, field.attname) for field in plan._meta.concrete_fields}
