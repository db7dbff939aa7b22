"""Permission is reachability: a member gets every page, a stranger a 404, nobody signed in the way in."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.deployments.models import Deployment
from apps.teams.models import Member, Role, Team, User
from tests.pages.addresses import FREE, SHARED, pages
from tests.pages.conftest import signed_in
from tests.pages.scenery import Scenery

pytestmark = pytest.mark.usefixtures("deaf_bees")


def test_it_walks_every_page(scenery: Scenery) -> None:
    assert len(pages(scenery)) >= 20


def test_it_shows_every_page_to_a_member(scenery: Scenery, as_owner: Client) -> None:
    for page in pages(scenery):
        if not page.is_posted and page.name not in {"login", "logout"}:
            answer = as_owner.get(page.path, follow=True)
            assert answer.status_code == 200, page


def test_it_answers_a_stranger_with_404(scenery: Scenery, as_stranger: Client) -> None:
    for page in pages(scenery):
        if page.name not in FREE | SHARED:
            answer = as_stranger.post(page.path) if page.is_posted else as_stranger.get(page.path)
            assert answer.status_code == 404, page


def test_it_sends_whoever_is_not_signed_in_to_the_login(scenery: Scenery) -> None:
    for page in pages(scenery):
        if page.name not in FREE:
            answer = Client().post(page.path) if page.is_posted else Client().get(page.path)
            assert answer.status_code == 302, page
            assert answer.headers["Location"].startswith("/login/"), page


def test_it_lets_a_viewer_look_but_not_change(scenery: Scenery) -> None:
    viewer = User.objects.create_user(username="vera")
    Member.objects.create(team=scenery.team, user=viewer, role=Role.VIEWER)
    client = signed_in(viewer)
    for page in pages(scenery):
        if page.is_posted and page.name != "nodes:enrol":
            assert client.post(page.path).status_code == 404, page
    assert client.get(f"/replicas/{scenery.replica.pk}/console/").status_code == 404
    assert client.get(f"/deployments/{scenery.deployment.pk}/").status_code == 200
    assert Deployment.objects.get(pk=scenery.deployment.pk).wanted == "running"


def test_it_hides_a_node_that_waits_for_approval_from_others(scenery: Scenery, as_stranger: Client) -> None:
    pending = scenery.user.nodes.get(name="newcomer")
    assert as_stranger.get(f"/nodes/{pending.pk}/").status_code == 404
    assert as_stranger.get(f"/nodes/{scenery.nodes[0].pk}/").status_code == 200


def test_it_keeps_what_concerns_the_owner_from_others(scenery: Scenery, as_stranger: Client) -> None:
    page = as_stranger.get(f"/nodes/{scenery.nodes[0].pk}/").content.decode()
    assert "AAAAC3Nza" not in page


def test_it_greets_somebody_without_a_team(db: None) -> None:
    nobody = User.objects.create_user(username="nora")
    assert "You are in no team yet" in signed_in(nobody).get("/").content.decode()


def test_it_starts_an_empty_team_with_what_to_do(team: Team, owner: User) -> None:
    page = signed_in(owner).get(f"/teams/{team.slug}/").content.decode()
    assert "hive deploy -f compose.yaml" in page


def test_it_is_healthy(client: Client, db: None) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_it_runs_no_script_but_its_own(scenery: Scenery, as_owner: Client) -> None:
    for page in pages(scenery):
        if not page.is_posted and page.name not in {"login", "logout"}:
            answer = as_owner.get(page.path, follow=True)
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"], page
            assert "<script>" not in answer.content.decode(), page
