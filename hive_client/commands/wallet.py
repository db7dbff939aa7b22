"""`hive wallet`: the team's wallets, proving one, paying in and taking out."""

from __future__ import annotations

from decimal import Decimal

import click

from hive_client.commands.amounts import Amount
from hive_client.commands.listing import listing_group
from hive_client.commands.withdrawing import cancel, confirm, withdraw, withdrawals
from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import PaymentRequest, Wallet
from hive_client.output import JSON, glm, output_option, print_json, print_rows, when
from hive_client.quick_response import drawn

COLUMNS = ("Wallet", "Standing", "Since")
EXAMPLES = examples(
    "hive wallet",
    "hive wallet prove 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf",
    "hive wallet request 25",
    "hive wallet withdraw 10 --to 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf",
)


@listing_group(epilog=EXAMPLES)
@output_option
def wallet(output: str) -> None:
    """List your team's wallets: what comes from them is credited to its budget."""
    _show(list(connect().wallets), output)


@wallet.command(epilog=examples("hive wallet message 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf > message"))
@click.argument("address")
@output_option
def message(address: str, output: str) -> None:
    """Write the message by which the wallet at ADDRESS proves that it is your team's.

    Sign it as it stands, without a line break at its end, and hand in the signature with `hive wallet prove
    --nonce`. For owners.
    """
    asked = connect().wallets.message(address)
    if output == JSON:
        print_json(asked)
        return
    click.echo(f"Nonce {asked.nonce}; it can be signed until {asked.expires_at:%H:%M:%S} UTC.", err=True)
    click.echo(asked.message, nl=False)


@wallet.command(
    epilog=examples("hive wallet prove 0x7e5f…", "hive wallet prove --nonce 5f2d… --signature 0x…")
)
@click.argument("address", required=False)
@click.option("--nonce", help="Of a message that `hive wallet message` wrote.")
@click.option("--signature", help="That the wallet made of it: 0x and 130 hexadecimal digits.")
@output_option
def prove(address: str | None, nonce: str | None, signature: str | None, output: str) -> None:
    """Prove that the wallet at ADDRESS is your team's by signing a message. For owners.

    Sign it with any wallet that signs messages (personal_sign), such as `cast wallet sign`. The Hive's page
    of wallets does the same with the wallet of a browser.
    """
    if bool(address) == bool(nonce) or bool(nonce) != bool(signature):
        raise click.UsageError("give either ADDRESS, or --nonce and --signature of a message that you have")
    hive = connect()
    if address:
        asked = hive.wallets.message(address)
        click.echo(f"Sign this, word for word, until {asked.expires_at:%H:%M:%S} UTC:\n", err=True)
        click.echo(f"{asked.message}\n", err=True)
        nonce, signature = asked.nonce, click.prompt("Signature", err=True)
    proven = hive.wallets.prove(nonce or "", signature or "")
    print_json(proven) if output == JSON else _show([proven], output)


@wallet.command(epilog=examples("hive wallet request 25", "hive wallet request 0.5 -o json"))
@click.argument("amount_glm", metavar="AMOUNT", type=Amount())
@output_option
def request(amount_glm: Decimal, output: str) -> None:
    """Ask a wallet of yours for AMOUNT GLM: a QR code to scan, and a link that opens a wallet (EIP-681)."""
    wanted = connect().wallets.request(amount_glm)
    print_json(wanted) if output == JSON else _shown(wanted)


def _shown(wanted: PaymentRequest) -> None:
    click.echo(drawn(wanted.qr_rows))
    click.echo(
        f"\n{glm(wanted.amount_glm)} GLM of token {wanted.token} to {wanted.recipient}"
        f" on chain {wanted.chain_id}, from a wallet of your team (hive wallet lists them).\n",
        err=True,
    )
    click.echo(wanted.link)


def _show(found: list[Wallet], output: str) -> None:
    print_rows(found, output, columns=COLUMNS, row=_row, empty="No wallet yet: see hive wallet prove.")


def _row(each: Wallet) -> tuple[str, ...]:
    return (each.address, "proven" if each.is_proven else "not proven", when(each.created_at))


for command in (withdraw, withdrawals, confirm, cancel):
    wallet.add_command(command)
