"""Take the pictures of the documentation from a running portal: dashboard, deployment, market, ...

    .venv/bin/python scripts/screenshots.py http://localhost:8000 --user demo --password-file FILE

Needs a Chromium on PATH. Writes docs/images/{dashboard,deployment,plan,market,bees,admin}.png.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDTH, HEIGHT = 1280, 860
MAX_BYTES = 300 * 1024
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


def main() -> None:
    asked = _arguments()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("no Chromium on PATH: install it (Debian: apt-get install chromium)")
    password = Path(asked.password_file).read_text().strip() if asked.password_file else asked.password
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=asked.scheme)
        _sign_in(page, asked.url.rstrip("/"), asked.user, password)
        _take(page, asked.deployment)
        browser.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="of the portal, http://localhost:8000")
    parser.add_argument("--user", default="demo")
    parser.add_argument("--password", default="honeycomb")
    parser.add_argument("--password-file", help="read the password from here instead")
    parser.add_argument("--deployment", default="hello", help="whose page is shown")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    return parser.parse_args()


def _sign_in(page: Page, url: str, user: str, password: str) -> None:
    page.goto(f"{url}/login/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    if page.get_by_role("alert").count():
        sys.exit(f"{url} does not let {user} in: check --user and --password")


def _take(page: Page, deployment: str) -> None:
    _save(page, "dashboard")
    page.get_by_role("link", name=deployment, exact=True).first.click()
    page.wait_for_load_state("networkidle")
    _save(page, "deployment")
    page.get_by_role("link", name="What was planned").click()
    page.wait_for_load_state("networkidle")
    _save(page, "plan")
    page.get_by_role("link", name="Market", exact=True).click()
    page.wait_for_load_state("networkidle")
    _save(page, "market")
    page.get_by_role("link", name="My Bees").click()
    page.wait_for_load_state("networkidle")
    _save(page, "bees")
    page.goto(page.url.split("/bees/")[0] + "/admin/")
    _save(page, "admin")


def _save(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.evaluate("document.fonts.ready")
    page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    print(f"{path}: {size // 1024} KB")
    if size > MAX_BYTES:
        sys.exit(f"{path} is larger than {MAX_BYTES // 1024} KB: take a smaller window")


if __name__ == "__main__":
    main()
