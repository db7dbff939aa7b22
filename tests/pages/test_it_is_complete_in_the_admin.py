"""The admin knows every model, opens every page of it, and changes nothing but by verbs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.billing.chain.proof import prove_books
from apps.billing.models import Hold, Invoice, Transaction, Transfer, Wallet
from apps.deployments.models import Deployment
from apps.market.models import PricePoint
from apps.nodes.models import Node, Statistic
from apps.teams.models import ApiToken, AuditLine
from hive_portal import standing
from hive_portal.standing import Figure, figures
from tests.pages.scenery import Scenery

ROOMS = ("teams", "nodes", "market", "billing", "deployments")
CHARTED = {Statistic, PricePoint}
"""Rows with a key of several columns, which the admin can't open: pages draw them."""
MODELS = [model for room in ROOMS for model in apps.get_app_config(room).get_models() if model not in CHARTED]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_it_registers_every_model(model: type[Model]) -> None:
    assert admin.site.is_registered(model)


def test_it_opens_every_list_and_every_row(scenery: Scenery, as_operator: Client) -> None:
    for model in MODELS:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert as_operator.get(reverse(f"{name}_changelist")).status_code == 200, model
        row = model._default_manager.first()
        assert row is not None, f"the scenery has no {model}"
        assert as_operator.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200, model


def test_it_finds_in_every_list_that_can_be_searched(scenery: Scenery, as_operator: Client) -> None:
    for model in MODELS:
        if admin.site._registry[model].search_fields:
            path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            assert as_operator.get(path, {"q": "7"}).status_code == 200, model


def test_it_shows_how_the_hive_stands(scenery: Scenery, as_operator: Client) -> None:
    page = as_operator.get(reverse("admin:index")).content.decode()
    assert "Ledger sum" in page
    assert "zero, as it must be" in page
    assert "not proven yet" in page


def figure(title: str) -> Figure:
    return next(each for each in figures() if each.title == title)


def test_it_tells_whether_the_books_were_proven(scenery: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "HIVE_GLM_TOKEN", "")
    prove_books()
    assert (figure("Books").value, figure("Books").fine) == ("proven", True)
    assert "the ledger adds up" in figure("Books").hint
    monkeypatch.setattr(standing, "PROOF_HOLDS", timedelta(0))
    assert not figure("Books").fine


def test_it_tells_what_is_overdue_and_where(scenery: Scenery, as_operator: Client) -> None:
    assert (figure("Overdue").value, figure("Overdue").fine) == ("0", True)
    hold = Hold.objects.filter(state="held").first()
    assert hold is not None
    Hold.objects.filter(pk=hold.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    overdue = figure("Overdue")
    assert (overdue.value, overdue.hint, overdue.fine) == ("1", "1 hold", False)
    page = as_operator.get(overdue.link)
    assert [row.pk for row in page.context["cl"].result_list] == [hold.pk]


@pytest.mark.parametrize("model", [Transfer, AuditLine, Invoice])
def test_it_leaves_what_is_immutable_alone(model: type[Model], scenery: Scenery, as_operator: Client) -> None:
    name, row = f"admin:{model._meta.app_label}_{model._meta.model_name}", model._default_manager.first()
    assert row is not None
    assert as_operator.get(reverse(f"{name}_add")).status_code == 403
    assert as_operator.post(reverse(f"{name}_change", args=[row.pk]), {"amount": "1"}).status_code == 403
    assert as_operator.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def act(client: Client, action: str, row: Model) -> str:
    path = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
    answer = client.post(path, {"action": action, "_selected_action": [str(row.pk)]}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_it_calls_the_verbs(scenery: Scenery, as_operator: Client) -> None:
    node = scenery.nodes[0]
    act(as_operator, "cordon", node)
    act(as_operator, "revoke", scenery.token)
    act(as_operator, "stop", scenery.deployment)
    assert Node.objects.get(pk=node.pk).scheduling == "cordoned"
    assert ApiToken.objects.get(pk=scenery.token.pk).revoked_at is not None
    assert Deployment.objects.get(pk=scenery.deployment.pk).wanted == "stopped"
    line = AuditLine.objects.filter(noun="node", noun_id=node.pk).first()
    assert line is not None and line.actor == "user:otto"


def test_it_approves_a_node(scenery: Scenery, as_operator: Client) -> None:
    newcomer = Node.objects.get(name="newcomer")
    act(as_operator, "approve", newcomer)
    newcomer.refresh_from_db()
    assert newcomer.is_approved


def test_it_tells_why_a_verb_was_refused(scenery: Scenery, as_operator: Client) -> None:
    assert "no way from" in act(as_operator, "unban", scenery.nodes[0])


def test_it_releases_a_hold_by_the_verb(scenery: Scenery, as_operator: Client) -> None:
    hold = Hold.objects.filter(state="held").first()
    assert hold is not None
    act(as_operator, "release", hold)


def test_it_sends_no_transaction_that_is_final(scenery: Scenery, as_operator: Client) -> None:
    assert "there is nothing to send" in act(as_operator, "resend", Transaction.objects.get())


def test_it_takes_a_wallet_as_people_paste_it(scenery: Scenery, as_operator: Client) -> None:
    pasted = {"team": scenery.team.pk, "address": " 0x52908400098527886E0F7030069857D2E4169EE7 "}
    path = reverse("admin:billing_wallet_add")
    assert as_operator.post(path, pasted).status_code == 302
    assert Wallet.objects.get(address=pasted["address"].strip().lower()).team == scenery.team
    again = as_operator.post(path, pasted)
    assert (again.status_code, "already exists" in again.content.decode()) == (200, True)
    assert "an Ethereum address" in as_operator.post(path, pasted | {"address": "0xAB"}).content.decode()


def test_it_keeps_members_out(scenery: Scenery, as_owner: Client) -> None:
    assert as_owner.get(reverse("admin:index")).status_code == 302
