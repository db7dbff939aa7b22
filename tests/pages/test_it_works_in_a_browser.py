"""The pages in a real browser: sign in, look around, watch a deployment change, type into a console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from channels.db import database_sync_to_async
from playwright.async_api import Page, async_playwright, expect

from apps.teams.models import User
from tests.needs import browser_path, needs_browser
from tests.pages.portal import bee_at_work, portal_at_work, session_of
from tests.pages.scenery import Scenery
from tests.pages.test_it_opens_consoles import pin
from tests.pages.test_it_updates_live import fall_ill

pytestmark = [needs_browser, pytest.mark.django_db(transaction=True)]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def browsing(port: int, *, width: int = 1280, user: User | None = None) -> AsyncIterator[Page]:
    """A page; every error in its console fails the test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        context = await browser.new_context(
            base_url=f"http://localhost:{port}", viewport={"width": width, "height": 800}
        )
        if user is not None:
            session = await database_sync_to_async(session_of)(user)
            await context.add_cookies(
                [{"name": "sessionid", "value": session, "url": f"http://localhost:{port}"}]
            )
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        yield page
        await browser.close()
        assert errors == []


async def test_it_lets_you_in(scenery: Scenery) -> None:
    async with portal_at_work() as port, browsing(port) as page:
        await page.goto("/")
        await page.get_by_label("User name").fill("olga")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("did not match")

        await page.get_by_label("Password").fill("olga-password")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await page.get_by_role("link", name="hello", exact=True).click()
        await expect(page.get_by_role("heading", name="hello")).to_be_visible()


async def test_it_shows_a_change_without_reloading(scenery: Scenery, owner: User) -> None:
    async with portal_at_work() as port, browsing(port, user=owner) as page:
        await page.goto(f"/deployments/{scenery.deployment.pk}/")
        scale = page.get_by_label("Replicas").first
        await scale.fill("7")
        await fall_ill(scenery)
        await expect(page.locator("table.replicas").first).to_contain_text("GET / answered 503")
        # What somebody types is not taken from under their hands.
        await expect(scale).to_have_value("7")


async def test_it_types_into_a_console(scenery: Scenery, owner: User, tmp_path: Path) -> None:
    node_id = await pin(scenery, tmp_path)
    async with (
        portal_at_work() as port,
        bee_at_work(node_id, port=port, home=tmp_path),
        browsing(port, user=owner) as page,
    ):
        await page.goto(f"/replicas/{scenery.replica.pk}/console/")
        await expect(page.get_by_role("status")).to_have_text("Connected")
        await page.keyboard.type("echo $((6 * 7)); exit 5\n")
        await expect(page.locator(".xterm-rows")).to_contain_text("42")
        await expect(page.get_by_role("status")).to_have_text("Session ended")
        await expect(page.get_by_role("button", name="Connect again")).to_be_visible()


async def test_it_fits_a_phone(scenery: Scenery, owner: User) -> None:
    paths = [
        f"/teams/{scenery.team.slug}/",
        f"/teams/{scenery.team.slug}/billing/",
        f"/teams/{scenery.team.slug}/settings/",
        f"/deployments/{scenery.deployment.pk}/",
        f"/plans/{scenery.plan.pk}/",
        f"/invoices/{scenery.invoice.pk}/",
        "/nodes/",
        "/bees/",
        f"/bees/{scenery.nodes[0].pk}/",
        f"/agreements/{scenery.agreement.pk}/",
    ]
    async with portal_at_work() as port, browsing(port, width=390, user=owner) as page:
        for path in paths:
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
