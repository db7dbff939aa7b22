"""The `hive` command: one entry point for those who use a Hive, and for those who run one."""

from __future__ import annotations

import click

from hive_client.exits import table_of_exits
from hive_client.lazy import Lazy, LazyGroup

COMMANDS = {
    "login": Lazy("hive_client.commands.login:login", "Save the address of a Hive and a token for it"),
    "plan": Lazy(
        "hive_client.commands.plan:plan", "Show what a Compose file would place where, at which price"
    ),
    "deploy": Lazy("hive_client.commands.deploy:deploy", "Run a Compose file and wait until it is healthy"),
    "ps": Lazy("hive_client.commands.ps:ps", "List deployments, or the replicas of one"),
    "status": Lazy("hive_client.commands.status:status", "How a deployment stands, its money included"),
    "logs": Lazy("hive_client.commands.logs:logs", "Show what the replicas of a deployment wrote"),
    "scale": Lazy("hive_client.commands.scale:scale", "Change how many replicas a service has"),
    "stop": Lazy("hive_client.commands.stop:stop", "Stop a deployment"),
    "start": Lazy("hive_client.commands.start:start", "Start a stopped deployment again"),
    "market": Lazy(
        "hive_client.commands.market:market", "The book by runtime and region, and what clouds would cost"
    ),
    "nodes": Lazy("hive_client.commands.nodes:nodes", "List the nodes for rent, or show one"),
    "bees": Lazy("hive_client.commands.bees:bees", "What your own machines run and earn, and why not more"),
    "disputes": Lazy(
        "hive_client.commands.disputes:disputes", "What your Bees asked for beyond what was rated"
    ),
    "enrol": Lazy("hive_client.commands.enrol:enrol", "Make a one-time token with which a Bee joins"),
    "keys": Lazy("hive_client.commands.keys:keys", "Application keys: what each may, and what it has spent"),
    "invoices": Lazy("hive_client.commands.invoices:invoices", "List invoices, show one, or draw one up"),
    "billing": Lazy("hive_client.commands.billing:billing", "Whom your team's invoices are made out to"),
    "statement": Lazy(
        "hive_client.commands.statement:statement", "What came into a budget and went out of it in a month"
    ),
    "verify-invoice": Lazy(
        "hive_client.commands.verify_invoice:verify_invoice",
        "Recompute an exported invoice offline, signatures included",
    ),
    "alerts": Lazy("hive_client.commands.alerts:alerts", "When your team is told that its money ends"),
    "webhooks": Lazy(
        "hive_client.commands.webhooks:webhooks", "Addresses of yours that are told too, by signed requests"
    ),
    "budget": Lazy(
        "hive_client.commands.budget:budget", "What there is, what each deployment may take, and at the end"
    ),
    "wallet": Lazy("hive_client.commands.wallet:wallet", "Your team's wallets: prove one, pay in, withdraw"),
    "agent": Lazy("agent.cli:agent_group", "Run a Bee: rent this machine out", extra="agent", needs="agent"),
    "serve": Lazy(
        "hive_portal.serve:serve_command", "Run a Hive on this machine", extra="server", needs="server"
    ),
    "demo": Lazy(
        "hive_portal.demo.command:demo_command",
        "From a Compose file to a settled payment, on this machine",
        extra="server,agent",
        needs="server and the agent",
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, epilog=table_of_exits())
@click.version_option(package_name="golem-hive", prog_name="hive")
def main() -> None:
    """Other people's spare computers as a private cloud.

    \b
    hive login http://localhost:8000        save address and token
    hive deploy -f compose.yaml             plan, apply, wait until healthy
    hive ps                                 what runs, where to reach it, what it costs

    HIVE_URL and HIVE_TOKEN in the environment win over what `hive login` saved.
    """
