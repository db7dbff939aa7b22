"""`hive keys`: tokens that may only do what is said of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import click

from hive_client.commands.listing import listing_group
from hive_client.connection import connect
from hive_client.errors import HiveError
from hive_client.examples import examples
from hive_client.nouns import Key
from hive_client.output import JSON, clean, glm, output_option, print_json, print_rows, print_table, when
from hive_client.sdk import Hive

F = TypeVar("F", bound=Callable[..., Any])

COLUMNS = ("Key", "id", "State", "spent glm", "glm today", "Last used", "Expires", "May")
ALL = "all"
NONE = "none"
PEM = "-----BEGIN PUBLIC KEY-----"
LEAST_KEY = 32
"""Bytes: of an Ed25519 key, without the DER around it."""
EXAMPLES = examples(
    "hive keys",
    "hive keys make ci --image sha256:9f86… --limit-per-day 5 --requests-per-minute 60",
    "hive keys change ci --provider 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf --limit none",
    "hive keys revoke ci",
)


@listing_group(epilog=EXAMPLES, subcommand_metavar="[show | make | change | revoke]")
@output_option
def keys(output: str) -> None:
    """List the application keys of your team: what each may, and what it has spent. For owners."""
    found = list(connect().keys)
    print_rows(found, output, columns=COLUMNS, row=_row, empty="No key yet: see hive keys make.")


class Limit(click.ParamType):
    """An amount, or `none`."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == NONE:
            return value
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            self.fail(f'expected an amount of 0 or more, or "{NONE}", got {value!r}', param, ctx)
        return amount


def what_it_may(command: F) -> F:
    """The options that say what a key may."""
    limit = Limit()
    for option in (
        click.option("--requests-per-minute", type=limit, help="How often it may ask."),
        click.option(
            "--limit-per-hour", "limit_per_hour_glm", type=limit, help="GLM that all of it may cost."
        ),
        click.option("--limit-per-day", "limit_per_day_glm", type=limit, help="GLM from midnight UTC."),
        click.option("--limit", "limit_glm", type=limit, help="GLM in all."),
        click.option(
            "--signer", "signers", multiple=True, help="A public key, or a file of one. Repeatable."
        ),
        click.option("--image", "images", multiple=True, help="A digest: sha256:… or sha3-256:… Repeatable."),
        click.option("--provider", "providers", multiple=True, help="A node's id. Repeatable."),
    ):
        command = option(command)
    return command


@keys.command(epilog=examples("hive keys make shop --limit 20 --signer cosign.pub"))
@click.argument("name")
@click.option(
    "--valid-days", type=click.IntRange(1, 366), default=90, show_default=True, help="Until it expires."
)
@what_it_may
@output_option
def make(name: str, valid_days: int, output: str, **said: Any) -> None:
    """Make a key called NAME. It is shown this once. What no option limits is not limited."""
    key = connect().keys.make(name, valid_days=valid_days, **_allowed(said))
    if output == JSON:
        print_json(key)
        return
    click.echo(
        f"It may: {clean(key.in_words)}. It expires {when(key.expires_at)}. Keep it: it is shown this once.",
        err=True,
    )
    click.echo(key.key)


@keys.command(epilog=examples("hive keys change shop --image all --limit-per-day 2.5"))
@click.argument("key", metavar="KEY")
@what_it_may
@output_option
def change(key: str, output: str, **said: Any) -> None:
    """Change what KEY, a name or an id, may from now on. What is not mentioned stays.

    A list is given anew as a whole; `all` lifts it, `none` lifts a limit. What runs and is not allowed any
    more ends with its lease.
    """
    hive = connect()
    changed = hive.keys.change(_found(hive, key).id, **_allowed(said))
    print_json(changed) if output == JSON else _whole(changed)


@keys.command(epilog=examples("hive keys show shop -o json"))
@click.argument("key", metavar="KEY")
@output_option
def show(key: str, output: str) -> None:
    """Show all that is known of KEY, a name or an id."""
    found = _found(connect(), key)
    print_json(found) if output == JSON else _whole(found)


@keys.command(epilog=examples("hive keys revoke shop"))
@click.argument("key", metavar="KEY")
def revoke(key: str) -> None:
    """End KEY, a name or an id, now. What was applied with it goes on; nothing new is placed for it."""
    hive = connect()
    found = _found(hive, key)
    hive.keys.revoke(found.id)
    click.echo(f"Revoked {clean(found.name)} ({found.hint}…).", err=True)


def _found(hive: Hive, wanted: str) -> Key:
    """By id, or by a name that one key bears which is not over."""
    found = list(hive.keys)
    chosen = [key for key in found if str(key.id) == wanted] or [
        key for key in found if key.name == wanted and key.state == "issued"
    ]
    if len(chosen) != 1:
        told = (
            f"is the name of {len(chosen)} keys: give the id of one" if chosen else "is no key of your team"
        )
        message = f"{clean(wanted)} {told} (hive keys lists them)"
        raise click.UsageError(message) if chosen else HiveError(message, code="not_found", status=404)
    return chosen[0]


def _allowed(said: dict[str, Any]) -> dict[str, Any]:
    """What was given, as the Hive takes it: `all` is an empty list, `none` no limit."""
    given = {name: value for name, value in said.items() if value not in (None, ())}
    if "signers" in given:
        given["signers"] = [_public_key(text) for text in given["signers"]]
    return {name: _lifted(value) for name, value in given.items()}


def _lifted(value: Any) -> Any:
    if value == NONE:
        return None
    if isinstance(value, tuple | list):
        return [each for each in value if each != ALL]
    return value


def _public_key(text: str) -> str:
    """As it was given, or of the file of that name. A file that holds none is not sent, nor shown."""
    if text in (ALL, NONE) or text.lstrip().startswith(PEM):
        return text
    path = Path(text).expanduser()
    try:
        if path.is_file():
            return _key_in_file(path)
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--signer: {path} can't be read ({error})") from None
    if not _is_base64(text):
        raise click.UsageError(f"--signer: there is no file {path}, and it is no public key either")
    return text


def _key_in_file(path: Path) -> str:
    text = path.read_text().strip()
    if text.startswith(PEM) or _is_base64(text):
        return text
    raise click.UsageError(f"--signer: {path} holds no public key (PEM, or base64 of DER); it was not sent")


def _is_base64(text: str) -> bool:
    """Of as many bytes as a public key has at least."""
    try:
        return len(base64.b64decode(text, validate=True)) >= LEAST_KEY
    except ValueError:
        return False


def _row(key: Key) -> tuple[str, ...]:
    used = when(key.last_used_at) if key.last_used_at else "never"
    spent, today = glm(key.spent_glm), glm(key.spent_today_glm)
    return key.name, str(key.id), key.state, spent, today, used, when(key.expires_at), clean(key.in_words)


def _whole(key: Key) -> None:
    print_table(COLUMNS, [_row(key)], empty="")
    click.echo(f"\nHeld for leases: {glm(key.held_glm)} GLM. It runs at {glm(key.per_hour_glm)} GLM an hour.")
    for name in ("providers", "images", "signers", "deployments"):
        for each in getattr(key, name):
            click.echo(f"{name}: {clean(each)}")
