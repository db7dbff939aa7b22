"""What a replica wrote reaches its team: page, API and command, each over the real stream from a Bee."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from channels.db import database_sync_to_async
from django.utils import timezone
from playwright.async_api import expect

from agent.host_key import public_key_line
from apps.deployments.models import Replica
from apps.nodes import streams
from apps.nodes.models import Node, NodeState
from apps.teams.audit import Actor
from apps.teams.models import ApiToken, Member, Role, Team, User
from hive_client import Hive, HiveError
from hive_client.nouns import Log
from tests.needs import needs_browser
from tests.pages.portal import bee_at_work, portal_at_work
from tests.pages.scenery import Scenery
from tests.pages.test_it_opens_consoles import pin
from tests.pages.test_it_works_in_a_browser import browsing

pytestmark = pytest.mark.django_db(transaction=True)


@database_sync_to_async
def token_of(user: User, team: Team) -> str:
    return ApiToken.issue(team=team, user=user, name="test")[1]


@database_sync_to_async
def go_away(node_id: str) -> None:
    for state in (NodeState.UNKNOWN, NodeState.OFFLINE):
        Node.objects.get(pk=node_id).move_to(
            state, actor=Actor.queen("test"), reason="gone", deadline_at=timezone.now()
        )


async def log(
    port: int, token: str, *, tail: int | None = None, after: str | None = None, replica: str = "web-1"
) -> Log:
    def ask() -> Log:
        with Hive(f"http://localhost:{port}", token) as hive:
            return hive.deployments.log("hello", replica, tail=tail, after=after)

    return await asyncio.to_thread(ask)


@asynccontextmanager
async def a_bee(scenery: Scenery, home: Path) -> AsyncIterator[int]:
    node_id = await pin(scenery, home)
    async with portal_at_work() as port, bee_at_work(node_id, port=port, home=home):
        yield port


async def test_it_tells_the_last_lines(scenery: Scenery, owner: User, tmp_path: Path) -> None:
    async with a_bee(scenery, tmp_path) as port:
        token = await token_of(owner, scenery.team)
        told = await log(port, token)
        assert (told.replica, told.generation, told.node_name) == ("web-1", 1, "attic")
        assert told.text.splitlines()[0] == "line 301"
        assert (await log(port, token, tail=2)).text == "line 499\nline 500\n"


async def test_it_goes_on_where_the_reader_was(scenery: Scenery, owner: User, tmp_path: Path) -> None:
    async with a_bee(scenery, tmp_path) as port:
        token = await token_of(owner, scenery.team)
        first = await log(port, token, tail=1, after="")
        assert (first.text, first.mark) == ("line 500\n", "a-run/501")
        assert (await log(port, token, after=first.mark)).text == "line 501\n"
        assert (await log(port, token)).mark == ""
        with pytest.raises(HiveError, match="after: "):
            await log(port, token, after="a mark\nof nobody")


async def test_it_tells_viewers_too(scenery: Scenery, stranger: User, tmp_path: Path) -> None:
    await database_sync_to_async(Member.objects.create)(team=scenery.team, user=stranger, role=Role.VIEWER)
    async with a_bee(scenery, tmp_path) as port:
        assert "line 500" in (await log(port, await token_of(stranger, scenery.team))).text


async def test_it_tells_strangers_nothing(
    scenery: Scenery, stranger: User, other_team: Team, tmp_path: Path
) -> None:
    async with a_bee(scenery, tmp_path) as port:
        with pytest.raises(HiveError, match="no deployment hello"):
            await log(port, await token_of(stranger, other_team))


async def test_it_says_why_there_is_no_log(
    scenery: Scenery, owner: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ANSWER_WITHIN_S", 0.2)
    node_id = await pin(scenery, tmp_path)
    token = await token_of(owner, scenery.team)
    async with portal_at_work() as port:
        with pytest.raises(HiveError, match=r"did not answer within") as refused:
            await log(port, token)
        assert (refused.value.status, refused.value.code) == (409, "no_log")
        with pytest.raises(HiveError, match="worker-2 has not been placed yet"):
            await log(port, token, replica="worker-2")
        with pytest.raises(HiveError, match="there is no replica web-9; there is web-1, web-2"):
            await log(port, token, replica="web-9")
        with pytest.raises(HiveError, match="tail: Ensure this value is less than or equal to 10000"):
            await log(port, token, tail=10_001)
        await go_away(node_id)
        with pytest.raises(HiveError, match="attic, which keeps its log, is offline"):
            await log(port, token)


async def test_it_believes_the_pinned_key_alone(scenery: Scenery, owner: User, tmp_path: Path) -> None:
    node_id, other = await pin(scenery, tmp_path / "pinned"), tmp_path / "other"
    other.mkdir()
    public_key_line(other)
    async with portal_at_work() as port, bee_at_work(node_id, port=port, home=other):
        with pytest.raises(HiveError, match="not the pinned one"):
            await log(port, await token_of(owner, scenery.team))


@needs_browser
async def test_it_shows_it_in_a_browser(scenery: Scenery, owner: User, tmp_path: Path) -> None:
    async with a_bee(scenery, tmp_path) as port, browsing(port, user=owner) as page:
        await page.goto(f"/deployments/{scenery.deployment.pk}/")
        await page.get_by_role("link", name="Log", exact=True).first.click()
        await expect(page.get_by_role("heading", name="Log of web-1")).to_be_visible()
        await expect(page.get_by_role("status")).to_contain_text("on attic")
        await expect(page.locator(".log")).to_contain_text("line 500")


async def test_it_asks_nobody_for_an_unknown_stream(scenery: Scenery) -> None:
    """The text's own address is as closed as the page."""
    async with portal_at_work() as port, httpx.AsyncClient(base_url=f"http://localhost:{port}") as client:
        replica: Replica = scenery.replica
        answer = await client.get(f"/replicas/{replica.pk}/logs/text/")
        assert (answer.status_code, "line" in answer.text) == (302, False)
