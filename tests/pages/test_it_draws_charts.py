"""A node's statistics, drawn in a real browser: on its page and in the admin, on a phone, light and dark."""

from __future__ import annotations

import pytest
from channels.db import database_sync_to_async
from django.test import Client
from playwright.async_api import Page, expect

from apps.nodes.models import Node, Statistic
from apps.teams.models import User
from tests.needs import needs_browser
from tests.pages.portal import portal_at_work
from tests.pages.scenery import Scenery
from tests.pages.test_it_works_in_a_browser import browsing

DRAWN = 5
"""The scenery's nodes have no thermometer."""
INK = """canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3]) seen.add(data.slice(i, i + 3).join());
    return seen.size;
}"""


async def drawn(page: Page, count: int = DRAWN) -> None:
    charts = page.locator(".charts figure canvas")
    await expect(charts).to_have_count(count)
    assert await charts.first.evaluate(INK) > 3, "lines, grid and words, each in a colour of its own"


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_it_draws_what_was_measured(scenery: Scenery, owner: User) -> None:
    node = scenery.nodes[0]
    async with portal_at_work() as port, browsing(port, user=owner) as page:
        await page.goto(f"/nodes/{node.pk}/")
        await drawn(page)
        await expect(page.locator(".charts figcaption").first).to_contain_text("of all threads 20 %")

        await page.get_by_role("button", name="90 days").click()
        await expect(page.locator(".charts .empty")).to_contain_text("Nothing was measured")
        await expect(page.get_by_role("button", name="90 days")).to_have_attribute("aria-pressed", "true")
        await page.get_by_role("button", name="1 hour").click()
        await drawn(page)


@needs_browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone(scenery: Scenery, owner: User, scheme: str) -> None:
    async with portal_at_work() as port, browsing(port, width=390, user=owner) as page:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.goto(f"/nodes/{scenery.nodes[0].pk}/")
        await drawn(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        assert (await page.locator(".charts .uplot").first.bounding_box() or {})["width"] > 250


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_it_draws_them_for_operators_in_the_admin(scenery: Scenery, operator: User) -> None:
    async with portal_at_work() as port, browsing(port, user=operator) as page:
        await page.goto(f"/admin/nodes/node/{scenery.nodes[0].pk}/change/")
        await drawn(page)


@pytest.mark.django_db
def test_a_stranger_sees_the_benchmark_but_not_how_busy_it_is(scenery: Scenery, as_stranger: Client) -> None:
    page = as_stranger.get(f"/nodes/{scenery.nodes[0].pk}/").content.decode()
    assert "units" in page
    assert "data-charts" not in page and "Console key" not in page


@pytest.mark.django_db
def test_it_says_when_nothing_was_measured_yet(scenery: Scenery, as_owner: Client) -> None:
    node = scenery.nodes[0]
    Node.objects.filter(pk=node.pk).update(benchmark=None)
    assert "Not measured yet" in as_owner.get(f"/nodes/{node.pk}/").content.decode()


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_it_shows_a_newcomer_without_measurements(scenery: Scenery, owner: User) -> None:
    await database_sync_to_async(Statistic.objects.all().delete)()
    async with portal_at_work() as port, browsing(port, user=owner) as page:
        await page.goto(f"/nodes/{scenery.nodes[0].pk}/")
        await expect(page.locator(".charts .empty")).to_contain_text("Nothing was measured")
