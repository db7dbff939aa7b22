"""`hive agent install`, `uninstall`: the Bee as a service of systemd."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.exits import or_exit
from agent.cli.options import home_option
from agent.errors import AgentError
from agent.service import Service, is_booted, systemd_version

user_option = click.option("--user", is_flag=True, help="For your login only, without root.")
name_option = click.option(
    "--name", default="", help="Tells several bees of one machine apart: hive-bee-NAME.service."
)


@click.command("install")
@home_option
@user_option
@name_option
@click.option("--print", "prints", is_flag=True, help="Print the unit and change nothing.")
def install_command(home: Path, user: bool, name: str, prints: bool) -> None:
    """Have systemd run this bee from now on and after each boot.

    It is started again whatever ends it, but for a final refusal by the Hive. It is never updated by itself:
    install a new version and run `systemctl restart hive-bee`; what runs here is found again.
    """
    service = or_exit(lambda: _service(home, user, name))
    if prints:
        return click.echo(or_exit(lambda: service.text(systemd_version())), nl=False)
    or_exit(service.install)
    now = "It runs now and after each boot." if is_booted() else "It will run after the next boot of systemd."
    click.echo(f"{service.path} is written. {now}\n{_hint(service)}")


@click.command("uninstall")
@home_option
@user_option
@name_option
def uninstall_command(home: Path, user: bool, name: str) -> None:
    """Stop the service and take it out. The bee's home stays, and what runs ends with its lease."""
    service = or_exit(lambda: Service(home, name, user))
    or_exit(service.uninstall)
    click.echo(f"{service.path} is gone. The key is still in {home}.")


def _service(home: Path, user: bool, name: str) -> Service:
    if not (home / "bee.toml").exists():
        raise AgentError(f"no bee lives in {home}: join a Hive first with `hive agent join URL TOKEN`")
    return Service(home, name, user)


def _hint(service: Service) -> str:
    if service.user:
        linger = "To have it run while you are logged out: loginctl enable-linger"
        return f"What it says: journalctl --user -u {service.unit}\n{linger}"
    return f"What it says: journalctl -u {service.unit}"
