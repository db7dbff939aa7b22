"""`hive disputes`: debit notes of your Bees that ask for more than was rated."""

from __future__ import annotations

import click

from hive_client.commands.listing import listing_group
from hive_client.connection import connect
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.nouns import Dispute, DisputeMessage
from hive_client.output import (
    JSON,
    clean,
    glm,
    output_option,
    print_json,
    print_rows,
    print_table,
    short,
    when,
)
from hive_client.sdk import Hive

COLUMNS = ("Dispute", "Bee", "State", "asked glm", "hive glm", "open glm", "Until", "Reason")
IN_LIST = 8
"""Letters of an id that the list shows; as many as are unique are enough to name one."""


@listing_group(
    epilog=examples("hive disputes", "hive disputes show 1b9d6bcd", "hive disputes accept 1b9d6bcd"),
    subcommand_metavar="[show | say | accept]",
)
@output_option
def disputes(output: str) -> None:
    """List what your Bees asked for beyond what was rated. What was rated is paid all the same."""
    found = list(connect().disputes)
    print_rows(found, output, columns=COLUMNS, row=_row, empty="No debit note of yours is disputed.")


@disputes.command(epilog=examples("hive disputes show 1b9d6bcd -o json"))
@click.argument("dispute")
@output_option
def show(dispute: str, output: str) -> None:
    """Show a DISPUTE and all that was said about it. The first letters of its id are enough."""
    hive = connect()
    _show(hive.disputes.get(_found(hive, dispute).id), output)


@disputes.command(epilog=examples('hive disputes say 1b9d6bcd "It ran until four, see the log."'))
@click.argument("dispute")
@click.argument("text")
@output_option
def say(dispute: str, text: str, output: str) -> None:
    """Object to the Hive's figure, or say more: an operator has seven days to answer."""
    hive = connect()
    _show(hive.disputes.say(_found(hive, dispute).id, text), output)


@disputes.command(epilog=examples("hive disputes accept 1b9d6bcd --yes"))
@click.argument("dispute")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
def accept(dispute: str, yes: bool, output: str) -> None:
    """Take the Hive's figure and give up the difference. That can't be taken back."""
    hive = connect()
    found = _found(hive, dispute)
    if not yes:
        told = (
            f"The Hive pays {glm(found.hive_glm)} GLM in all; you give up {glm(found.open_glm)} GLM. Go on?"
        )
        click.confirm(told, abort=True, err=True)
    _show(hive.disputes.accept(found.id, gives_up_glm=found.open_glm), output)


def _found(hive: Hive, wanted: str) -> Dispute:
    """By its id, or by letters that only its id begins with."""
    chosen = [each for each in hive.disputes if each.id.startswith(wanted.lower())] if wanted else []
    if len(chosen) > 1:
        raise click.UsageError(f"{len(chosen)} disputes begin with {clean(wanted)}: give more letters of one")
    if not chosen:
        message = f"{clean(wanted)} is no dispute of yours (hive disputes lists them)"
        raise HiveError(message, code="not_found", status=404)
    return chosen[0]


def _row(each: Dispute) -> tuple[str, ...]:
    amounts = (each.asked_glm, each.hive_glm, each.open_glm)
    until = when(each.deadline_at) if each.deadline_at else "-"
    return (each.id[:IN_LIST], short(each.node), each.state, *map(glm, amounts), until, each.reason)


def _show(found: Dispute, output: str) -> None:
    if output == JSON:
        print_json(found)
        return
    print_table(COLUMNS, [_row(found)], empty="")
    for message in found.messages or []:
        click.echo(f"\n{_headed(message)}\n  {clean(message.text)}")


def _headed(message: DisputeMessage) -> str:
    figure = f", offering {glm(message.figure_glm)} GLM in all" if message.figure_glm is not None else ""
    return f"{when(message.at)} {clean(message.author)} ({message.side}){figure}:"
