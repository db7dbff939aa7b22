"""The market's page: the book, its depth, prices over time, and what the same would cost elsewhere."""

from __future__ import annotations

import pytest
from django.test import Client
from playwright.async_api import expect

from apps.market.models import CloudPrice, GlmRate
from apps.nodes.models import Node, NodeState, Offer
from apps.teams.models import Team, User
from tests.needs import needs_browser
from tests.pages.portal import portal_at_work
from tests.pages.scenery import Scenery
from tests.pages.test_it_draws_charts import drawn
from tests.pages.test_it_works_in_a_browser import browsing

CHARTS = 4
WHAT = {"replicas": "2", "cpu_threads": "1", "mem_gib": "1"}


def market(client: Client, **asked: str) -> str:
    return str(client.get("/market/", asked).content.decode())


def a_runtime(scenery: Scenery) -> str:
    return Offer.objects.filter(node=scenery.nodes[0]).values_list("runtime", flat=True)[0]


@pytest.mark.django_db
def test_it_shows_an_empty_market(team: Team, as_owner: Client) -> None:
    page = market(as_owner)
    assert "Nobody offers anything now" in page
    assert "Add a machine of yours" in page


@pytest.mark.django_db
def test_it_shows_the_book_to_everybody_and_no_team_in_it(scenery: Scenery, as_stranger: Client) -> None:
    page = market(as_stranger)
    assert a_runtime(scenery) in page
    assert "region not known" in page
    assert "hive/hello" not in page and scenery.team.name not in page


@pytest.mark.django_db
def test_it_shows_the_depth_of_one_line(scenery: Scenery, as_owner: Client) -> None:
    Node.objects.filter(pk=scenery.nodes[0].pk).update(region="eu-west")
    runtime = a_runtime(scenery)
    there = as_owner.get("/market/", {"runtime": runtime, "region": "eu-west"})
    assert (there.context["chosen"].runtime, there.context["chosen"].region) == (runtime, "eu-west")
    assert there.context["steps"][-1].offers == 1
    unknown = as_owner.get("/market/", {"runtime": "abacus", "region": "moon"})
    assert (unknown.context["chosen"].runtime, unknown.context["chosen"].region) == ("*", "*")


@pytest.mark.django_db
def test_it_tells_the_demands_of_a_runtime_once(scenery: Scenery, as_owner: Client) -> None:
    """In its sum; where a runtime is in one region alone there is no line for the sum."""
    runtime = a_runtime(scenery)

    def told() -> list[tuple[str, bool]]:
        lines = as_owner.get("/market/").context["lines"]
        return [(row.region, demands) for row, demands in lines if row.runtime == runtime]

    assert told() == [("", True)]
    Node.objects.filter(pk=scenery.nodes[0].pk).update(region="eu-west")
    assert told() == [("eu-west", False), ("", False), ("*", True)]


@pytest.mark.django_db
def test_it_says_when_all_is_sold(scenery: Scenery, as_owner: Client) -> None:
    for node in Node.objects.filter(state=NodeState.ONLINE):
        Node.objects.filter(pk=node.pk).update(cpu_threads_claimed=node.cpu_threads)
    assert "sold out" in market(as_owner)


@pytest.mark.django_db
def test_it_calculates_here_and_there(scenery: Scenery, as_owner: Client) -> None:
    CloudPrice.objects.exclude(provider="Elsewhere").delete()
    page = market(as_owner, **WHAT, on=a_runtime(scenery))
    assert "2 × small" in page
    assert "list price of 1 Nov 2026" in page
    assert "estimates by the rate below" in page
    assert "1 GLM was worth" in page and "the scenery" in page
    GlmRate.objects.all().delete()
    page = market(as_owner, **WHAT, on=a_runtime(scenery))
    assert "Without a rate for GLM" in page and "No rate for GLM is set" in page


@pytest.mark.django_db
def test_it_says_what_was_wrong_with_a_question(scenery: Scenery, as_owner: Client) -> None:
    runtime = a_runtime(scenery)
    assert "less than or equal to 1000" in market(as_owner, **(WHAT | {"replicas": "1001"}), on=runtime)
    assert "Enter a number" in market(as_owner, **(WHAT | {"cpu_threads": "two"}), on=runtime)
    assert "greater than or equal to 0.001" in market(as_owner, **(WHAT | {"mem_gib": "0"}), on=runtime)
    assert "Select a valid choice" in market(as_owner, **WHAT, on="abacus")


@pytest.mark.django_db
def test_it_lets_operators_edit_the_table(scenery: Scenery, as_operator: Client, as_owner: Client) -> None:
    assert "Edit in the admin" in market(as_operator)
    assert "Edit in the admin" not in market(as_owner)
    price = CloudPrice.objects.get(provider="Elsewhere")
    path = f"/admin/market/cloudprice/{price.pk}/change/"
    fields = {
        "provider": "Elsewhere",
        "product": "small",
        "region": "moon-1",
        "cpu_threads": "2",
        "mem_gib": "4",
        "price_per_hour": "0.07",
        "currency": "EUR",
        "as_of": "2026-11-20",
        "source": "its list",
    }
    assert as_operator.post(path, fields).status_code == 302
    price.refresh_from_db()
    assert (str(price.price_per_hour), price.currency, price.source) == ("0.070000", "EUR", "its list")
    refused = as_operator.post(path, fields | {"currency": "eur", "price_per_hour": "-1"})
    assert refused.status_code == 200
    assert "three capital letters" in refused.content.decode()


@pytest.mark.django_db
def test_it_shows_how_a_node_changed_its_price(scenery: Scenery, as_stranger: Client) -> None:
    page = as_stranger.get(f"/market/nodes/{scenery.nodes[0].pk}/").content.decode()
    assert "Prices of attic" in page
    assert "first" in page
    assert as_stranger.get("/market/nodes/0x12/").status_code == 404
    hidden = Node.objects.get(name="newcomer")
    assert as_stranger.get(f"/market/nodes/{hidden.pk}/").status_code == 404


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_it_draws_prices_over_time(scenery: Scenery, owner: User) -> None:
    async with portal_at_work() as port, browsing(port, user=owner) as page:
        await page.goto("/market/")
        await drawn(page, CHARTS)
        await expect(page.locator(".charts figcaption").first).to_contain_text("paid 0.007")
        await page.get_by_role("button", name="90 days").click()
        await expect(page.locator(".charts .empty")).to_contain_text("Nothing was noted")
        await page.get_by_role("button", name="2 days").click()
        await drawn(page, CHARTS)
        await page.get_by_role("button", name="What would it cost?").click()
        await page.get_by_role("button", name="Compare").click()
        await expect(page.get_by_text("This Hive")).to_be_visible()


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_it_draws_what_a_node_asked(scenery: Scenery, owner: User) -> None:
    async with portal_at_work() as port, browsing(port, user=owner) as page:
        await page.goto(f"/market/nodes/{scenery.nodes[0].pk}/")
        await expect(page.locator(".charts figure canvas")).to_have_count(1)
        await expect(page.locator(".charts figcaption")).to_contain_text("asks 0.00")


@needs_browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone(scenery: Scenery, owner: User, scheme: str) -> None:
    async with portal_at_work() as port, browsing(port, width=390, user=owner) as page:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for path in (
            "/market/?replicas=3&cpu_threads=1&mem_gib=1&on=docker",
            f"/market/nodes/{scenery.nodes[0].pk}/",
        ):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        await page.goto("/market/")
        await drawn(page, CHARTS)
