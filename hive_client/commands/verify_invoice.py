"""`hive verify-invoice`: exported invoices, recomputed here. Asks no Hive."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from hive_client.commands.addresses import Address
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.output import JSON, clean, every_digit, output_option, print_json
from hive_client.reading import plain

if TYPE_CHECKING:
    from hive_client.proving import Proven, Together


@click.command(
    "verify-invoice",
    epilog=examples(
        "hive invoices HIVE-2026-000001 --save invoice.json",
        "hive verify-invoice invoice.json",
        "hive verify-invoice invoice.json --issuer 0xd76c7a8f6792627d275ed13400b59142f82aaf71",
        "hive verify-invoice may.json june.json july.json",
    ),
)
@click.argument("files", metavar="FILE...", type=click.File("rb"), nargs=-1, required=True)
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
def verify_invoice(
    files: tuple[IO[bytes], ...], issuer: str | None, earlier_keys: tuple[str, ...], output: str
) -> None:
    """Recompute the exported invoice in each FILE (- is standard input), offline and to the last digit.

    Every usage report, its signature and its place in the chain; both signatures of each agreement, and that
    it is the customer's and stands there once; what was billed, at the agreement's own price; all sums and
    taxes; and the issuer's signature over the whole. Of several files also that none of them bills what
    another one bills, and that all say the same of each agreement. The first thing that is wrong is named
    with its place in FILE, and the exit status is then 1. What may be in files that were not given, such as
    numbers between theirs, is a note.
    """
    together = _together(earlier_keys=earlier_keys)
    proven = [_prove(together, file, issuer=issuer) for file in files]
    notes = [clean(note) for note in together.notes()] if len(files) > 1 else []
    if output == JSON:
        papers = [{"file": file.name} | plain(each) for file, each in zip(files, proven, strict=True)]
        print_json({"papers": papers, "notes": notes})
        return
    _print(proven, notes, is_issuer_known=bool(issuer))


def _print(proven: list[Proven], notes: list[str], *, is_issuer_known: bool) -> None:
    for each in proven:
        paper = f"{each.kind.capitalize()} {clean(each.number)} to {clean(each.customer)}"
        checked = f"{each.agreements} agreements and {each.reports} usage reports were recomputed"
        click.echo(f"{paper} over {every_digit(each.total_glm)} GLM is right: {checked}.{_due(each)}")
    if len(proven) > 1:
        click.echo(f"Nothing is billed twice on these {len(proven)} files.")
    for note in notes:
        click.echo(f"Note: {note}.", err=True)
    for issuer in sorted({each.issuer for each in proven}):
        click.echo(f"Signed by {issuer}: see that this is the Hive you deal with.", err=is_issuer_known)


def _due(proven: Proven) -> str:
    """As the issuer signed it, for whoever pays to compare: what was prepaid is in no file."""
    if proven.due_glm is None:
        return ""
    return f" Due when it was drawn up: {every_digit(proven.due_glm)} GLM."


def _together(*, earlier_keys: tuple[str, ...]) -> Together:
    try:
        from hive_client.proving import Together  # only who verifies needs its libraries
    except ModuleNotFoundError:
        raise click.ClickException(
            "verify-invoice needs libraries that check signatures: pip install 'golem-hive[verify]'"
        ) from None
    return Together(earlier_keys=earlier_keys)


def _prove(together: Together, file: IO[bytes], *, issuer: str | None) -> Proven:
    from hive_client.proving import Wrong

    try:
        proven = together.add(file.name, file.read())
    except Wrong as wrong:
        raise HiveError(f"{file.name}: {wrong}", code="not_as_signed") from None
    if issuer and proven.issuer != issuer:
        raise HiveError(f"{file.name}: signed by {proven.issuer}, not by {issuer}", code="not_as_signed")
    return proven
