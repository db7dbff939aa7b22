"""The command and the SDK against the real portal, by HTTP, with nothing in between."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from django.conf import Settings

from agent.protocol import Benchmarks
from apps.market.models import Agreement
from apps.nodes.benchmarks import store
from apps.nodes.models import Node, Offer
from apps.teams.audit import Actor
from apps.teams.models import ApiToken, Member, Role, Team, User
from hive_client import Hive, HiveError
from hive_client.cli import main
from tests.billing.wallets_of_tests import WALLET, signed
from tests.cast import posted_usage

COMPOSE = """
name: hello
services:
  web:
    image: hive/hello:1
    ports: ["8080"]
    deploy:
      replicas: 2
      resources:
        limits: {cpus: "0.5", memory: 256M}
    x-hive:
      runtime: [process]
"""

Token = Callable[[User], str]


@pytest.fixture
def token(live_server: Any, monkeypatch: pytest.MonkeyPatch, team: Team) -> Token:
    """`token(user)` makes one and puts it, with the address of the live Hive, into the environment."""

    def issue(user: User) -> str:
        _, text = ApiToken.issue(team=user.teams.get(), user=user, name="test")
        monkeypatch.setenv("HIVE_URL", live_server.url)
        monkeypatch.setenv("HIVE_TOKEN", text)
        return text

    return issue


@pytest.fixture
def compose(home: Path) -> None:
    (home / "compose.yaml").write_text(COMPOSE)


def hive(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def read(*words: str) -> Any:
    result = hive(*words, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_it_goes_from_a_compose_file_to_a_deployment(
    token: Token, compose: None, offer: Offer, owner: User
) -> None:
    token(owner)
    plan = read("plan")
    assert [placement["node_id"] for placement in plan["placements"]] == [offer.node_id] * 2
    assert plan["placements"][0]["node_name"] == offer.node.name
    assert read("deploy", "--yes", "--no-wait")["status"] == "waiting"
    drawn_up = read("plan", "ls")
    assert [each["deployment"] for each in drawn_up] == ["hello", None]
    verified = hive("plan", "show", drawn_up[0]["id"], "--verify")
    assert verified.exit_code == 0, verified.output
    assert "Paid 0 GLM so far" in verified.stdout
    assert [each["name"] for each in read("ps")] == ["hello"]
    assert [each["name"] for each in read("ps", "hello")] == ["web-1", "web-2"]
    assert read("scale", "hello", "web=3", "--no-wait")["services"][0]["replicas_wanted"] == 3
    assert read("stop", "hello", "--no-wait")["wanted"] == "stopped"
    assert read("start", "hello", "--no-wait")["wanted"] == "running"


def test_it_writes_tables_of_all_that(
    token: Token, compose: None, offer: Offer, agreement: Agreement, owner: User
) -> None:
    token(owner)
    posted_usage(agreement)
    assert f"{offer.node.name} " in hive("plan").stdout
    assert hive("deploy", "-y", "--no-wait").stdout.endswith("hello is waiting.\n")
    assert hive("ps").stdout.splitlines()[1].split()[:3] == ["hello", "waiting", "0/2"]
    assert hive("ps", "hello").stdout.splitlines()[1].split()[:2] == ["web-1", "pending"]
    assert "3.5 of 4" in hive("nodes").stdout
    store(node_id=offer.node_id, said=Benchmarks(at_ms=1_750_000_000_000, cpu_single=34.56))
    assert "34.6" in hive("nodes").stdout
    assert hive("bees").stdout.splitlines()[1].startswith(f"{offer.node.name} ")
    assert str(agreement.pk)[:8] in hive("bees", offer.node.name).stdout
    assert "HIVE-" in hive("invoices", "--draw-up").stdout
    assert "HIVE-" in hive("invoices").stdout
    again = hive("invoices", "--draw-up")
    assert again.exit_code == 6
    assert again.stderr.startswith("Error: nothing was used since HIVE-")
    assert "hive agent join http://" in hive("enrol").stdout


def test_it_shows_the_market(token: Token, offer: Offer, agreement: Agreement, stranger: User) -> None:
    token(stranger)
    (everything,) = [row for row in read("market") if (row["runtime"], row["region"]) == ("*", "*")]
    assert (everything["cpu_threads_free"], everything["agreements"]) == ("3.500", 1)
    assert "3.5 of 4" in hive("market", "--runtime", "process").stdout
    (found,) = read("market", "--filter", f"(hive.node.id={offer.node_id})")
    assert found["node_name"] == offer.node.name
    refused = hive("market", "--filter", "(hive.node.id")
    assert "at position" in refused.stderr
    cost = read("market", "--cost", "2x1x1", "--runtime", "process")
    assert (cost["here"]["placed"], cost["here"]["per_hour_glm"]) == (2, "0.0216")


def test_it_prints_the_faults_of_a_file(token: Token, home: Path, owner: User) -> None:
    token(owner)
    (home / "bad.yaml").write_text(COMPOSE.replace("replicas: 2", "replicas: two"))
    result = hive("plan", "-f", "bad.yaml")
    assert result.exit_code == 5
    assert result.stderr.startswith("Error: services.web.deploy.replicas: ")
    assert '"two" (bad.yaml, line 8)' in result.stderr


def test_it_finds_nothing_of_another_team(token: Token, compose: None, owner: User, stranger: User) -> None:
    token(owner)
    hive("deploy", "-y", "--no-wait")
    token(stranger)
    assert hive("ps", "hello").exit_code == 4
    assert read("ps") == []


def test_it_is_told_that_the_token_is_revoked(token: Token, owner: User) -> None:
    token(owner)
    ApiToken.objects.get().revoke(actor=Actor.user(owner), reason="lost")
    result = hive("ps")
    assert (result.exit_code, result.stderr) == (3, "Error: token revoked\n")


def test_it_is_refused_as_a_viewer(token: Token, compose: None, owner: User) -> None:
    Member.objects.filter(user=owner).update(role=Role.VIEWER)
    token(owner)
    result = hive("deploy", "-y")
    assert result.exit_code == 6
    assert "you are a viewer" in result.stderr


def test_it_serves_programs(
    live_server: Any, token: Token, agreement: Agreement, owner: User, node: Node, settings: Settings
) -> None:
    """The SDK, one call of each kind."""
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    posted_usage(agreement)
    with Hive(live_server.url, token(owner)) as sdk:
        deployment = sdk.deploy(COMPOSE, wait=False)
        assert sdk.deployments.get("hello") == deployment
        assert [each.name for each in sdk.deployments] == ["hello"]
        assert [each.name for each in sdk.deployments.replicas("hello")] == ["web-1", "web-2"]
        assert "created" in [event.after for event in sdk.deployments.events("hello")]
        assert sdk.deployments.scale("hello", web=0).status == "idle"
        assert sdk.wait(deployment, timeout_s=5).status == "idle"
        assert [each.id for each in sdk.nodes()] == [sdk.node(node.pk).id]
        assert sdk.node(node.pk).benchmark is None
        store(node_id=node.pk, said=Benchmarks(at_ms=1_750_000_000_000, down_mbit_s=90.5))
        measured = sdk.node(node.pk).benchmark
        assert measured is not None
        assert (measured.down_mbit_s, measured.cpu_all, measured.at.year) == (90.5, None, 2025)
        assert [sdk.draw_up_invoice()] == list(sdk.invoices())
        sdk.change_billing_details("bakery", name="Brot GmbH")
        assert [(each.team, each.name) for each in sdk.billing_details()] == [("bakery", "Brot GmbH")]
        [stated] = sdk.statements(month="2026-05")
        assert (stated.name, stated.start.month, stated.entries) == ("main", 5, [])
        assert sdk.statement_file(stated.budget, "pdf", month="2026-05").startswith(b"%PDF-")
        assert json.loads(sdk.statement_file(stated.budget, "json"))["budget"] == stated.budget
        asked = sdk.wallets.message(WALLET.address)
        assert sdk.wallets.prove(asked.nonce, signed(asked.message)).is_proven
        assert [each.address for each in next(sdk.budgets()).wallets] == [asked.address]
        assert [each.address for each in sdk.wallets] == [asked.address]
        assert sdk.wallets.request(Decimal("2.5")).link.endswith("uint256=2500000000000000000")
        assert [each.id for each in sdk.agreements()] == [each.agreement for each in sdk.usage()]
        made = sdk.issue_token("ci", valid_days=1)
        sdk.revoke_token(made)
        assert {each.name: each.revoked_at is None for each in sdk.tokens()} == {"ci": False, "test": True}
        with pytest.raises(HiveError) as refused:
            sdk.deployments.get("nope")
        assert (refused.value.code, refused.value.status) == ("not_found", 404)


def test_it_keeps_keys(
    token: Token, compose: None, offer: Offer, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token(owner)
    secret = hive("keys", "make", "ci", "--provider", "0x" + "9" * 40, "--limit", "5").stdout.strip()
    [key] = read("keys")
    assert (key["name"], key["limit_glm"], key["key"]) == ("ci", "5", None)
    changed = read("keys", "change", "ci", "--provider", offer.node_id, "--limit", "none")
    assert (changed["providers"], changed["limit_glm"]) == ([offer.node_id], None)
    monkeypatch.setenv("HIVE_TOKEN", secret)
    assert {each["node_id"] for each in read("plan")["placements"]} == {offer.node_id}
    refused = hive("keys", "make", "more")
    assert refused.exit_code == 6
    assert "reaches plans, deployments and the market" in refused.stderr
    token(owner)
    assert hive("keys", "revoke", "ci").exit_code == 0
    monkeypatch.setenv("HIVE_TOKEN", secret)
    assert hive("ps").exit_code == 3
