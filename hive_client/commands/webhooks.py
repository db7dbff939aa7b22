"""`hive webhooks`: addresses of yours that are told of what your team is told of."""

from __future__ import annotations

import click

from hive_client.commands.listing import listing_group
from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns.notices import Delivery, Webhook
from hive_client.output import JSON, output_option, print_json, print_rows, when

COLUMNS = ("Webhook", "Since", "Secret since", "Address")
DELIVERIES = ("Delivery", "State", "tries", "Made", "Next try", "What", "Subject", "Answer")
EXAMPLES = examples(
    "hive webhooks",
    "hive webhooks add https://hooks.example.org/hive",
    "hive webhooks test 8b6b3c3e-0000-4000-8000-000000000001",
    "hive webhooks deliveries",
)


@listing_group(epilog=EXAMPLES)
@output_option
def webhooks(output: str) -> None:
    """List your team's webhooks. For owners. Requests are signed as Standard Webhooks says."""
    found = list(connect().webhooks)
    print_rows(found, output, columns=COLUMNS, row=_row, empty="No webhook yet: see hive webhooks add.")


@webhooks.command(epilog=examples("hive webhooks add https://hooks.example.org/hive"))
@click.argument("url")
@output_option
def add(url: str, output: str) -> None:
    """Have URL told of what your team is told of. Its secret is shown this once."""
    _show_secret(connect().webhooks.add(url), output)


@webhooks.command(epilog=examples("hive webhooks rotate 8b6b3c3e-0000-4000-8000-000000000001"))
@click.argument("webhook")
@output_option
def rotate(webhook: str, output: str) -> None:
    """Give WEBHOOK another secret. For a day requests are signed with the old one too."""
    _show_secret(connect().webhooks.rotate(webhook), output)


@webhooks.command(epilog=examples("hive webhooks remove 8b6b3c3e-0000-4000-8000-000000000001"))
@click.argument("webhook")
def remove(webhook: str) -> None:
    """Have WEBHOOK told of nothing any more."""
    connect().webhooks.remove(webhook)
    click.echo(f"Webhook {webhook} is removed.", err=True)


@webhooks.command(epilog=examples("hive webhooks test 8b6b3c3e-0000-4000-8000-000000000001"))
@click.argument("webhook")
@output_option
def test(webhook: str, output: str) -> None:
    """Send a test to WEBHOOK: `hive webhooks deliveries` tells what it answered."""
    _show_deliveries([connect().webhooks.test(webhook)], output)


@webhooks.command(epilog=examples("hive webhooks deliveries", "hive webhooks deliveries 8b6b… -o json"))
@click.argument("webhook", required=False)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Of the newest.")
@output_option
def deliveries(webhook: str | None, limit: int, output: str) -> None:
    """List what was sent to WEBHOOK, or to anybody by mail and webhook, with the latest answer."""
    found = connect().webhooks.deliveries(webhook)
    _show_deliveries([each for each, _ in zip(found, range(limit), strict=False)], output)


@webhooks.command(epilog=examples("hive webhooks redeliver 8b6b3c3e-0000-4000-8000-000000000002"))
@click.argument("delivery")
@output_option
def redeliver(delivery: str, output: str) -> None:
    """Send the message of a DELIVERY anew, under the same webhook-id."""
    _show_deliveries([connect().webhooks.redeliver(delivery)], output)


def _show_secret(webhook: Webhook, output: str) -> None:
    if output == JSON:
        print_json(webhook)
        return
    click.echo(f"Webhook {webhook.id}. Keep its secret: it is shown this once.", err=True)
    click.echo(webhook.secret)


def _row(each: Webhook) -> tuple[str, ...]:
    return (each.id, when(each.created_at), when(each.rotated_at), each.url)


def _show_deliveries(found: list[Delivery], output: str) -> None:
    print_rows(found, output, columns=DELIVERIES, row=_delivery, empty="Nothing was sent yet.")


def _delivery(each: Delivery) -> tuple[str, ...]:
    next_try = when(each.next_at) if each.state == "waiting" else "-"
    told = (each.kind, each.subject, each.reason)
    return (each.id, each.state, str(each.tries), when(each.created_at), next_try, *told)
