"""`hive verify-invoice`: an exported invoice, recomputed here. Asks no Hive."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from hive_client.commands.addresses import Address
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.output import JSON, clean, glm, output_option, print_json

if TYPE_CHECKING:
    from hive_client.proving import Proven


@click.command(
    "verify-invoice",
    epilog=examples(
        "hive invoices HIVE-2026-000001 --save invoice.json",
        "hive verify-invoice invoice.json",
        "hive verify-invoice invoice.json --issuer 0xd76c7a8f6792627d275ed13400b59142f82aaf71",
    ),
)
@click.argument("file", type=click.File("rb"))
@click.option("--issuer", metavar="ADDRESS", type=Address(), help="Whose signature it must bear.")
@click.option(
    "--earlier-key",
    "earlier_keys",
    metavar="ADDRESS",
    type=Address(),
    multiple=True,
    help="Of the issuer's key before, which signed agreements that are still billed. May be given again.",
)
@output_option
def verify_invoice(file: IO[bytes], issuer: str | None, earlier_keys: tuple[str, ...], output: str) -> None:
    """Recompute the exported invoice in FILE (- is standard input), offline and to the last digit.

    Every usage report, its signature and its place in the chain; both signatures of each agreement, and that
    it is the customer's and stands there once; what was billed, at the agreement's own price; all sums and
    taxes; and the issuer's signature over the whole. The first thing that is wrong is named with its place in
    FILE, and the exit status is then 1.
    """
    proven = _prove(file, earlier_keys=list(earlier_keys))
    if issuer and proven.issuer != issuer:
        raise HiveError(f"{file.name}: signed by {proven.issuer}, not by {issuer}", code="not_as_signed")
    if output == JSON:
        print_json(proven)
        return
    paper = f"{proven.kind.capitalize()} {clean(proven.number)} to {clean(proven.customer)}"
    checked = f"{proven.agreements} agreements and {proven.reports} usage reports were recomputed"
    click.echo(f"{paper} over {glm(proven.total_glm)} GLM is right: {checked}.")
    click.echo(f"Signed by {proven.issuer}: see that this is the Hive you deal with.", err=bool(issuer))


def _prove(file: IO[bytes], *, earlier_keys: list[str]) -> Proven:
    try:
        from hive_client.proving import Wrong, prove  # only who verifies needs its libraries
    except ModuleNotFoundError:
        raise click.ClickException(
            "verify-invoice needs libraries that check signatures: pip install 'golem-hive[verify]'"
        ) from None
    try:
        return prove(file.read(), earlier_keys=earlier_keys)
    except Wrong as wrong:
        raise HiveError(f"{file.name}: {wrong}", code="not_as_signed") from None
