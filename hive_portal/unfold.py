"""The admin's look and its sidebar: one group a room, from top to bottom of the house."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _link(title: str, model: str, icon: str) -> dict[str, Any]:
    """`model` is app_label_modelname; icons are Material Symbols."""
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}


def _never(request: HttpRequest) -> bool:
    """The portal's address is the beginning of every other one."""
    return False


def _group(title: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": True, "items": list(items)}


NAVIGATION = [
    {
        "items": [
            {"title": "Now", "icon": "monitoring", "link": reverse_lazy("admin:index")},
            {"title": "Portal", "icon": "hive", "link": reverse_lazy("dashboard"), "active": _never},
        ]
    },
    _group(
        "Deployments",
        _link("Deployments", "deployments_deployment", "rocket_launch"),
        _link("Services", "deployments_service", "dns"),
        _link("Replicas", "deployments_replica", "content_copy"),
        _link("Assignments", "deployments_assignment", "assignment_turned_in"),
        _link("Plans", "deployments_plan", "draft"),
    ),
    _group(
        "Billing",
        _link("Budgets", "billing_budget", "savings"),
        _link("Budget caps", "billing_budgetcap", "vertical_align_top"),
        _link("Alerts", "billing_alertlevel", "notifications"),
        _link("Holds", "billing_hold", "lock_clock"),
        _link("Usage", "billing_usagerecord", "speed"),
        _link("Meters", "billing_meterreading", "electric_meter"),
        _link("Metering faults", "billing_meteringfault", "report"),
        _link("Debit notes", "billing_debitnote", "request_quote"),
        _link("Disputes", "billing_dispute", "gavel"),
        _link("Invoices", "billing_invoice", "receipt_long"),
        _link("Credit notes", "billing_creditnote", "undo"),
        _link("Billing details", "billing_billingdetails", "contact_mail"),
        _link("Payments", "billing_payment", "payments"),
        _link("Approvals", "billing_approval", "approval"),
        _link("Transactions", "billing_transaction", "send_money"),
        _link("Withdrawals", "billing_withdrawal", "output"),
        _link("Ledger", "billing_transfer", "account_balance"),
        _link("Accounts", "billing_account", "account_balance_wallet"),
        _link("Checkpoints", "billing_checkpoint", "flag"),
        _link("Chain transfers", "billing_chaintransfer", "link"),
        _link("Daily proofs", "billing_dailyproof", "fact_check"),
        _link("Chain nodes", "billing_chainnode", "lan"),
        _link("Wallets", "billing_wallet", "wallet"),
        _link("Wallet proofs", "billing_walletproof", "signature"),
    ),
    _group(
        "Market",
        _link("Demands", "market_demand", "shopping_cart"),
        _link("Proposals", "market_proposal", "forum"),
        _link("Agreements", "market_agreement", "handshake"),
        _link("Application keys", "market_keypolicy", "passkey"),
        _link("Cloud prices", "market_cloudprice", "cloud"),
        _link("GLM rates", "market_glmrate", "currency_exchange"),
    ),
    _group(
        "Nodes",
        _link("Nodes", "nodes_node", "memory"),
        _link("Offers", "nodes_offer", "sell"),
        _link("Sessions", "nodes_nodesession", "sensors"),
        _link("Reputations", "market_nodereputation", "thumbs_up_down"),
        _link("Benchmarks", "nodes_nodebenchmark", "speed"),
        _link("Enrolments", "nodes_enrolment", "key"),
    ),
    _group(
        "Teams",
        _link("Teams", "teams_team", "groups"),
        _link("Users", "teams_user", "person"),
        _link("Tokens", "teams_apitoken", "vpn_key"),
        _link("Notices", "teams_notice", "campaign"),
        _link("Deliveries", "teams_delivery", "outbox"),
        _link("Webhooks", "teams_webhook", "webhook"),
        _link("Audit trail", "teams_auditline", "history"),
    ),
]


def logo(request: HttpRequest) -> str:
    return static("img/logo.svg")


UNFOLD = {
    "SITE_TITLE": "Golem Hive",
    "SITE_HEADER": "Golem Hive",
    "SITE_SUBHEADER": "Operator's room",
    "SITE_URL": "/",
    "SITE_ICON": logo,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": logo}],
    "DASHBOARD_CALLBACK": "hive_portal.standing.standing",
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
    "COLORS": {
        "base": {
            "50": "#faf9f7",
            "100": "#f4f2ee",
            "200": "#e8e4de",
            "300": "#d6d1c9",
            "400": "#a39b91",
            "500": "#716a61",
            "600": "#57514a",
            "700": "#47413a",
            "800": "#302c27",
            "900": "#1c1a17",
            "950": "#141210",
        },
        "primary": {
            "50": "#fef8ea",
            "100": "#fef0cf",
            "200": "#fcdf9b",
            "300": "#fac95f",
            "400": "#f5b041",
            "500": "#e79a16",
            "600": "#b97309",
            "700": "#8f5607",
            "800": "#6d420a",
            "900": "#4d300c",
            "950": "#2b1f0a",
        },
    },
}
