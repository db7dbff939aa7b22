"""A wallet that lives in the browser (EIP-1193) signs on the page. Its key is real, its window is not."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from apps.billing.models import Wallet
from apps.teams.models import User
from tests.billing.wallets_of_tests import OTHER, WALLET, signed
from tests.needs import needs_browser
from tests.pages.portal import portal_at_work
from tests.pages.scenery import Scenery
from tests.pages.test_it_works_in_a_browser import browsing

pytestmark = [needs_browser, pytest.mark.django_db(transaction=True)]

PROVIDER = "window.ethereum = { request: (asked) => window.askWallet(asked) }"


class BrowserWallet:
    """What an extension answers: its account, and signatures that its owner grants."""

    def __init__(self) -> None:
        self.account, self.refuses = WALLET, False

    async def install(self, page: Page) -> None:
        await page.expose_function("askWallet", self.answer)
        await page.add_init_script(PROVIDER)

    def answer(self, asked: dict[str, Any]) -> Any:
        if asked["method"] == "eth_requestAccounts":
            return [str(self.account.address)]
        assert asked["method"] == "personal_sign"
        text, address = asked["params"]
        assert address == self.account.address
        if self.refuses:
            raise ValueError("User rejected the request.")
        return signed(bytes.fromhex(text[2:]).decode(), self.account)


async def test_a_browsers_wallet_proves_itself(scenery: Scenery, owner: User) -> None:
    wallet = BrowserWallet()
    async with portal_at_work() as port, browsing(port, user=owner) as page:
        await wallet.install(page)
        await page.goto(f"/teams/{scenery.team.slug}/billing/wallets/")
        await page.get_by_role("button", name="Use the browser's wallet").click()
        sign = page.get_by_role("button", name="Sign with the browser's wallet")

        wallet.refuses = True
        await sign.click()
        await expect(page.get_by_role("alert")).to_contain_text("User rejected the request.")

        wallet.refuses, wallet.account = False, OTHER
        await sign.click()
        await expect(page.get_by_role("alert")).to_contain_text("switch it to")

        wallet.account = WALLET
        await sign.click()
        await expect(page.get_by_role("status")).to_contain_text("is proven")
    proven = await Wallet.objects.prefetch_related("proofs").aget(address=WALLET.address.lower())
    assert proven.is_proven


async def test_without_one_the_signature_is_pasted(scenery: Scenery, owner: User) -> None:
    async with portal_at_work() as port, browsing(port, user=owner) as page:
        await page.goto(f"/teams/{scenery.team.slug}/billing/wallets/")
        await expect(page.get_by_role("button", name="Use the browser's wallet")).to_be_hidden()
        await page.get_by_label("Prove a wallet").fill(str(WALLET.address))
        await page.get_by_role("button", name="Get the message to sign").click()
        text = await page.locator("#message").text_content()
        await page.get_by_label("Paste the signature").fill(signed(text or ""))
        await page.get_by_role("button", name="Prove the wallet").click()
        await expect(page.get_by_role("status")).to_contain_text("is proven")
