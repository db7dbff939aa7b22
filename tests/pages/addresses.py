"""Every page of the portal, walked from the URL configuration itself, so that none can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.pages.scenery import Scenery

FREE = {"healthz", "login", "logout"}
"""Open to whoever is not signed in."""
SHARED = {
    "dashboard",
    "market:index",
    "market:node",
    "nodes:list",
    "nodes:enrol",
    "nodes:detail",
    "bees:list",
    "bees:disputes",
    "billing:proofs",
    "billing:proofs-file",
}
"""The same for every member of any team: the market of nodes."""
BY_POST = {
    "deployments:apply",
    "deployments:stop",
    "deployments:start",
    "deployments:scale",
    "deployments:budget",
    "billing:at-end",
    "billing:draw-up",
    "billing:change-details",
    "billing:ask-proof",
    "billing:prove-wallet",
    "bees:dispute-say",
    "bees:dispute-accept",
    "bees:dispute-reply",
    "billing:withdraw",
    "billing:confirm-withdrawal",
    "billing:cancel-withdrawal",
    "nodes:enrol",
    "teams:create-token",
    "teams:revoke-token",
    "teams:want-mails",
    "teams:add-webhook",
    "teams:test-webhook",
    "teams:rotate-webhook",
    "teams:remove-webhook",
    "teams:redeliver",
    "billing:add-alert",
    "billing:remove-alert",
    "keys:create",
    "keys:change",
    "keys:revoke",
}


@dataclass(frozen=True)
class Page:
    name: str
    path: str

    @property
    def is_posted(self) -> bool:
        return self.name in BY_POST


def names() -> Iterator[str]:
    """All names of pages; admin and API are walked by tests of their own."""
    yield from _walk(get_resolver().url_patterns, "")


def _walk(patterns: list[URLPattern | URLResolver], namespace: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name not in {"admin"} and not str(pattern.pattern).startswith("api/"):
                yield from _walk(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else "")
        elif pattern.name and not str(pattern.pattern).startswith(("api/", "^api/", "peers")):
            yield namespace + pattern.name


def _of_notices(scenery: Scenery) -> dict[str, dict[str, object]]:
    team, webhook = {"slug": scenery.team.slug}, scenery.team.webhooks.get()
    found: dict[str, dict[str, object]] = {
        **dict.fromkeys(["teams:notices", "teams:want-mails", "teams:add-webhook", "billing:alerts"], team),
        "teams:redeliver": {"pk": webhook.deliveries.get().pk},
        "billing:add-alert": team | {"budget_id": scenery.budget.pk},
        "billing:remove-alert": {"pk": scenery.budget.alert_levels.all()[0].pk},
    }
    hook: dict[str, object] = {"pk": webhook.pk}
    names = ["teams:test-webhook", "teams:rotate-webhook", "teams:remove-webhook"]
    return found | dict.fromkeys(names, hook)


def pages(scenery: Scenery) -> list[Page]:
    """Each page with an object of the scenery in its address; KeyError for a page this test does not know."""
    kwargs: dict[str, dict[str, object]] = {name: {} for name in FREE | SHARED}
    team, plan = {"slug": scenery.team.slug}, {"pk": scenery.plan.pk}
    deployment = {"pk": scenery.deployment.pk}
    kwargs |= dict.fromkeys(
        [
            "team",
            "deployments:list",
            "deployments:new",
            "billing:overview",
            "billing:draw-up",
            "billing:statement",
            "billing:details",
            "billing:change-details",
        ],
        team,
    )
    kwargs |= dict.fromkeys(["teams:settings", "teams:create-token"], team)
    kwargs |= _of_notices(scenery)
    kwargs |= dict.fromkeys(["billing:wallets", "billing:ask-proof", "billing:prove-wallet"], team)
    kwargs["billing:withdraw"] = team
    kwargs["billing:at-end"] = {"pk": scenery.team.budgets.get().pk}
    withdrawal = {"pk": scenery.team.budgets.get().withdrawals.get().pk}
    kwargs |= dict.fromkeys(["billing:confirm-withdrawal", "billing:cancel-withdrawal"], withdrawal)
    kwargs |= dict.fromkeys(
        ["deployments:detail", "deployments:stop", "deployments:start", "deployments:budget"], deployment
    )
    kwargs |= dict.fromkeys(["deployments:plan", "deployments:apply"], plan)
    kwargs["deployments:scale"] = {"pk": scenery.service.pk}
    replica = {"pk": scenery.replica.pk}
    kwargs |= dict.fromkeys(["deployments:console", "deployments:logs", "deployments:log-text"], replica)
    kwargs["billing:invoice"] = {"pk": scenery.invoice.pk}
    kwargs["billing:invoice-file"] = {"pk": scenery.invoice.pk, "form": "csv"}
    kwargs["billing:credit-note-file"] = {"pk": scenery.invoice.credit_notes.get().pk, "form": "json"}
    kwargs["market:node"] = {"node_id": scenery.nodes[0].pk}
    kwargs["nodes:detail"] = {"node_id": scenery.nodes[0].pk}
    kwargs["bees:detail"] = {"node_id": scenery.nodes[0].pk}
    dispute = {"pk": scenery.dispute.pk}
    kwargs |= dict.fromkeys(["bees:dispute", "bees:dispute-say", "bees:dispute-accept"], dispute)
    kwargs["bees:dispute-reply"] = dispute
    kwargs["agreement"] = {"pk": scenery.agreement.pk}
    kwargs["teams:revoke-token"] = {"pk": scenery.token.pk}
    kwargs |= dict.fromkeys(["keys:list", "keys:create"], team)
    key = {"pk": scenery.key.token_id}
    kwargs |= dict.fromkeys(["keys:detail", "keys:change", "keys:revoke"], key)
    return [Page(name, reverse(name, kwargs=kwargs[name])) for name in names()]
