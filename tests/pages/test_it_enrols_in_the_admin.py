"""An operator makes an enrolment token in the admin, and decides there about the nodes it brings."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.utils import timezone

from agent.protocol import NodeInfo
from apps.nodes.enrolment import NodeBanned, enrol, node_for
from apps.nodes.models import Enrolment, NodeState
from apps.teams.models import AuditLine, User
from hive_portal import env
from tests.cast import id_of, key_of_bee
from tests.pages.conftest import signed_in

ADD = "/admin/nodes/enrolment/add/"
BEE = id_of(key_of_bee(31))
INFO = NodeInfo(name="cellar", agent_version="0.1.0", runtimes=["process"], ssh_host_key="ssh-ed25519 AAAA")


def made(client: Client, owner: User, **fields: object) -> str:
    """The token as the page shows it."""
    asked = {"owner": owner.pk, "valid_hours": 2} | fields
    answer = client.post(ADD, asked)
    assert answer.status_code == 200, answer.content
    assert "no-store" in answer.headers["Cache-Control"]
    found = re.search(r"hive agent join http://\S+ (bee_[\w-]{43})", answer.content.decode())
    assert found, answer.content.decode()
    return found[1]


def test_it_makes_a_token_for_anybody_and_shows_it_once(
    as_operator: Client, operator: User, owner: User
) -> None:
    token = made(as_operator, owner, approves="on")

    enrolment = Enrolment.objects.get()
    assert (enrolment.owner, enrolment.approves) == (owner, True)
    assert timedelta(hours=1.9) < enrolment.expires_at - timezone.now() <= timedelta(hours=2)
    for path in ("", f"{enrolment.pk}/change/"):
        assert token not in as_operator.get(f"/admin/nodes/enrolment/{path}").content.decode()
    line = AuditLine.objects.get(noun="enrolment")
    assert (line.after, line.actor) == ("issued", "user:otto")
    assert enrol(token=token, node_id=BEE, info=INFO).is_approved


def test_it_leaves_approval_to_a_later_look(as_operator: Client, owner: User) -> None:
    node = enrol(token=made(as_operator, owner), node_id=BEE, info=INFO)
    assert (node.state, node.is_approved, node.owner) == (NodeState.PENDING, False, owner)


@pytest.mark.parametrize("hours", ["0", "721", "soon", ""])
def test_it_refuses_a_time_that_makes_no_sense(as_operator: Client, owner: User, hours: str) -> None:
    answer = as_operator.post(ADD, {"owner": owner.pk, "valid_hours": hours})
    assert "bee_" not in answer.content.decode()
    assert not Enrolment.objects.exists()


def test_it_changes_none_that_is_made(as_operator: Client, owner: User) -> None:
    enrolment, _ = Enrolment.issue(owner=owner)
    path = f"/admin/nodes/enrolment/{enrolment.pk}/"
    assert as_operator.post(f"{path}change/", {"owner": owner.pk, "approves": "on"}).status_code == 403
    assert as_operator.post(f"{path}delete/", {"post": "yes"}).status_code == 403
    assert not Enrolment.objects.get().approves


def test_it_needs_the_permission(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    client = signed_in(owner)
    assert client.get(ADD).status_code == 403
    owner.user_permissions.add(Permission.objects.get(codename="add_enrolment"))
    assert client.get(ADD).status_code == 200


def test_it_lets_those_alone_approve_who_may_change_nodes(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    owner.user_permissions.add(Permission.objects.get(codename="add_enrolment"))
    assert 'name="approves"' not in signed_in(owner).get(ADD).content.decode()
    made(signed_in(owner), owner, approves="on")
    assert 'name="approves"' not in signed_in(owner).get("/nodes/").content.decode()
    signed_in(owner).post("/nodes/enrol/", {"approves": "on"})
    assert [each.approves for each in Enrolment.objects.all()] == [False, False]

    owner.user_permissions.add(Permission.objects.get(codename="change_node"))
    made(signed_in(owner), owner, approves="on")
    assert 'name="approves"' in signed_in(owner).get("/nodes/").content.decode()
    signed_in(owner).post("/nodes/enrol/", {"approves": "on"})
    assert Enrolment.objects.filter(approves=True).count() == 2


def test_a_node_that_is_banned_there_is_refused_with_the_reason(as_operator: Client, owner: User) -> None:
    enrol(token=made(as_operator, owner, approves="on"), node_id=BEE, info=INFO)
    act = {"action": "ban", "_selected_action": [BEE]}
    assert as_operator.post("/admin/nodes/node/", act, follow=True).status_code == 200
    with pytest.raises(NodeBanned, match="banned: by otto in the admin"):
        node_for(node_id=BEE, info=INFO)


# -- HIVE_APPROVE_NODES -----------------------------------------------------------------------------------


@override_settings(HIVE_APPROVE_NODES="auto")
def test_it_approves_every_node_where_the_operator_wants_no_look(owner: User) -> None:
    _, token = Enrolment.issue(owner=owner)
    node = enrol(token=token, node_id=BEE, info=INFO)
    assert node.is_approved
    line = AuditLine.objects.get(noun="node", noun_id=BEE, reason__startswith="approved")
    assert line.actor == "queen:enrolment"
    assert "waits for an operator" not in signed_in(owner).post("/nodes/enrol/").content.decode()


def test_it_tells_an_owner_that_the_node_will_wait(owner: User) -> None:
    assert "waits for an operator" in signed_in(owner).post("/nodes/enrol/").content.decode()


@pytest.mark.parametrize(("said", "means"), [("", "hand"), ("hand", "hand"), ("auto", "auto")])
def test_it_reads_the_setting(monkeypatch: pytest.MonkeyPatch, said: str, means: str) -> None:
    monkeypatch.setenv("HIVE_APPROVE_NODES", said)
    assert env.choice("HIVE_APPROVE_NODES", "hand", "auto") == means


def test_it_refuses_a_setting_that_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVE_APPROVE_NODES", "yes")
    with pytest.raises(ImproperlyConfigured, match='HIVE_APPROVE_NODES: expected hand or auto, got "yes"'):
        env.choice("HIVE_APPROVE_NODES", "hand", "auto")


@pytest.mark.parametrize(("setting", "ids"), [("hand", []), ("auto", ["hive.W001"])])
def test_it_checks_a_hive_before_it_goes_to_work(setting: str, ids: list[str]) -> None:
    with override_settings(HIVE_APPROVE_NODES=setting):
        found = checks.run_checks(include_deployment_checks=True)
    assert [each.id for each in found if str(each.id).startswith("hive.")] == ids
