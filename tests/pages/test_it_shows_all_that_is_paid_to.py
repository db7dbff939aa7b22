"""What somebody copies to pay in is there to be read, to its last letter."""

from __future__ import annotations

import pytest
from django.conf import Settings
from django.test import Client

from apps.teams.models import Team, User
from tests.needs import needs_browser
from tests.pages.portal import portal_at_work
from tests.pages.test_it_works_in_a_browser import browsing

PAGE = "/teams/bakery/billing/wallets/"
BENEATH = """() => {
    const button = document.querySelector("[data-copy='#link']").getBoundingClientRect()
    const range = document.createRange()
    range.selectNodeContents(document.querySelector("#link"))
    return [...range.getClientRects()].some(line => line.right > button.left && line.top < button.bottom)
}"""


@pytest.mark.parametrize(("blocks", "told"), [(1, "after 1 confirmation<"), (6, "after 6 confirmations<")])
def test_it_counts_confirmations(
    team: Team, as_owner: Client, settings: Settings, blocks: int, told: str
) -> None:
    settings.HIVE_CONFIRMATIONS = blocks
    assert told in as_owner.get(PAGE).content.decode()


@needs_browser
@pytest.mark.django_db(transaction=True)
async def test_no_button_covers_the_end_of_a_link(team: Team, owner: User, settings: Settings) -> None:
    settings.HIVE_GLM_TOKEN = "0x" + "11" * 20
    async with portal_at_work() as port:
        for width in (1280, 390):
            async with browsing(port, width=width, user=owner) as page:
                await page.goto(f"{PAGE}?amount_glm=12.5")
                assert "uint256=" in await page.locator("#link").inner_text()
                assert not await page.evaluate(BENEATH), width
                pre = "document.querySelector('#link').parentElement"
                assert await page.evaluate(f"{pre}.scrollWidth <= {pre}.clientWidth"), width
