"""A NUL in the address of a page: there is nothing there, and nothing breaks over it."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.pages.addresses import pages
from tests.pages.scenery import Scenery

pytestmark = pytest.mark.usefixtures("deaf_bees")


def test_it_has_no_page_for_one_in_a_query(scenery: Scenery, as_owner: Client) -> None:
    for page in pages(scenery):
        for query in ("state=%00", "page=1&a%00=1"):
            path = f"{page.path}?{query}"
            answer = as_owner.post(path) if page.is_posted else as_owner.get(path)
            assert answer.status_code == 404, page
            assert "Content-Security-Policy" in answer.headers, page


@pytest.mark.parametrize("path", ["/nodes/%00/", "/bees/%00/", "/teams/%00/", "/%00", "/market/nodes/%00/"])
def test_it_has_no_page_for_one_in_a_path(path: str, scenery: Scenery, as_owner: Client) -> None:
    answer = as_owner.get(path)
    assert answer.status_code == 404
    assert "text/html" in answer.headers["Content-Type"]


@pytest.mark.parametrize(
    "path", ["billing/invoice/?state__exact=%00", "billing/invoice/?q=%00", "billing/invoice/%00/change/"]
)
def test_the_admin_has_none_either(path: str, scenery: Scenery, as_operator: Client) -> None:
    assert as_operator.get(f"/admin/{path}").status_code == 404


def test_a_cookie_with_one_opens_nothing_and_breaks_nothing(db: None) -> None:
    client = Client()
    client.cookies.load(r'sessionid="abcdefgh\000ijkl"')
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/?next=/")
