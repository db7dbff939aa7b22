"""No team takes a name that is the portal's, an address, or another team's."""

from typing import Any

import pytest

from apps.deployments.hosts import host_of
from apps.deployments.manifest import ServiceSpec
from apps.teams.models import Team

BAKERY = Team(pk=1, slug="bakery")


@pytest.fixture(autouse=True)
def portal(settings: Any) -> None:
    settings.HIVE_PORTAL_URL = "https://portal.hive.example"
    settings.HIVE_EDGE_DOMAIN = "edge.example"
    settings.ALLOWED_HOSTS = ["portal.hive.example", "intern.example", ".wide.example", "*"]


def asked(host: str | None) -> str | None:
    spec = ServiceSpec(image="app", port=80, host=host)
    return host_of(spec, service="web", deployment="hello", team=BAKERY)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "is no full host name"),
        ("127.1", "is no full host name"),
        ("192.168.0x1", "is no full host name"),
        ("localhost", "is no full host name"),
        ("portal.hive.example", "is a name of the portal itself"),
        ("www.portal.hive.example", "is a name of the portal itself"),
        ("intern.example", "is a name of the portal itself"),
        ("any.wide.example", "is a name of the portal itself"),
        ("edge.example", "is not for this team"),
        ("web.hello.other.edge.example", "is not for this team"),
    ],
)
def test_it_refuses_names_that_are_not_a_teams(host: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        asked(host)
    assert "bakery.edge.example" in str(caught.value) or "www.example.org" in str(caught.value)


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["www.bakery.example", "shop.bakery.edge.example", "hive.example"])
def test_it_gives_names_that_are_free(host: str) -> None:
    assert asked(host) == host


def test_it_names_by_itself_what_asks_for_nothing() -> None:
    assert asked(None) == "web.hello.bakery.edge.example"
